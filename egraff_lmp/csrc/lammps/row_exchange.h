// Rows of numbers between ranks.

#pragma once

#include "exchange.h"

#include "lammps.h"
#include "pair.h"

#include <cstddef>
#include <vector>

namespace egraff {

struct NodePlan;

// Two kinds of rows. Those of a network (ExchangeHost) have one row per node of the graph, and travel
// straight from owner to user by a plan. Those of LAMMPS have one per atom, and travel by LAMMPS' own
// swaps, which know every `processors` grid, `comm_style tiled` and periodic image: the pair style
// forwards its pack and unpack hooks to this class.
class RowExchange : public ExchangeHost {
 public:
  explicit RowExchange(LAMMPS_NS::LAMMPS *lmp, LAMMPS_NS::Pair *pair) : lmp_(lmp), pair_(pair) {}

  // Nodes of the coming exchanges, which the plan must outlive.
  void set_plan(const NodePlan *plan) { plan_ = plan; }

  // Rows per local and ghost atom. Collective.
  void atoms_to_ghosts(double *rows, int width);
  void ghosts_to_atoms(double *rows, int width);    // adds; ghosts' rows are zero afterwards

  int64_t n_local() const override;
  int64_t n_all() const override;
  void forward(float *rows, int width) override { to_ghosts(rows, width); }
  void forward(double *rows, int width) override { to_ghosts(rows, width); }
  void reverse(float *rows, int width) override { to_owners(rows, width); }
  void reverse(double *rows, int width) override { to_owners(rows, width); }

  int pack_forward(int n, const int *sent, double *buffer) const;
  void unpack_forward(int n, int first, const double *buffer);
  int pack_reverse(int n, int first, double *buffer) const;
  void unpack_reverse(int n, const int *owned, const double *buffer);

  double seconds() const { return seconds_; }
  const double *seconds_address() const { return &seconds_; }
  // Received by this rank's ghosts since the last call.
  double take_bytes();

 private:
  struct Rows {
    double *data = nullptr;
    int width = 0;
  };

  LAMMPS_NS::LAMMPS *lmp_;
  LAMMPS_NS::Pair *pair_;
  const NodePlan *plan_ = nullptr;
  Rows rows_;
  std::vector<char> buffer_;    // rows for, or of, the owners' peers
  double seconds_ = 0.0;
  double bytes_ = 0.0;

  template <typename T> void to_ghosts(T *rows, int width);
  template <typename T> void to_owners(T *rows, int width);
  template <typename T> T *buffer(int width);
};

}    // namespace egraff
