# Finds the headers of TensorRT: in TensorRT_ROOT (given to CMake or in the environment: a folder that has them, or has them in
# include/), else where the compiler looks by itself, as on a Jetson. Sets SIMPLE_TRT_TENSORRT_INCLUDE and
# SIMPLE_TRT_TENSORRT_VERSION, or, where there are none, SIMPLE_TRT_TENSORRT_MISSING to the reason.

if(NOT DEFINED TensorRT_ROOT AND DEFINED ENV{TensorRT_ROOT})
  set(TensorRT_ROOT $ENV{TensorRT_ROOT})
endif()

function(simple_trt_find_tensorrt)
  set(suffixes include include/${CMAKE_LIBRARY_ARCHITECTURE})
  if(TensorRT_ROOT)
    find_path(folder NvInferRuntime.h PATHS ${TensorRT_ROOT} PATH_SUFFIXES ${suffixes} NO_DEFAULT_PATH NO_CACHE)
    set(missing "no NvInferRuntime.h in TensorRT_ROOT, ${TensorRT_ROOT}")
  else()
    find_path(folder NvInferRuntime.h PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE} NO_CACHE)
    set(missing "no TensorRT headers: TensorRT_ROOT is not set")
  endif()
  if(NOT folder)
    set(SIMPLE_TRT_TENSORRT_MISSING ${missing} PARENT_SCOPE)
    return()
  endif()
  # NV_TENSORRT_MAJOR is a number, or since 10.11 the name of one.
  file(STRINGS ${folder}/NvInferVersion.h lines REGEX "#define (NV_TENSORRT|TRT)_(MAJOR|MINOR)(_ENTERPRISE)? [0-9]+")
  list(TRANSFORM lines REPLACE "^#define [A-Z_]+ ([0-9]+).*$" "\\1")
  list(JOIN lines "." version)
  if(version VERSION_LESS 10)
    set(SIMPLE_TRT_TENSORRT_MISSING "TensorRT ${version} in ${folder} is too old, 10.0 is needed" PARENT_SCOPE)
    return()
  endif()
  set(SIMPLE_TRT_TENSORRT_INCLUDE ${folder} PARENT_SCOPE)
  set(SIMPLE_TRT_TENSORRT_VERSION ${version} PARENT_SCOPE)
endfunction()

simple_trt_find_tensorrt()
