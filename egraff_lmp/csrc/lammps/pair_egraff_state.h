// What pair_style egraff holds, for the files that implement it: its own header includes pair.h
// alone.

#pragma once

#include "pair_egraff.h"

#include "deviation.h"
#include "guards.h"
#include "member.h"
#include "node_plan.h"
#include "restored_files.h"
#include "row_exchange.h"
#include "settings.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace LAMMPS_NS {

struct PairEgraff::State {
  State(LAMMPS *lmp, PairEgraff *pair, egraff::Style given_style) :
      style(std::move(given_style)), rows(lmp, pair), guards(lmp)
  {}

  const egraff::Style style;
  egraff::Settings settings;
  std::vector<egraff::Member> members;
  std::vector<std::string> elements;    // of type 1, 2, ...
  egraff::Seen seen;
  egraff::Resources resources;
  double energy_unit = 1.0;    // the deck's per eV
  // The model files of a restart file, until the deck names its own or a run begins.
  egraff::RestoredFiles restored;

  egraff::NodePlan plan;
  egraff::AtomGraph atoms;
  egraff::AtomGraph halo;    // for networks that do not exchange; without ghosts if they are folded
  egraff::RowExchange rows;
  egraff::Guards guards;
  std::vector<double> energies;    // mean over the members, eV
  double bytes_received = 0.0;     // by this rank's ghosts, in the current step
  double network_seconds = 0.0;
  bool table_printed = false, checked = false, heat_flux_warned = false;
  bool units_warned = false;

  bool want_quantities = false;
  std::map<std::string, std::vector<double>> quantities;
  egraff::DeviationWatch deviation_watch;

  // What a member evaluates.
  const egraff::AtomGraph &graph_of(const egraff::Member &member) const
  {
    return member.needs_halo(settings.exchange) ? halo : atoms;
  }
};

}    // namespace LAMMPS_NS
