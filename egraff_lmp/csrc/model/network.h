// A file format's way from edges to energies. DeployedModel differentiates what a Network returns,
// so that forces and virials are made in one place for all formats. Seen by model/ only.

#pragma once

#include "deployed_model.h"

#include <torch/script.h>

#include <memory>
#include <string>

namespace egraff {

class Archive;

struct NetworkInput {
  at::Tensor vectors;    // E x 3, float64: r_j - r_i in A; energies are differentiated by it
  at::Tensor index;      // 2 x E: i, j
  at::Tensor types;      // n_all indices into Contract::species
  int64_t n_centers = 0;
};

struct NetworkOutput {
  at::Tensor energies;           // one per node from 0 on, at least of the local ones; eV
  c10::impl::GenericDict all;    // Contract::outputs by name
};

class Network {
 public:
  Network() = default;
  virtual ~Network() = default;
  Network(const Network &) = delete;
  Network &operator=(const Network &) = delete;

  virtual NetworkOutput forward(const NetworkInput &input) = 0;
  // What the file says about itself.
  const Contract &contract() const { return contract_; }

 protected:
  Contract contract_;
};

// Each loads `bytes`, which `archive` has recognised. They throw UserError with `where` in front.
std::unique_ptr<Network> open_contract_file(const std::string &bytes, const Archive &archive,
                                            const std::string &where, at::Device device);
std::unique_ptr<Network> open_nequip_export(const std::string &bytes, const Archive &archive,
                                            const std::string &where, at::Device device,
                                            Format format);
std::unique_ptr<Network> open_mace_export(const std::string &bytes, const std::string &where,
                                          at::Device device);

// torch.jit.load for evaluation; UserError if torch cannot.
torch::jit::Module load_module(const std::string &bytes, const std::string &where,
                               at::Device device);

// torch's default precision while it lives: in exported networks integers times Python numbers take
// it (MACE's screened nuclear repulsion: 1e-8 eV/A), and their packages set it before they evaluate.
class DefaultPrecision {
 public:
  explicit DefaultPrecision(at::ScalarType type);
  ~DefaultPrecision();
  DefaultPrecision(const DefaultPrecision &) = delete;
  DefaultPrecision &operator=(const DefaultPrecision &) = delete;

 private:
  caffe2::TypeMeta before_;
};

// The line of a torch error that says what went wrong: TorchScript puts it last, others first.
std::string gist(const std::string &text);

}    // namespace egraff
