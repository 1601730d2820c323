// Lets the compiler make several versions of a CPU loop, for the vector widths that x86-64 processors may have; the
// best one is chosen when the library is loaded. Elsewhere (aarch64 has its vectors in the base architecture) there is
// one.
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

// Before a loop whose iterations touch separate elements: arrays may be the same or apart, but no iteration reads what
// another one writes. The compiler cannot see that through two pointers.
#if defined(__clang__)
#define SIMPLE_TRT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SIMPLE_TRT_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#endif

// For the functions that a multiversion function calls: they must become part of it to be compiled for its vectors.
#define SIMPLE_TRT_INLINE __attribute__((always_inline)) inline
