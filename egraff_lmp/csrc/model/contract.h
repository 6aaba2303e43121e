// What a deployed file says about itself, as far as a simulation needs it. The full record, with
// its documentation, is `egraff_lmp/contract/schema.py`; both read the same JSON.

#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace egraff {

// A mistake that the user can mend; what() is one sentence for the screen.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One frame with the results of the exporting machine. Lengths in A, energies in eV.
struct SelfTest {
  std::vector<std::string> species;    // N
  std::vector<double> positions;       // N x 3
  double cell[3][3] = {};              // rows are lattice vectors
  bool pbc[3] = {};
  std::vector<double> energies;    // N
  std::vector<double> forces;      // N x 3
};

// An extra result of the network, by name.
struct Output {
  std::string name;
  bool per_edge = false;    // else per atom
  int width = 1;
};

struct Contract {
  std::string architecture;
  double r_max = 0.0;    // A
  int n_layers = 0;
  int halo_layers = 1;                 // cutoffs that an atom's energy sees; 1: strictly local
  std::vector<int> exchange_widths;    // numbers per atom, one entry per exchange
  std::vector<std::string> species;    // in type order
  std::vector<double> masses;          // amu, one per species
  std::string dtype;                   // float32 or float64
  double memory_bytes_per_edge = 0.0;
  std::vector<std::string> citations;    // BibTeX where known, else text
  SelfTest self_test;
  std::vector<Output> outputs;
  std::vector<std::string> operators;    // kernels that the network calls, without namespace

  // Index of an element in `species`, or -1.
  int species_index(const std::string &element) const;

  // Throws UserError; `where` names the file.
  static Contract parse(const std::string &json, const std::string &where);
};

}    // namespace egraff
