// What rank 0 prints of its models once the first step is done.

#pragma once

#include "member.h"

#include "lmptype.h"

#include <string>
#include <vector>

namespace egraff {

struct TableData {
  const std::vector<Member> &members;
  const std::vector<std::string> &elements;    // of type 1, 2, ...
  const Resources &resources;
  bool exchange_allowed;
  bool folded;                        // one rank, whose ghosts are its own atoms
  double bytes_received;              // by this rank, a step
  LAMMPS_NS::bigint foreign_nodes;    // atoms of other ranks that it holds
  int peers;                          // ranks that it exchanges with
  std::string guards;                 // what ends the run; empty: none
  LAMMPS_NS::bigint nodes_local;      // atoms of this rank that the models see
  LAMMPS_NS::bigint owned_edges;      // whose centre is one of them
  LAMMPS_NS::bigint halo_edges;       // evaluated by a network without exchange
  LAMMPS_NS::bigint halo_nodes;
};

// Collective over `world`.
void print_table(LAMMPS_NS::LAMMPS *lmp, const TableData &data);

}    // namespace egraff
