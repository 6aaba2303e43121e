// A deployed force field: loaded from a file, evaluated on a graph. File formats are known behind it
// only (one class each, see network.h), and so is torch: LAMMPS code includes this and nothing else.

#pragma once

#include "contract.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace egraff {

class ExchangeHost;

// What writes the files that a pair style reads.
enum class Format {
  CONTRACT,    // egraff deploy
  NEQUIP,      // nequip-compile, networks that pass messages
  ALLEGRO,     // nequip-compile, strictly local ones
  MACE         // mace_create_lammps_model
};

struct Device {
  bool cuda = false;
  int index = 0;
};

// Directed edges shorter than r_max. The first n_local nodes are this rank's atoms, the rest are
// ghosts. Centres are local, but for a halo (networks without exchange), where all nodes may be.
struct Graph {
  int64_t n_local = 0;
  int64_t n_centers = 0;               // n_local, or n_all with a halo
  int64_t n_all = 0;                   // local + ghost atoms
  std::vector<double> edge_vectors;    // E x 3: r_j - r_i in A
  std::vector<int64_t> centers;        // E: i < n_centers
  std::vector<int64_t> neighbors;      // E: j < n_all

  size_t n_edges() const { return centers.size(); }
};

struct Evaluation {
  std::vector<double> energies;    // n_local, eV
  std::vector<double>
      edge_gradients;    // E x 3: d(sum of all ranks' energies)/d(edge vector), eV/A
  // In the order of Contract::outputs, n_local x width each; per-edge ones summed over the edges of
  // a centre. Left empty unless `want_outputs`.
  bool want_outputs = false;
  // The most memory that tensors took at a time, of an evaluation with `want_peak`; it costs time.
  bool want_peak = false;
  int64_t peak_bytes = 0;
  std::vector<std::vector<double>> outputs;
};

class DeployedModel {
 public:
  // `bytes` is the file's content (read once, by one rank), `where` its name for messages.
  // Throws UserError if it is anything but a file of `format`. Of other formats than CONTRACT the
  // contract is made up from what the file says, and has no masses and no self test. Evaluations
  // use `threads` threads.
  DeployedModel(const std::string &bytes, const std::string &where, Format format, Device device,
                int threads);
  ~DeployedModel();
  DeployedModel(const DeployedModel &) = delete;
  DeployedModel &operator=(const DeployedModel &) = delete;

  const Contract &contract() const;
  const std::string &hash() const;    // SHA-256 of the file, hex

  // `types`: n_all indices into Contract::species. Collective over the ranks of `host` if the model
  // exchanges features; a null host means that all centres' features are at hand. Throws
  // std::runtime_error with one line if the network fails.
  void evaluate(const Graph &graph, const std::vector<int64_t> &types, ExchangeHost *host,
                Evaluation &result) const;

  bool has_self_test() const { return !contract().self_test.species.empty(); }
  // Re-evaluates the contract's self-test frame on this machine. Throws UserError beyond the
  // tolerance of the network's precision; returns the largest force difference in eV/A.
  double self_test() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

int cuda_device_count();

}    // namespace egraff
