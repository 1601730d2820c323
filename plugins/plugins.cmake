# The TensorRT plugin library: our ops as IPluginV3, with their CUDA kernels inside, so that it is one file that can be moved,
# loaded by trtexec, or put into an engine. Needs the headers of TensorRT alone, and none of its libraries.

include(plugins/tensorrt.cmake)

set(missing ${SIMPLE_TRT_TENSORRT_MISSING})
if(NOT SIMPLE_TRT_WITH_CUDA)
  set(missing "no CUDA code is built")
endif()
if(missing)
  message(STATUS "simple-trt: the TensorRT plugin library is not built: ${missing}")
  return()
endif()
message(STATUS "simple-trt: the TensorRT plugin library is built with the headers of TensorRT ${SIMPLE_TRT_TENSORRT_VERSION} "
               "in ${SIMPLE_TRT_TENSORRT_INCLUDE}")

add_library(simple_trt_plugins SHARED ${SIMPLE_TRT_PLUGIN_SOURCES})
target_include_directories(simple_trt_plugins SYSTEM PRIVATE ${SIMPLE_TRT_TENSORRT_INCLUDE}
                                                             ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_compile_options(simple_trt_plugins PRIVATE ${SIMPLE_TRT_PLUGIN_FLAGS})
target_link_libraries(simple_trt_plugins PRIVATE simple_trt_cuda)
target_link_options(simple_trt_plugins PRIVATE LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/plugins/exports.map
                                               LINKER:--no-undefined)
set_target_properties(simple_trt_plugins PROPERTIES CUDA_RUNTIME_LIBRARY Static
                                                    LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/plugins/exports.map)
install(TARGETS simple_trt_plugins LIBRARY DESTINATION .)
