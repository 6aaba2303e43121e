#include "settings.h"

#include "error.h"
#include "lammps.h"
#include "utils.h"

#include <algorithm>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

constexpr const char *SYNTAX =
    "pair_style egraff [device auto|cpu|cuda] [threads auto|N] [check yes|no] [masses yes|no] "
    "[exchange yes|no] [deviation LIMIT stop|FILE]";

DeviceChoice parse_device(LAMMPS *lmp, const std::string &value)
{
  if (value == "auto") return DeviceChoice::AUTO;
  if (value == "cpu") return DeviceChoice::CPU;
  if (value == "cuda") return DeviceChoice::CUDA;
  lmp->error->all(FLERR, "pair_style egraff: expected device auto, cpu or cuda, got '{}'", value);
  return DeviceChoice::AUTO;
}

int parse_threads(LAMMPS *lmp, const std::string &value)
{
  if (value == "auto") return 0;
  // Nine digits fit into an int.
  if (!utils::is_integer(value) || value.size() > 9 || std::stoi(value) < 1)
    lmp->error->all(FLERR,
                    "pair_style egraff: expected threads auto or a whole number from 1, got '{}'",
                    value);
  return std::stoi(value);
}

bool parse_yes_no(LAMMPS *lmp, const std::string &key, const std::string &value)
{
  if (value != "yes" && value != "no")
    lmp->error->all(FLERR, "pair_style egraff: expected {} yes or no, got '{}'", key, value);
  return value == "yes";
}

DeviationLimit parse_deviation(LAMMPS *lmp, const std::string &limit, const std::string &action)
{
  if (!utils::is_double(limit) || !(std::stod(limit) > 0.0))
    lmp->error->all(FLERR,
                    "pair_style egraff: expected a force above 0 after 'deviation', got '{}': "
                    "write 'deviation LIMIT stop' or 'deviation LIMIT FILE'",
                    limit);
  return {std::stod(limit), action == "stop" ? std::string() : action};
}

}    // namespace

Settings parse_settings(LAMMPS *lmp, const std::vector<std::string> &words)
{
  Settings settings;
  settings.words = words;
  const std::vector<std::string> keys = {"device", "threads",  "check",
                                         "masses", "exchange", "deviation"};
  for (size_t i = 0; i < words.size();) {
    const auto &key = words[i];
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      lmp->error->all(FLERR, "pair_style egraff: expected a keyword out of {}, got '{}': {}",
                      "device, threads, check, masses, exchange, deviation", key, SYNTAX);
    const size_t n_values = key == "deviation" ? 2 : 1;
    if (i + n_values >= words.size())
      lmp->error->all(FLERR,
                      "pair_style egraff: expected {} after '{}', got the end of the line: {}",
                      n_values == 1 ? "a value" : "a limit, and 'stop' or a file,", key, SYNTAX);
    const auto &value = words[i + 1];
    if (key == "device") settings.device = parse_device(lmp, value);
    if (key == "threads") settings.threads = parse_threads(lmp, value);
    if (key == "check") settings.check = parse_yes_no(lmp, key, value);
    if (key == "masses") settings.masses = parse_yes_no(lmp, key, value);
    if (key == "exchange") settings.exchange = parse_yes_no(lmp, key, value);
    if (key == "deviation") settings.deviation = parse_deviation(lmp, value, words[i + 2]);
    i += 1 + n_values;
  }
  return settings;
}

}    // namespace egraff
