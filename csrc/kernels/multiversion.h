// Lets the compiler make several versions of a CPU loop, for the vector widths that x86-64 processors may have; the best one
// is chosen when the library is loaded. Elsewhere (aarch64 has its vectors in the base architecture) there is one.
//
// All versions give the same results: no flag allows the compiler to change arithmetic (see csrc/flags.cmake).
#pragma once

// Not in emulator builds: the sanitizers are not yet running when the version is chosen.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__) && defined(__GLIBC__) && \
    !defined(SIMPLE_TRT_EMULATOR)
#if __GNUC__ >= 12
#define SIMPLE_TRT_MULTIVERSION __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SIMPLE_TRT_MULTIVERSION __attribute__((target_clones("default", "avx2")))
#endif
#else
#define SIMPLE_TRT_MULTIVERSION
#endif

// For the functions that such a loop calls: they must become part of it to be compiled for its vectors.
#define SIMPLE_TRT_INLINE __attribute__((always_inline)) inline
