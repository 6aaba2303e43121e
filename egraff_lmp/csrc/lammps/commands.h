// Which command LAMMPS executes.

#pragma once

#include "input.h"
#include "lammps.h"

#include <cstring>

namespace egraff {

// Whether steps are frames of a trajectory that `rerun` reads.
inline bool in_rerun(const LAMMPS_NS::LAMMPS *lmp)
{
  return lmp->input->command && std::strcmp(lmp->input->command, "rerun") == 0;
}

}    // namespace egraff
