#include "settings.h"

#include "error.h"
#include "lammps.h"
#include "utils.h"

#include <algorithm>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

// Accepted from decks of the authors' own pair style; here the result is the same with and without.
constexpr const char *MACE_WORD = "no_domain_decomposition";

// Masses and the exchange are matters of our own files: the others say nothing about them.
std::vector<std::string> keywords(const Style &style)
{
  if (style.is_foreign()) return {"device", "threads", "check", "deviation"};
  return {"device", "threads", "check", "masses", "exchange", "deviation"};
}

std::string syntax(const Style &style)
{
  std::string text = "pair_style " + style.name;
  if (style.format == Format::MACE) text += std::string(" [") + MACE_WORD + "]";
  text += " [device auto|cpu|cuda] [threads auto|N] [check yes|no]";
  if (!style.is_foreign()) text += " [masses yes|no] [exchange yes|no]";
  return text + " [deviation LIMIT stop|FILE]";
}

DeviceChoice parse_device(LAMMPS *lmp, const std::string &style, const std::string &value)
{
  if (value == "auto") return DeviceChoice::AUTO;
  if (value == "cpu") return DeviceChoice::CPU;
  if (value == "cuda") return DeviceChoice::CUDA;
  lmp->error->all(FLERR, "pair_style {}: expected device auto, cpu or cuda, got '{}'", style,
                  value);
  return DeviceChoice::AUTO;
}

int parse_threads(LAMMPS *lmp, const std::string &style, const std::string &value)
{
  if (value == "auto") return 0;
  // Nine digits fit into an int.
  if (!utils::is_integer(value) || value.size() > 9 || std::stoi(value) < 1)
    lmp->error->all(FLERR,
                    "pair_style {}: expected threads auto or a whole number from 1, got '{}'",
                    style, value);
  return std::stoi(value);
}

bool parse_yes_no(LAMMPS *lmp, const std::string &style, const std::string &key,
                  const std::string &value)
{
  if (value != "yes" && value != "no")
    lmp->error->all(FLERR, "pair_style {}: expected {} yes or no, got '{}'", style, key, value);
  return value == "yes";
}

DeviationLimit parse_deviation(LAMMPS *lmp, const std::string &style, const std::string &limit,
                               const std::string &action)
{
  if (!utils::is_double(limit) || !(std::stod(limit) > 0.0))
    lmp->error->all(FLERR,
                    "pair_style {}: expected a force above 0 after 'deviation', got '{}': "
                    "write 'deviation LIMIT stop' or 'deviation LIMIT FILE'",
                    style, limit);
  return {std::stod(limit), action == "stop" ? std::string() : action, style};
}

}    // namespace

Settings parse_settings(LAMMPS *lmp, const Style &style, const std::vector<std::string> &words)
{
  Settings settings;
  settings.words = words;
  settings.masses = !style.is_foreign();
  const auto keys = keywords(style);
  for (size_t i = 0; i < words.size();) {
    const auto &key = words[i];
    if (style.format == Format::MACE && key == MACE_WORD) {
      ++i;
      continue;
    }
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      std::string known;
      for (const auto &name : keys) known += (known.empty() ? "" : ", ") + name;
      lmp->error->all(FLERR, "pair_style {}: expected a keyword out of {}, got '{}': {}",
                      style.name, known, key, syntax(style));
    }
    const size_t n_values = key == "deviation" ? 2 : 1;
    if (i + n_values >= words.size())
      lmp->error->all(FLERR, "pair_style {}: expected {} after '{}', got the end of the line: {}",
                      style.name, n_values == 1 ? "a value" : "a limit, and 'stop' or a file,", key,
                      syntax(style));
    const auto &name = style.name;
    const auto &value = words[i + 1];
    if (key == "device") settings.device = parse_device(lmp, name, value);
    if (key == "threads") settings.threads = parse_threads(lmp, name, value);
    if (key == "check") settings.check = parse_yes_no(lmp, name, key, value);
    if (key == "masses") settings.masses = parse_yes_no(lmp, name, key, value);
    if (key == "exchange") settings.exchange = parse_yes_no(lmp, name, key, value);
    if (key == "deviation") settings.deviation = parse_deviation(lmp, name, value, words[i + 2]);
    i += 1 + n_values;
  }
  return settings;
}

}    // namespace egraff
