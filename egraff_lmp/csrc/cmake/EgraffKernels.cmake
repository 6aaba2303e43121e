# The operators' inner loops, compiled once for each instruction set; the operators choose at run time.
#
# Sets kernel_objects and kernel_definitions. EGRAFF_X86 is defined where AVX2 and AVX-512 are there.

set(kernel_sources ${src}/ops/kernels/convolution_kernels.cpp ${src}/ops/kernels/node_kernels.cpp
                   ${src}/ops/kernels/contraction_kernels.cpp
                   ${src}/ops/kernels/et_attention_kernels.cpp
                   ${src}/ops/kernels/table_kernels.cpp)
set(kernel_objects "")
set(kernel_definitions "")

function(add_kernels isa bytes unroll)
  add_library(egraff_kernels_${isa} OBJECT ${kernel_sources})
  target_compile_definitions(
    egraff_kernels_${isa} PRIVATE EGRAFF_ISA=${isa} EGRAFF_VECTOR_BYTES=${bytes}
                                  EGRAFF_UNROLL=${unroll})
  # Straight-line code: -O3 takes longer to compile and runs no faster.
  target_compile_options(egraff_kernels_${isa} PRIVATE -O2 -ffp-contract=fast -Wall -Wextra ${ARGN})
  set_target_properties(egraff_kernels_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  set(kernel_objects ${kernel_objects} $<TARGET_OBJECTS:egraff_kernels_${isa}> PARENT_SCOPE)
endfunction()

add_kernels(portable 16 0)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_kernels(avx2 32 1 -mavx2 -mfma)
  add_kernels(avx512 64 1 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx2 -mfma)
  set(kernel_definitions EGRAFF_X86)
endif()
