# Finds libtorch: under CMAKE_PREFIX_PATH (a libtorch or torch/share/cmake), else the torch wheel.
# Not find_package(Torch): with a CUDA build of torch that asks for the whole CUDA toolkit, of which
# nothing here is compiled.
#
# Sets TORCH_LIBRARY_DIR, TORCH_VERSION_TEXT, EGRAFF_RPATH; makes egraff::torch, and
# egraff::torch_libraries for what is linked with torch without seeing its headers.

set(hints ${CMAKE_PREFIX_PATH})
foreach(prefix ${CMAKE_PREFIX_PATH})
  list(APPEND hints ${prefix}/../..)
endforeach()
if(Python3_Interpreter_FOUND)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
            "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND hints ${wheel})
endif()

find_path(TORCH_INCLUDE_DIR torch/script.h HINTS ${hints} PATH_SUFFIXES include NO_CACHE)
find_path(TORCH_API_INCLUDE_DIR torch/torch.h HINTS ${hints}
          PATH_SUFFIXES include/torch/csrc/api/include NO_CACHE)
find_library(TORCH_LIB torch HINTS ${hints} PATH_SUFFIXES lib NO_CACHE)
if(NOT TORCH_INCLUDE_DIR OR NOT TORCH_LIB)
  message(FATAL_ERROR "torch was not found: install it first (pip install torch==2.13.0) and build "
                      "with --no-build-isolation, or give -DCMAKE_PREFIX_PATH=/path/to/libtorch")
endif()
get_filename_component(TORCH_LIBRARY_DIR ${TORCH_LIB} DIRECTORY)

file(STRINGS ${TORCH_INCLUDE_DIR}/torch/headeronly/version.h version_lines
     REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX MATCHALL "[0-9]+" version_numbers "${version_lines}")
string(JOIN "." TORCH_VERSION_TEXT ${version_numbers})
message(STATUS "torch ${TORCH_VERSION_TEXT}: ${TORCH_LIBRARY_DIR}")

add_library(egraff::torch_libraries INTERFACE IMPORTED)
# libtorch.so itself carries no symbol that we use, but brings CUDA in where it has it.
target_link_libraries(
  egraff::torch_libraries INTERFACE -Wl,--no-as-needed ${TORCH_LIB} -Wl,--as-needed
                                    ${TORCH_LIBRARY_DIR}/libtorch_cpu.so
                                    ${TORCH_LIBRARY_DIR}/libc10.so)
add_library(egraff::torch INTERFACE IMPORTED)
target_include_directories(egraff::torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIR}
                                                          ${TORCH_API_INCLUDE_DIR})
target_link_libraries(egraff::torch INTERFACE egraff::torch_libraries)

if(SKBUILD)
  # site-packages/egraff_lmp/lib beside site-packages/torch/lib
  set(EGRAFF_RPATH "$ORIGIN;$ORIGIN/../../torch/lib")
else()
  set(EGRAFF_RPATH "$ORIGIN;${TORCH_LIBRARY_DIR}")
endif()
