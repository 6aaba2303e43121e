/* -*- c++ -*- ----------------------------------------------------------
   compute ID group egraff/atom [pair STYLE N] NAME ...

   Per-atom results of pair_style egraff: "deviation" of an ensemble's forces, and whatever the
   first model file names in its contract. Global vector: maximum and mean over the group of each
   column.
------------------------------------------------------------------------- */

#ifndef LMP_COMPUTE_EGRAFF_ATOM_H
#define LMP_COMPUTE_EGRAFF_ATOM_H

#include "compute.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class ComputeEgraffAtom : public Compute {
 public:
  ComputeEgraffAtom(class LAMMPS *, int, char **);
  ~ComputeEgraffAtom() override;

  void init() override;
  void compute_vector() override;
  void compute_peratom() override;
  double memory_usage() override;

 private:
  class PairEgraff *pair_ = nullptr;
  std::string sub_style_;    // of pair_style hybrid; empty: there is one
  int sub_number_ = 0;
  std::vector<std::string> names_;
  std::vector<int> widths_;
  int n_columns_ = 0;
  int n_rows_ = 0;    // allocated

  PairEgraff *find_pair() const;
  void grow();
};

}    // namespace LAMMPS_NS

#endif
