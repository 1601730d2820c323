# Our decode ops as nodes of OpenVINO models, with their CPU kernels inside. Fits the release of OpenVINO that it is built
# with, and no other: there, engines run the decode as the standard operators that their graph has.

if(NOT DEFINED SIMPLE_TRT_OPENVINO AND DEFINED ENV{SIMPLE_TRT_OPENVINO})
  set(SIMPLE_TRT_OPENVINO $ENV{SIMPLE_TRT_OPENVINO})
endif()
if("${SIMPLE_TRT_OPENVINO}" STREQUAL "0")
  message(STATUS "simple-trt: the OpenVINO op library is not built: SIMPLE_TRT_OPENVINO is 0")
  return()
endif()

# Found as Python finds it, for a build of its own may have it elsewhere than the environment; openvino is not imported.
set(find_openvino "import importlib.util as u; found = u.find_spec('openvino')
print(found.submodule_search_locations[0] if found else '')")
execute_process(COMMAND ${Python_EXECUTABLE} -c "${find_openvino}"
                OUTPUT_VARIABLE openvino_root OUTPUT_STRIP_TRAILING_WHITESPACE)
unset(OpenVINO_DIR CACHE)  # another OpenVINO may have been installed since
find_package(OpenVINO QUIET COMPONENTS Runtime Threading PATHS ${openvino_root}/cmake NO_DEFAULT_PATH)
if(NOT OpenVINO_FOUND)
  message(STATUS "simple-trt: the OpenVINO op library is not built: this Python has no openvino with its headers")
  return()
endif()
message(STATUS "simple-trt: the OpenVINO op library is built for OpenVINO ${OpenVINO_VERSION} in ${openvino_root}")

add_library(simple_trt_openvino SHARED ${SIMPLE_TRT_OPENVINO_SOURCES})
target_compile_options(simple_trt_openvino PRIVATE ${SIMPLE_TRT_CPU_FLAGS} -fvisibility=hidden)
target_link_libraries(simple_trt_openvino PRIVATE openvino::runtime openvino::threading)
install(TARGETS simple_trt_openvino LIBRARY DESTINATION .)
