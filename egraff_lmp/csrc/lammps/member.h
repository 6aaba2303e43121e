// One deployed file of a pair style, fitted to the atom types of a deck. An ensemble has several.

#pragma once

#include "atom_graph.h"
#include "resources.h"

#include <memory>
#include <string>
#include <vector>

namespace egraff {

struct Member {
  std::string style;    // name of the pair style, for messages
  std::string file;
  std::unique_ptr<DeployedModel> model;
  std::vector<int> species_of_type;    // per LAMMPS type, from 1; -1: NULL
  Evaluation evaluation;
  double seconds = 0.0;    // of the last evaluation on this rank, exchanges included

  const Contract &contract() const { return model->contract(); }
  bool can_exchange() const { return !contract().exchange_widths.empty(); }

  // A strictly local network needs no neighbour's features; others get them by exchange, or, if the
  // file cannot or the deck says so, evaluate a halo of their neighbours' neighbours.
  bool exchanges(bool allowed) const { return can_exchange() && allowed; }
  bool needs_halo(bool exchange_allowed) const
  {
    return contract().halo_layers > 1 && !exchanges(exchange_allowed);
  }

  // Collective if `host` is given. `graph_r_max` is the cutoff that `atoms` was made with.
  void evaluate(const AtomGraph &atoms, const int *type_of_atom, double graph_r_max,
                ExchangeHost *host);
};

// Collective over `world`: one rank reads the file, all get the bytes, so that a thousand ranks do
// not storm the file system, and all come to the same verdict. `readable` is false on all ranks if
// the file cannot be read. A file beyond the limits of archive_limits.h ends in an error on all
// ranks, before it is sent to them.
std::string read_file(LAMMPS_NS::LAMMPS *lmp, const std::string &file, bool &readable);

// Collective: an error if the SHA-256 of `bytes` is not `expected` ("" for any), before anything of
// the file is looked at.
void require_sha256(LAMMPS_NS::LAMMPS *lmp, const std::string &style, const std::string &file,
                    const std::string &bytes, const std::string &expected);

// Index into the member's species of every type, from 1; "NULL" gives -1. An error names a wrong
// element; `elements` has one entry per type.
std::vector<int> map_species(LAMMPS_NS::LAMMPS *lmp, const Member &member,
                             const std::vector<std::string> &elements);

// Two ways for a mass to be wrong: far from its element's, or closer to another one of the model.
void check_masses(LAMMPS_NS::LAMMPS *lmp, const Member &member);

std::string join(const std::vector<std::string> &words);

}    // namespace egraff
