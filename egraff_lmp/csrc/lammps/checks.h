// `check yes`: a model against itself on the deck's own atoms, before the first step.

#pragma once

#include "member.h"
#include "row_exchange.h"

namespace egraff {

struct CheckInput {
  const AtomGraph &atoms;    // what the run evaluates
  const AtomGraph *halo;     // another way to the same result, or null
  bool own_centers;          // whether the centres of `atoms` are the local atoms alone: no halo
  bool exchanges;            // whether the evaluation of `atoms` exchanges features between ranks
  double r_max;              // of both graphs
  RowExchange &rows;
};

// Forces against central differences, the virial against finite strain, and feature exchange against
// a halo. Prints a line each; an error on all ranks says which one failed. Collective over `world`.
void check_member(LAMMPS_NS::LAMMPS *lmp, Member &member, const CheckInput &input);

}    // namespace egraff
