# The one list of what is compiled. The product (CMakeLists.txt, which setup.py calls) and the tests (tests/cpp) read it.
# Paths are relative to the repository.

set(SIMPLE_TRT_OPS letterbox center_pool corner_pool find_peaks group_boxes crop_heatmaps read_keypoints)

set(SIMPLE_TRT_CPU_SOURCES csrc/kernels/parallel.cpp)
set(SIMPLE_TRT_CUDA_SOURCES)
foreach(op IN LISTS SIMPLE_TRT_OPS)
  if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/kernels/${op}.cpp)
    list(APPEND SIMPLE_TRT_CPU_SOURCES csrc/kernels/${op}.cpp)
  endif()
  if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/kernels/${op}.cu)
    list(APPEND SIMPLE_TRT_CUDA_SOURCES csrc/kernels/${op}.cu)
  endif()
endforeach()

set(SIMPLE_TRT_PYTHON_SOURCES csrc/python/core.cpp csrc/python/arrays.cpp csrc/python/bind_letterbox.cpp
                              csrc/python/bind_pools.cpp)
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/python/bind_decode.cpp)
  list(APPEND SIMPLE_TRT_PYTHON_SOURCES csrc/python/bind_decode.cpp)
  set(SIMPLE_TRT_PYTHON_DEFINITIONS SIMPLE_TRT_HAS_DECODE)
endif()

file(GLOB SIMPLE_TRT_TORCH_SOURCES RELATIVE ${CMAKE_CURRENT_LIST_DIR}/.. CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_LIST_DIR}/torch/*.cpp)

set(SIMPLE_TRT_EMULATOR_SOURCES csrc/emulator/grid.cpp)
