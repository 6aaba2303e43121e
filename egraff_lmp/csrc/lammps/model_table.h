// What rank 0 prints of a model once its first step is done.

#pragma once

#include "resources.h"

#include "lmptype.h"

#include <string>
#include <vector>

namespace egraff {

struct TableData {
  const DeployedModel &model;
  const std::string &file;
  const Resources &resources;
  const std::vector<int> &species_of_type;    // per LAMMPS type, from 1
  LAMMPS_NS::bigint edges;                    // evaluated by this rank
  LAMMPS_NS::bigint owned_edges;              // whose centre is an atom of this rank
  double bytes_received;                      // by this rank's ghosts, a step
};

// Collective over `world`.
void print_table(LAMMPS_NS::LAMMPS *lmp, const TableData &data);

}    // namespace egraff
