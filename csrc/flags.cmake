# Compiler flags of the kernels, for the product and for the tests.

set(SIMPLE_TRT_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wall> $<$<COMPILE_LANGUAGE:CXX>:-Wextra>)

# No fused multiply-add but where it is written: kernels, twins and engines are compared number by number, and a compiler that
# fuses on one processor and not on another would make them differ. -fno-trapping-math and -fno-math-errno change no result;
# they let comparisons and square roots vectorise.
set(SIMPLE_TRT_CPU_FLAGS ${SIMPLE_TRT_WARNINGS})
foreach(flag -O3 -ffp-contract=off -fno-trapping-math -fno-math-errno)
  list(APPEND SIMPLE_TRT_CPU_FLAGS $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
endforeach()

set(SIMPLE_TRT_CUDA_FLAGS)
foreach(flag --fmad=false -Xcompiler=-ffp-contract=off)
  list(APPEND SIMPLE_TRT_CUDA_FLAGS $<$<COMPILE_LANGUAGE:CUDA>:${flag}>)
endforeach()
if(SIMPLE_TRT_WITH_CUDA AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  # The code of all devices is in one library, of which each uses a twelfth.
  list(APPEND SIMPLE_TRT_CUDA_FLAGS $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
endif()

set(SIMPLE_TRT_PLUGIN_FLAGS ${SIMPLE_TRT_WARNINGS})
foreach(flag -Werror -O2 -fvisibility=hidden)
  list(APPEND SIMPLE_TRT_PLUGIN_FLAGS $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
endforeach()
