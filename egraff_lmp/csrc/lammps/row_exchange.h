// Rows of numbers between ranks, through LAMMPS' own swaps, which know every `processors` grid,
// `comm_style tiled` and periodic image.

#pragma once

#include "exchange.h"

#include "lammps.h"
#include "pair.h"

#include <cstddef>
#include <vector>

namespace egraff {

// Two kinds of rows. Those of a network (ExchangeHost) have one row per node of the graph; those of
// LAMMPS have one per atom. The pair style forwards its pack and unpack hooks to this class.
class RowExchange : public ExchangeHost {
 public:
  explicit RowExchange(LAMMPS_NS::LAMMPS *lmp, LAMMPS_NS::Pair *pair) : lmp_(lmp), pair_(pair) {}

  // Doubles of LAMMPS' buffer that a row of `bytes` takes.
  static int doubles_for(int bytes);

  // Nodes of the coming exchanges: `node_of_atom[i]` is the row of local or ghost atom i, or -1.
  // Both must outlive the exchanges. Local atoms' nodes come first.
  void set_nodes(int64_t n_local, int64_t n_all, const std::vector<int> &node_of_atom);

  // Rows per local and ghost atom. Collective.
  void atoms_to_ghosts(double *rows, int width);
  void ghosts_to_atoms(double *rows, int width);    // adds; ghosts' rows are zero afterwards

  int64_t n_local() const override { return n_local_; }
  int64_t n_all() const override { return n_all_; }
  void forward(float *rows, int width) override { exchange(rows, width, true); }
  void forward(double *rows, int width) override { exchange(rows, width, true); }
  void reverse(float *rows, int width) override { exchange(rows, width, false); }
  void reverse(double *rows, int width) override { exchange(rows, width, false); }

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
    char *data = nullptr;
    int bytes = 0;      // of a row
    int doubles = 0;    // slots of LAMMPS' buffer that a row takes
    bool is_float = false;
    const std::vector<int> *node_of_atom = nullptr;    // null: rows are atoms
  };

  LAMMPS_NS::LAMMPS *lmp_;
  LAMMPS_NS::Pair *pair_;
  int64_t n_local_ = 0, n_all_ = 0;
  const std::vector<int> *node_of_atom_ = nullptr;
  Rows rows_;
  double seconds_ = 0.0;
  double bytes_ = 0.0;

  char *row(int atom) const;    // or null
  void pack(const char *from, double *buffer) const;
  template <typename T> void exchange(T *rows, int width, bool to_ghosts);
  void communicate(bool to_ghosts);
};

}    // namespace egraff
