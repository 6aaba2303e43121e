#include "pair_egraff.h"

#include "model_table.h"

#include "atom.h"
#include "citeme.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "platform.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <type_traits>

using namespace LAMMPS_NS;

namespace {

constexpr const char *STYLE_SYNTAX =
    "pair_style egraff [device auto|cpu|cuda] [threads auto|N] [check yes|no] [masses yes|no]";

// A mass further than this from its element's standard mass is taken for a mistake: P and S, the
// closest pair in LiPS, differ by 3.5 %. `masses no` switches the check off (isotopes).
constexpr double MASS_TOLERANCE = 0.02;

int doubles_for(int bytes)
{
  return (bytes + static_cast<int>(sizeof(double)) - 1) / static_cast<int>(sizeof(double));
}

std::string join(const std::vector<std::string> &words)
{
  std::string text;
  for (const auto &word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}    // namespace

PairEgraff::PairEgraff(LAMMPS *lmp) : Pair(lmp)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;    // the virial is summed from edges
  centroidstressflag = CENTROID_NOTAVAIL;
}

PairEgraff::~PairEgraff()
{
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairEgraff::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 1; i < n; ++i)
    for (int j = i; j < n; ++j) setflag[i][j] = 0;
}

void PairEgraff::settings(int narg, char **arg)
{
  for (int i = 0; i < narg; i += 2) {
    const std::string key = arg[i];
    if (key != "device" && key != "threads" && key != "check" && key != "masses")
      error->all(FLERR,
                 "pair_style egraff: expected a keyword out of device, threads, check, masses, got "
                 "'{}': {}",
                 key, STYLE_SYNTAX);
    if (i + 1 >= narg)
      error->all(FLERR,
                 "pair_style egraff: expected a value after '{}', got the end of the line: {}", key,
                 STYLE_SYNTAX);
    const std::string value = arg[i + 1];
    if (key == "device") {
      if (value != "auto" && value != "cpu" && value != "cuda")
        error->all(FLERR, "pair_style egraff: expected device auto, cpu or cuda, got '{}'", value);
      device_choice_ = value == "auto"  ? egraff::DeviceChoice::AUTO
                       : value == "cpu" ? egraff::DeviceChoice::CPU
                                        : egraff::DeviceChoice::CUDA;
    } else if (key == "threads") {
      threads_wanted_ = 0;
      if (value == "auto") continue;
      if (!utils::is_integer(value) || std::stol(value) < 1)
        error->all(FLERR,
                   "pair_style egraff: expected threads auto or a whole number from 1, got '{}'",
                   value);
      threads_wanted_ = static_cast<int>(std::min(std::stol(value), 1024L));
    } else {
      if (value != "yes" && value != "no")
        error->all(FLERR, "pair_style egraff: expected {} yes or no, got '{}'", key, value);
      (key == "check" ? check_model_ : check_masses_) = value == "yes";
    }
  }
}

void PairEgraff::coeff(int narg, char **arg)
{
  const std::string syntax =
      "write 'pair_coeff * * model.pt Element1 Element2 ...', one element per atom type";
  if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
    error->all(FLERR, "pair_coeff egraff: expected '* *' first, got '{} {}': {}",
               narg > 0 ? arg[0] : "", narg > 1 ? arg[1] : "", syntax);
  if (narg == 2)
    error->all(
        FLERR,
        "pair_coeff egraff: expected a model file and {} element(s) after '* *', got nothing: {}",
        atom->ntypes, syntax);

  load_model(arg[2]);
  const auto &contract = model_->contract();
  const std::vector<std::string> elements(arg + 3, arg + narg);
  if (static_cast<int>(elements.size()) != atom->ntypes)
    error->all(
        FLERR,
        "pair_coeff egraff: expected {} element(s), one per atom type, got {} ('{}'); {} knows {}",
        atom->ntypes, elements.size(), join(elements), model_file_, join(contract.species));

  species_of_type_.assign(atom->ntypes + 1, -1);
  for (int type = 1; type <= atom->ntypes; ++type) {
    const auto &element = elements[type - 1];
    if (element == "NULL")
      error->all(FLERR,
                 "pair_coeff egraff: expected an element for type {}, got NULL: every atom type "
                 "needs one; {} knows {}",
                 type, model_file_, join(contract.species));
    species_of_type_[type] = contract.species_index(element);
    if (species_of_type_[type] < 0)
      error->all(FLERR,
                 "pair_coeff egraff: expected elements out of '{}', which {} was trained on, got "
                 "'{}' for type {}",
                 join(contract.species), model_file_, element, type);
  }

  if (!allocated) allocate();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j) setflag[i][j] = 1;
}

// One rank reads, all get the bytes: a thousand ranks do not storm the file system, and all of them
// come to the same verdict.
void PairEgraff::load_model(const std::string &file)
{
  model_.reset();
  table_printed_ = false;
  model_file_ = file;

  std::string bytes;
  bigint size = -1;
  if (comm->me == 0) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream content;
    if (stream && (content << stream.rdbuf() || stream.peek() == EOF)) {
      bytes = content.str();
      size = static_cast<bigint>(bytes.size());
    }
  }
  MPI_Bcast(&size, 1, MPI_LMP_BIGINT, 0, world);
  if (size < 0)
    error->all(FLERR,
               "pair_coeff egraff: expected a model file, but '{}' cannot be read: check the path "
               "(relative to where lmp was started)",
               file);
  bytes.resize(size);
  constexpr bigint CHUNK = 1 << 30;    // MPI counts are int
  for (bigint at = 0; at < size; at += CHUNK)
    MPI_Bcast(bytes.data() + at, static_cast<int>(std::min(CHUNK, size - at)), MPI_BYTE, 0, world);

  std::string failure;
  try {
    resources_ = egraff::claim_resources(lmp, device_choice_, threads_wanted_);
    model_ = std::make_unique<egraff::DeployedModel>(bytes, file, resources_.device);
    if (check_model_) {
      const double difference = model_->self_test();
      if (comm->me == 0)
        utils::logmesg(lmp,
                       "egraff: self test of {} passed, largest force difference {:.1e} eV/A\n",
                       file, difference);
    }
  } catch (const egraff::UserError &user_error) {
    failure = user_error.what();
  }
  egraff::all_or_error(lmp, failure);

  int widest = 3;    // forces, with newton off
  for (const int width : model_->contract().exchange_widths)
    widest = std::max(widest, doubles_for(width * (model_->contract().dtype == "float64" ? 8 : 4)));
  comm_forward = comm_reverse = comm_reverse_off = widest;
  if (lmp->citeme)
    for (const auto &citation : model_->contract().citations)
      lmp->citeme->add("pair_style egraff, model " + model_->contract().architecture + ":\n\n" +
                       citation + "\n\n");
}

void PairEgraff::init_style()
{
  if (!model_)
    error->all(FLERR, "pair_style egraff: no model was loaded: a pair_coeff line is missing");
  refuse_unsupported();
  if (check_masses_) check_species_masses();
  // Under hybrid the parent copied these before the model was known; Comm sizes its buffers next.
  if (force->pair != this) {
    force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
    force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);
    force->pair->comm_reverse_off = std::max(force->pair->comm_reverse_off, comm_reverse_off);
  }
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

void PairEgraff::refuse_unsupported()
{
  if (std::strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, "pair_style egraff: expected 'units metal' (A, eV, ps), got 'units {}'",
               update->unit_style);
  if (utils::strmatch(update->integrate_style, "^respa"))
    error->all(FLERR, "pair_style egraff: expected 'run_style verlet', got respa: the energy "
                      "cannot be split into inner and outer parts");
  if (neighbor->nex_type + neighbor->nex_group + neighbor->nex_mol > 0)
    error->all(FLERR, "pair_style egraff: expected no excluded pairs, got 'neigh_modify exclude': "
                      "the network needs every neighbour");
  const double *special = force->special_lj;
  if (atom->molecular != Atom::ATOMIC &&
      (special[1] != 1.0 || special[2] != 1.0 || special[3] != 1.0))
    error->all(FLERR,
               "pair_style egraff: expected 'special_bonds lj/coul 1 1 1' for atom style {}, got "
               "lj {} {} {}: the network needs every neighbour",
               atom->atom_style, special[1], special[2], special[3]);
}

// Two ways to be wrong: far from the element's mass, or closer to another element of the model.
void PairEgraff::check_species_masses()
{
  if (!atom->mass) return;    // per-atom masses (atom style sphere): nothing to compare
  const auto &contract = model_->contract();
  for (int type = 1; type <= atom->ntypes; ++type) {
    const double mass = atom->mass[type];
    const int wanted = species_of_type_[type];
    int closest = wanted;
    for (size_t s = 0; s < contract.masses.size(); ++s)
      if (std::abs(mass - contract.masses[s]) < std::abs(mass - contract.masses[closest]))
        closest = static_cast<int>(s);
    const double expected = contract.masses[wanted];
    if (closest == wanted && std::abs(mass - expected) <= MASS_TOLERANCE * expected) continue;
    const std::string guess =
        closest != wanted
            ? fmt::format("that is closer to {} ({}): put the elements of pair_coeff in the order "
                          "of the types",
                          contract.species[closest], contract.masses[closest])
            : std::string(
                  "mend the mass, or the elements of pair_coeff, or say 'masses no' for isotopes");
    error->all(FLERR,
               "pair_style egraff: expected a mass of {} for type {}, which pair_coeff names {}, "
               "got {}; {}",
               expected, type, contract.species[wanted], mass, guess);
  }
}

double PairEgraff::init_one(int, int)
{
  return model_->contract().r_max;
}

void PairEgraff::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  if (vflag_atom && !force->newton_pair)
    error->all(FLERR, "pair_style egraff: expected 'newton on' for per-atom virials, got 'newton "
                      "off': remove 'newton off' from the input");
  build_graph();
  evaluate();
  tally(eflag);
  if (!force->newton_pair) send_ghost_forces_home();
  if (!table_printed_) {
    egraff::print_table(lmp,
                        {*model_, model_file_, resources_, species_of_type_,
                         static_cast<bigint>(graph_.n_edges()), owned_edges(), bytes_received_});
    table_printed_ = true;
  }
}

// The neighbour list reaches r_max + skin; edges are those inside r_max now.
void PairEgraff::build_graph()
{
  std::string failure;
  try {
    collect_edges();
  } catch (const std::bad_alloc &) {
    failure = fmt::format(
        "pair_style egraff: out of memory for the edges of {} atoms: use more ranks or nodes",
        graph_.n_local);
  }
  // Before the first exchange all ranks must be fit, or those that are would wait for ever.
  egraff::all_or_error(lmp, failure);
}

void PairEgraff::collect_edges()
{
  double **x = atom->x;
  const double r_max = model_->contract().r_max;
  graph_.n_local = atom->nlocal;
  graph_.n_all = atom->nlocal + atom->nghost;
  graph_.edge_vectors.clear();
  graph_.centers.clear();
  graph_.neighbors.clear();
  graph_.types.resize(graph_.n_all);
  for (int64_t i = 0; i < graph_.n_all; ++i) graph_.types[i] = species_of_type_[atom->type[i]];

  for (int ii = 0; ii < list->inum; ++ii) {
    const int i = list->ilist[ii];
    const int *neighbors = list->firstneigh[i];
    for (int jj = 0; jj < list->numneigh[i]; ++jj) {
      const int j = neighbors[jj] & NEIGHMASK;
      const double d[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
      if (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] >= r_max * r_max) continue;
      graph_.edge_vectors.insert(graph_.edge_vectors.end(), d, d + 3);
      graph_.centers.push_back(i);
      graph_.neighbors.push_back(j);
    }
  }
}

void PairEgraff::evaluate()
{
  bytes_received_ = 0.0;
  const bool exchanges = !model_->contract().exchange_widths.empty();
  std::string failure;
  const double start = platform::walltime();
  try {
    model_->evaluate(graph_, this, evaluation_);
  } catch (const std::exception &exception) {
    failure = fmt::format("pair_style egraff: {} failed on a rank with {} atoms and {} edges: {}",
                          model_file_, graph_.n_local, graph_.n_edges(), exception.what());
    // Here the other ranks may be inside an exchange: only an abort reaches them.
    if (exchanges && comm->nprocs > 1) error->one(FLERR, failure);
  }
  network_seconds_ += platform::walltime() - start;
  if (failure.empty()) failure = non_finite();
  egraff::all_or_error(lmp, failure);
}

// A sentence about the first atom without a finite energy, or nothing.
std::string PairEgraff::non_finite() const
{
  for (int64_t i = 0; i < graph_.n_local; ++i)
    if (!std::isfinite(evaluation_.energies[i]))
      return fmt::format(
          "pair_style egraff: expected a finite energy, got {} for atom {} at step {}: the atoms "
          "are closer than anything the model was trained on, or the time step is too long",
          evaluation_.energies[i], atom->tag[i], update->ntimestep);
  return {};
}

// With g = dE/dr_ij and r_ij = r_j - r_i: F_i += g, F_j -= g, virial = -sum r_ij x g.
void PairEgraff::tally(int eflag)
{
  double **f = atom->f;
  // LAMMPS clears and returns the forces on ghosts with newton on only.
  if (!force->newton_pair)
    for (int64_t i = graph_.n_local; i < graph_.n_all; ++i) f[i][0] = f[i][1] = f[i][2] = 0.0;
  for (size_t e = 0; e < graph_.n_edges(); ++e) {
    const double *r = &graph_.edge_vectors[3 * e], *g = &evaluation_.edge_gradients[3 * e];
    const auto i = graph_.centers[e], j = graph_.neighbors[e];
    for (int k = 0; k < 3; ++k) {
      f[i][k] += g[k];
      f[j][k] -= g[k];
    }
    if (!vflag_either) continue;
    const double v[6] = {-r[0] * g[0], -r[1] * g[1], -r[2] * g[2],
                         -r[0] * g[1], -r[0] * g[2], -r[1] * g[2]};
    for (int k = 0; k < 6; ++k) {
      if (vflag_global) virial[k] += v[k];
      if (vflag_atom) {
        vatom[i][k] += 0.5 * v[k];
        vatom[j][k] += 0.5 * v[k];
      }
    }
  }
  if (!eflag) return;
  for (int64_t i = 0; i < graph_.n_local; ++i) {
    if (eflag_global) eng_vdwl += evaluation_.energies[i];
    if (eflag_atom) eatom[i] += evaluation_.energies[i];
  }
}

// With newton off LAMMPS leaves ghost forces alone.
void PairEgraff::send_ghost_forces_home()
{
  double **f = atom->f;
  rows_ = {reinterpret_cast<char *>(f[0]), 3 * static_cast<int>(sizeof(double)), 3, false};
  comm->reverse_comm(this, rows_.doubles);
  for (int i = atom->nlocal; i < atom->nlocal + atom->nghost; ++i)
    f[i][0] = f[i][1] = f[i][2] = 0.0;
}

// Edges whose centre is this rank's: what a perfect division of work would evaluate.
bigint PairEgraff::owned_edges() const
{
  return std::count_if(graph_.centers.begin(), graph_.centers.end(),
                       [this](int64_t i) { return i < atom->nlocal; });
}

double PairEgraff::memory_usage()
{
  const auto edges = static_cast<double>(graph_.n_edges());
  const double network = model_ ? model_->contract().memory_bytes_per_edge * edges : 0.0;
  return network + edges * (6 * sizeof(double) + 2 * sizeof(int64_t));
}

void *PairEgraff::extract(const char *name, int &dim)
{
  dim = 0;
  if (std::strcmp(name, "network_seconds") == 0) return &network_seconds_;
  if (std::strcmp(name, "exchange_seconds") == 0) return &exchange_seconds_;
  return nullptr;
}

/* ----------------------------------------------------------------------
   Exchange: rows of features, in place, through LAMMPS' own swaps
------------------------------------------------------------------------- */

int64_t PairEgraff::n_local() const
{
  return graph_.n_local;
}

int64_t PairEgraff::n_all() const
{
  return graph_.n_all;
}

template <typename T> void PairEgraff::exchange_rows(T *rows, int width, bool to_ghosts)
{
  const int bytes = width * static_cast<int>(sizeof(T));
  rows_ = {reinterpret_cast<char *>(rows), bytes, doubles_for(bytes), std::is_same_v<T, float>};
  if (rows_.doubles > comm_forward)
    throw egraff::UserError("the network exchanges more than its contract says: deploy it again");
  const double start = platform::walltime();
  if (to_ghosts)
    comm->forward_comm(this, rows_.doubles);
  else
    comm->reverse_comm(this, rows_.doubles);
  exchange_seconds_ += platform::walltime() - start;
  bytes_received_ += static_cast<double>(graph_.n_all - graph_.n_local) * bytes;
}

void PairEgraff::forward(float *rows, int width)
{
  exchange_rows(rows, width, true);
}

void PairEgraff::forward(double *rows, int width)
{
  exchange_rows(rows, width, true);
}

void PairEgraff::reverse(float *rows, int width)
{
  exchange_rows(rows, width, false);
}

void PairEgraff::reverse(double *rows, int width)
{
  exchange_rows(rows, width, false);
}

int PairEgraff::pack_forward_comm(int n, int *sent, double *buffer, int, int *)
{
  for (int i = 0; i < n; ++i, buffer += rows_.doubles)
    std::memcpy(buffer, rows_.data + static_cast<size_t>(sent[i]) * rows_.bytes, rows_.bytes);
  return n * rows_.doubles;
}

void PairEgraff::unpack_forward_comm(int n, int first, double *buffer)
{
  for (int i = first; i < first + n; ++i, buffer += rows_.doubles)
    std::memcpy(rows_.data + static_cast<size_t>(i) * rows_.bytes, buffer, rows_.bytes);
}

int PairEgraff::pack_reverse_comm(int n, int first, double *buffer)
{
  for (int i = first; i < first + n; ++i, buffer += rows_.doubles)
    std::memcpy(buffer, rows_.data + static_cast<size_t>(i) * rows_.bytes, rows_.bytes);
  return n * rows_.doubles;
}

namespace {
template <typename T> void add_row(char *row, const double *buffer, int bytes)
{
  auto *to = reinterpret_cast<T *>(row);
  const auto *from = reinterpret_cast<const T *>(buffer);
  for (int k = 0; k < bytes / static_cast<int>(sizeof(T)); ++k) to[k] += from[k];
}
}    // namespace

void PairEgraff::unpack_reverse_comm(int n, int *owned, double *buffer)
{
  for (int i = 0; i < n; ++i, buffer += rows_.doubles) {
    char *row = rows_.data + static_cast<size_t>(owned[i]) * rows_.bytes;
    if (rows_.is_float)
      add_row<float>(row, buffer, rows_.bytes);
    else
      add_row<double>(row, buffer, rows_.bytes);
  }
}
