/* -*- c++ -*- ----------------------------------------------------------
   pair_style egraff: deployed equivariant force fields, on any number of MPI ranks.

     pair_style egraff keyword value ...       (settings.cpp has the table of keywords)
     pair_coeff * * model.pt [more.pt ...] Element1 Element2 ...

     pair_style nequip | allegro | mace        files of those packages' own exporters, their decks
     pair_coeff * * file Name1 Name2 ...

   lammps_inputs/pair_style_egraff.md is the page for users.

   How it works. The network is a function of edges whose centre is a local atom. Between layers it
   asks for the features of other ranks' atoms, which RowExchange brings straight from their owners
   (and the gradient back), so that no edge is evaluated twice and the ghost shell is one cutoff
   wide whatever the number of layers. Networks that do not ask evaluate a halo.

   Every rank makes the same calls in the same order, with 0 atoms or 0 edges too.
------------------------------------------------------------------------- */

#ifndef LMP_PAIR_EGRAFF_H
#define LMP_PAIR_EGRAFF_H

#include "pair.h"

#include <memory>
#include <string>
#include <vector>

namespace egraff {
struct Style;
}

namespace LAMMPS_NS {

class PairEgraff : public Pair {
 public:
  PairEgraff(class LAMMPS *, const egraff::Style &);
  ~PairEgraff() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  double memory_usage() override;
  // This rank's wall-clock seconds since the style was created: "network_seconds" inside the
  // network, exchanges included, and "exchange_seconds" inside those.
  void *extract(const char *, int &) override;

  void write_restart(FILE *) override;
  void read_restart(FILE *) override;
  void write_restart_settings(FILE *) override;
  void read_restart_settings(FILE *) override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

  // Per-atom results for compute egraff/atom: "deviation" of an ensemble, and what the first file's
  // contract names. The width is 0 for an unknown name.
  std::vector<std::string> quantity_names();
  int quantity_width(const std::string &name);
  void want_quantities();
  // Rows of the local atoms of the last step, local atoms x width; null if there was none.
  const std::vector<double> *quantity(const std::string &name) const;

 private:
  struct State;    // pair_egraff_state.h
  const std::unique_ptr<State> state_;

  void allocate();
  void use_models(const std::vector<std::string> &files, const std::vector<std::string> &elements,
                  const std::vector<std::string> &hashes);
  void load_members(const std::vector<std::string> &files, const std::vector<std::string> &hashes);
  void load_restored();
  bool is_file(const std::string &word);
  std::string coeff_syntax() const;
  void refuse_unsupported();
  void refuse_group_commands();
  int excluded_groups() const;
  void reserve_halo();
  std::string halo_reason() const;
  void warn_of_units();
  double r_max() const;
  int halo_layers() const;    // 0: no halo is evaluated
  bool folds_ghosts() const;
  void make_step(int eflag, int vflag);
  void build_graphs();
  void refuse_missing_pairs();
  void warn_of_heat_flux();
  std::string special_neighbors() const;
  void evaluate();
  std::string coincident() const;
  std::string non_finite() const;
  std::vector<double> watched_forces(bool usable);
  void average_members();
  void collect_quantities();
  void tally(int eflag);
  void zero_ghost_tallies();
  void send_ghost_tallies_home();
  void print_table_once();
};

}    // namespace LAMMPS_NS

#endif
