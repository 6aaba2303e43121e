// Files written by `egraff deploy`: a contract beside a network of edge vectors.

#include "archive.h"
#include "network.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace egraff {
namespace {

// The names that this library does not have, separated by commas.
std::string missing_operators(const Contract &contract)
{
  std::string missing;
  for (const auto &name : contract.operators)
    if (!c10::Dispatcher::singleton().findSchema({"egraff::" + name, ""}))
      missing += (missing.empty() ? "" : ", ") + name;
  return missing;
}

class ContractFile : public Network {
 public:
  ContractFile(const std::string &bytes, const Archive &archive, const std::string &where,
               at::Device device)
  {
    contract_ = Contract::parse(archive.extra("egraff_contract.json").value_or(""), where);
    const auto missing = missing_operators(contract_);
    if (!missing.empty())
      throw UserError(
          where + ": expected a plugin with the operators that the file calls, got one without " +
          missing + ": update egraff_lmp, or deploy the model with '--reference'");
    module_ = load_module(bytes, where, device);
  }

  NetworkOutput forward(const NetworkInput &input) override
  {
    auto all =
        module_.forward({input.vectors, input.index, input.types, input.n_centers}).toGenericDict();
    return {all.at("atomic_energy").toTensor(), all};
  }

 private:
  torch::jit::Module module_;
};

}    // namespace

std::unique_ptr<Network> open_contract_file(const std::string &bytes, const Archive &archive,
                                            const std::string &where, at::Device device)
{
  return std::make_unique<ContractFile>(bytes, archive, where, device);
}

}    // namespace egraff
