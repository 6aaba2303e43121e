// Guards of a running simulation: it is stopped, on all ranks and within the step, before a restart
// or a frame is written, when its atoms do what no simulation survives.

#pragma once

#include "atom_graph.h"
#include "member.h"
#include "settings.h"

#include "lmptype.h"

#include <string>
#include <vector>

namespace egraff {

// Two calls a step, each of which is one reduction over `world` that the pair style needs anyway, so
// that one rank's failure is everyone's. Non-finite positions are refused always; the rest is
// watched with `guard yes`: lost atoms in dynamics and minimisation, distances, forces and the
// temperature in dynamics alone (a minimisation starts from bad structures to mend them, a rerun
// evaluates what it is given, and Monte Carlo fixes try bad structures in order to reject them).
class Guards {
 public:
  explicit Guards(LAMMPS_NS::LAMMPS *lmp) : lmp_(lmp) {}

  // At the start of every run. `elements` from type 1; `energy_unit` is the deck's per eV.
  void prepare(const std::string &style, const GuardLimits &limits,
               const std::vector<Member> &members, const std::vector<std::string> &elements,
               double energy_unit);

  // Collective. `failure` is this rank's own, if any.
  void before_network(const AtomGraph &atoms, const std::string &failure);

  // Whether after_network() wants forces, the same on all ranks.
  bool watches_forces() const;
  // Collective. `forces` are those of the models on the local atoms (n_local x 3, the deck's units).
  void after_network(const std::string &failure, const std::vector<double> &forces);

  // What is watched, for the table of rank 0; empty without `guard yes`.
  std::string description() const;

 private:
  struct Finding {
    double severity = 0.0;    // 0: nothing; the most severe one of all ranks is told
    std::string sentence;
  };

  LAMMPS_NS::LAMMPS *lmp_;
  std::string style_;
  GuardLimits limits_;
  std::vector<std::string> elements_;
  std::string force_unit_;
  double max_force_ = 0.0;    // 0: none
  bool force_from_training_ = false;
  bool distances_known_ = false;
  std::vector<double> stop_square_, warn_square_;    // A^2 per pair of types, row by row
  std::vector<LAMMPS_NS::tagint> tags_before_;    // of this rank's atoms, for the IDs of lost ones
  bool warned_ = false;
  bool trials_ = false;    // whether a fix asks for the energy of structures on trial

  bool has_trials() const;
  bool in_dynamics() const;
  size_t pair(int type_i, int type_j) const { return type_i * (elements_.size() + 1) + type_j; }
  void set_distances(const std::vector<Member> &members);
  void set_force(const std::vector<Member> &members, double energy_unit);
  std::string atom_name(int i) const;
  std::string pair_name(int i, int j) const;
  std::string at_step() const;
  std::string last_restart() const;
  Finding non_finite_position() const;
  Finding too_close(const AtomGraph &atoms, Finding &warning) const;
  Finding too_strong(const std::vector<double> &forces) const;
  double twice_kinetic(int i) const;
  double temperature(double twice_kinetic) const;
  void stop_if_hot(double temperature);
  void stop_if_lost(LAMMPS_NS::bigint n_atoms);
  std::string lost_atoms() const;
  Finding worst(Finding mine) const;    // collective
  void stop(const Finding &mine);       // collective
};

}    // namespace egraff
