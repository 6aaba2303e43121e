// The pair styles of this plugin, and their keywords.

#pragma once

#include "resources.h"

#include <optional>
#include <string>
#include <vector>

namespace egraff {

// `egraff` reads its own files; the others have the name, and take the decks, of the pair styles that
// the packages' authors provide.
struct Style {
  std::string name;
  Format format;

  bool is_foreign() const { return format != Format::CONTRACT; }
};

// What happens when the members of an ensemble differ by more than a limit.
struct DeviationLimit {
  double value = 0.0;    // force per atom, in the deck's units; 0: no limit
  std::string file;      // frames are appended here; empty: the run is stopped
  std::string style;     // name of the pair style, for messages
};

// What ends a guarded run; see guards.h.
struct GuardLimits {
  bool on = false;
  std::optional<double> force;       // the deck's units; 0: none; unset: from the models' data
  std::optional<double> distance;    // A, of all pairs; 0: none; unset: from the models' data
  double temperature = 0.0;          // K; 0: none
  bool lost_atoms = true;
};

struct Settings {
  DeviceChoice device = DeviceChoice::AUTO;
  int threads = 0;    // 0: auto
  bool check = false;
  bool masses = true;
  bool exchange = true;    // no: by a halo, whatever the file can do
  DeviationLimit deviation;
  GuardLimits guards;
  std::vector<std::string> sha256;    // one per file, "" for any; empty: any for all
  std::vector<std::string> words;     // as the deck wrote them, for restart files
};

// Collective over `world`: an error on all ranks names what was expected and what was got.
Settings parse_settings(LAMMPS_NS::LAMMPS *lmp, const Style &style,
                        const std::vector<std::string> &words);

}    // namespace egraff
