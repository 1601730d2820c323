# The torch op library, through the LibTorch stable ABI: a C++ compiler is enough, and one binary serves every torch from the
# target version on, with or without CUDA. Built when the torch of this Python is found by its files; torch is not imported.

execute_process(COMMAND ${Python_EXECUTABLE} -c "import sysconfig; print(sysconfig.get_path('platlib'))"
                OUTPUT_VARIABLE platlib OUTPUT_STRIP_TRAILING_WHITESPACE)
set(SIMPLE_TRT_TORCH_ROOT ${platlib}/torch)

set(torch_version 0)
if(EXISTS ${SIMPLE_TRT_TORCH_ROOT}/version.py)
  file(STRINGS ${SIMPLE_TRT_TORCH_ROOT}/version.py torch_version REGEX "^__version__")
  string(REGEX MATCH "[0-9]+[.][0-9]+" torch_version "${torch_version}")
endif()
if(torch_version VERSION_LESS 2.10)
  message(STATUS "simple-trt: the torch op library is not built: no torch >= 2.10 in ${platlib}")
  return()
endif()
message(STATUS "simple-trt: the torch op library is built with the headers of ${SIMPLE_TRT_TORCH_ROOT}")

add_library(simple_trt_torch SHARED ${SIMPLE_TRT_TORCH_SOURCES})
target_include_directories(simple_trt_torch SYSTEM PRIVATE ${SIMPLE_TRT_TORCH_ROOT}/include)
target_compile_definitions(simple_trt_torch PRIVATE TORCH_TARGET_VERSION=0x020a000000000000)
target_compile_options(simple_trt_torch PRIVATE ${SIMPLE_TRT_WARNINGS})
# The library must name libtorch_cpu.so as needed, or its symbols are not found when torch loads it.
target_link_libraries(simple_trt_torch PRIVATE simple_trt_kernels -Wl,--no-as-needed
                                               ${SIMPLE_TRT_TORCH_ROOT}/lib/libtorch_cpu.so -Wl,--as-needed)
install(TARGETS simple_trt_torch LIBRARY DESTINATION .)
