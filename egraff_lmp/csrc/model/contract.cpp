#include "contract.h"

#include "json.h"

#include <algorithm>

using LAMMPS_NS::json;

namespace egraff {
namespace {

constexpr int SCHEMA = 1;
constexpr const char *KIND = "egraff deployed force field";

std::vector<double> flat_rows(const json &rows)
{
  std::vector<double> values;
  for (const auto &row : rows)
    for (const auto &value : row) values.push_back(value.get<double>());
  return values;
}

SelfTest parse_self_test(const json &raw)
{
  SelfTest test;
  test.species = raw.at("species").get<std::vector<std::string>>();
  test.positions = flat_rows(raw.at("positions"));
  test.energies = raw.at("energies").get<std::vector<double>>();
  test.forces = flat_rows(raw.at("forces"));
  const auto cell = flat_rows(raw.at("cell"));
  for (int i = 0; i < 9; ++i) test.cell[i / 3][i % 3] = cell.at(i);
  for (int i = 0; i < 3; ++i) test.pbc[i] = raw.at("pbc").at(i).get<bool>();
  return test;
}

Contract parse_fields(const json &raw)
{
  Contract contract;
  contract.architecture = raw.at("architecture").get<std::string>();
  contract.r_max = raw.at("r_max").get<double>();
  contract.n_layers = raw.at("n_layers").get<int>();
  contract.exchange_widths = raw.at("exchange_widths").get<std::vector<int>>();
  // Files of the first release do not state it.
  const int exchanges = static_cast<int>(contract.exchange_widths.size());
  contract.halo_layers = raw.value("halo_layers", exchanges + 1);
  contract.species = raw.at("species").get<std::vector<std::string>>();
  contract.masses = raw.at("masses_amu").get<std::vector<double>>();
  contract.dtype = raw.at("dtype").get<std::string>();
  contract.memory_bytes_per_edge = raw.at("memory_bytes_per_edge").get<double>();
  for (const auto &citation : raw.at("citations")) {
    const auto bibtex = citation.at("bibtex").get<std::string>();
    const auto doi = citation.at("doi").get<std::string>();
    const auto text = citation.at("text").get<std::string>() + (doi.empty() ? "" : ", doi:" + doi);
    contract.citations.push_back(bibtex.empty() ? text : bibtex);
  }
  contract.self_test = parse_self_test(raw.at("self_test"));
  for (const auto &output : raw.value("outputs", json::array()))
    contract.outputs.push_back({output.at("name").get<std::string>(),
                                output.at("per").get<std::string>() == "edge",
                                output.at("width").get<int>()});
  // Files from before there were kernels do not state it.
  contract.operators = raw.value("operators", std::vector<std::string>());
  return contract;
}

}    // namespace

int Contract::species_index(const std::string &element) const
{
  const auto found = std::find(species.begin(), species.end(), element);
  return found == species.end() ? -1 : static_cast<int>(found - species.begin());
}

Contract Contract::parse(const std::string &text, const std::string &where)
{
  const json raw = json::parse(text, nullptr, false);
  if (raw.is_discarded() || !raw.is_object() || raw.value("kind", "") != KIND)
    throw UserError(where +
                    ": its contract is damaged: copy the file again, or deploy it again with "
                    "'egraff deploy'");
  const int schema = raw.value("schema", 0);
  if (schema < 1 || schema > SCHEMA)
    throw UserError(where + ": expected a contract of schema " + std::to_string(SCHEMA) +
                    " or older, got " + std::to_string(schema) +
                    ": update egraff_lmp, or deploy the model with this version");
  try {
    return parse_fields(raw);
  } catch (const std::exception &error) {
    throw UserError(where + ": its contract lacks or misstates a field (" + error.what() +
                    "): deploy the model again with 'egraff deploy'");
  }
}

}    // namespace egraff
