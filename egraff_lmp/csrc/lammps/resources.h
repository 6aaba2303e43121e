// Which device and how many threads a rank may use, and agreeing over ranks.

#pragma once

#include "deployed_model.h"

#include <string>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace egraff {

enum class DeviceChoice { AUTO, CPU, CUDA };

struct Resources {
  Device device;
  int threads = 1;          // of this rank
  int ranks_on_node = 1;    // of this LAMMPS instance
  int cores_on_node = 1;    // that these ranks may run on, by their affinity masks
};

// Collective over `world`. Splits the node's cores evenly over its ranks, and gives every rank a GPU
// of its own while there are enough. Throws UserError, in the name of pair style `style`, where the
// wish cannot be met.
Resources claim_resources(LAMMPS_NS::LAMMPS *lmp, const std::string &style, DeviceChoice choice,
                          int threads_wanted);

// Collective over `world`: if `failure` is not empty on any rank, all ranks end with the first
// such rank's sentence.
void all_or_error(LAMMPS_NS::LAMMPS *lmp, const std::string &failure);

}    // namespace egraff
