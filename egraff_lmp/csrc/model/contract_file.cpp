// Files written by `egraff deploy`: a contract beside a network of edge vectors.

#include "archive.h"
#include "network.h"

namespace egraff {
namespace {

class ContractFile : public Network {
 public:
  ContractFile(const std::string &bytes, const Archive &archive, const std::string &where,
               at::Device device)
  {
    contract_ = Contract::parse(archive.extra("egraff_contract.json").value_or(""), where);
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
