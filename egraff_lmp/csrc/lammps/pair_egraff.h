/* -*- c++ -*- ----------------------------------------------------------
   pair_style egraff: deployed equivariant force fields, on any number of MPI ranks.

     pair_style egraff [device auto|cpu|cuda] [threads auto|N] [check yes|no] [masses yes|no]
     pair_coeff * * model.pt Element1 Element2 ...

   extract() (extract_pair of the Python module and the C library) gives this rank's wall-clock
   seconds since the style was created: "network_seconds" inside the network, exchanges included,
   and "exchange_seconds" inside those.

   How it works. The network is a function of edges whose centre is a local atom. Between layers it
   asks for the features of ghost atoms, which this class brings by a forward communication (and
   the gradient back by a reverse communication), so that no edge is evaluated twice and the ghost
   shell is one cutoff wide whatever the number of layers. Every ghost is a node of its own: atom
   IDs are not used, and boxes smaller than the cutoff need nothing special.

   Every rank makes the same calls in the same order, with 0 atoms or 0 edges too.
------------------------------------------------------------------------- */

#ifndef LMP_PAIR_EGRAFF_H
#define LMP_PAIR_EGRAFF_H

#include "pair.h"

#include "deployed_model.h"
#include "exchange.h"
#include "resources.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairEgraff : public Pair, private egraff::ExchangeHost {
 public:
  explicit PairEgraff(class LAMMPS *);
  ~PairEgraff() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  double memory_usage() override;
  void *extract(const char *, int &) override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

 private:
  // Rows that pack and unpack work on: features during an exchange, forces with newton off.
  struct Rows {
    char *data = nullptr;
    int bytes = 0;      // of a row
    int doubles = 0;    // slots of LAMMPS' buffer that a row takes
    bool is_float = false;
  };

  egraff::DeviceChoice device_choice_ = egraff::DeviceChoice::AUTO;
  int threads_wanted_ = 0;    // 0: auto
  bool check_model_ = false;
  bool check_masses_ = true;

  std::unique_ptr<egraff::DeployedModel> model_;
  std::string model_file_;
  std::vector<int> species_of_type_;    // index into Contract::species, per LAMMPS type (from 1)
  egraff::Resources resources_;

  egraff::Graph graph_;
  egraff::Evaluation evaluation_;
  Rows rows_;
  double bytes_received_ = 0.0;    // by this rank's ghosts, in the current step
  double network_seconds_ = 0.0;
  double exchange_seconds_ = 0.0;
  bool table_printed_ = false;

  void allocate();
  void load_model(const std::string &file);
  void check_species_masses();
  void refuse_unsupported();
  void build_graph();
  void collect_edges();
  void evaluate();
  std::string non_finite() const;
  bigint owned_edges() const;
  void tally(int eflag);
  void send_ghost_forces_home();

  int64_t n_local() const override;
  int64_t n_all() const override;
  void forward(float *rows, int width) override;
  void forward(double *rows, int width) override;
  void reverse(float *rows, int width) override;
  void reverse(double *rows, int width) override;
  template <typename T> void exchange_rows(T *rows, int width, bool to_ghosts);
};

}    // namespace LAMMPS_NS

#endif
