#include "compute_egraff_atom.h"

#include "member.h"
#include "pair_egraff.h"

#include "atom.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "update.h"
#include "utils.h"

#include <mpi.h>

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

// The pair style must be there already: the number of columns is the model's.
ComputeEgraffAtom::ComputeEgraffAtom(LAMMPS *lmp, int narg, char **arg) : Compute(lmp, narg, arg)
{
  int first = 3;
  if (narg > first && std::strcmp(arg[first], "pair") == 0) {
    if (narg < first + 3 || !utils::is_integer(arg[first + 2]))
      error->all(FLERR,
                 "compute egraff/atom: expected a pair style and its number after 'pair', got "
                 "'{}': write 'pair egraff 2' for the second egraff of pair_style hybrid",
                 narg > first + 1 ? arg[first + 1] : "");
    sub_style_ = arg[first + 1];
    sub_number_ = utils::inumeric(FLERR, arg[first + 2], false, lmp);
    first += 3;
  }
  if (narg <= first)
    error->all(FLERR, "compute egraff/atom: expected names of per-atom results, got none: write "
                      "'compute ID group egraff/atom [pair STYLE N] NAME ...'");
  names_.assign(arg + first, arg + narg);
  pair_ = find_pair();
  for (const auto &name : names_) {
    const int width = pair_->quantity_width(name);
    if (width == 0) {
      const auto names = egraff::join(pair_->quantity_names());
      error->all(FLERR,
                 "compute egraff/atom: expected a result that the models offer ({}), got '{}'{}",
                 names.empty() ? "none" : names, name,
                 name == "deviation" ? ": give several model files in pair_coeff" : "");
    }
    widths_.push_back(width);
    n_columns_ += width;
  }
  peratom_flag = 1;
  size_peratom_cols = n_columns_ == 1 ? 0 : n_columns_;
  vector_flag = 1;
  size_vector = 2 * n_columns_;
  extvector = 0;
  vector = new double[size_vector];
}

ComputeEgraffAtom::~ComputeEgraffAtom()
{
  memory->destroy(vector_atom);
  memory->destroy(array_atom);
  delete[] vector;
}

// The pair style of this plugin, or the one that the keyword `pair` names.
PairEgraff *ComputeEgraffAtom::find_pair() const
{
  std::vector<PairEgraff *> found;
  std::string names;
  for (const std::string style : {"egraff", "nequip", "allegro", "mace"}) {
    const auto take = [&](int number) {
      auto *pair = dynamic_cast<PairEgraff *>(force->pair_match(style, 1, number));
      if (!pair) return false;
      const int shown = std::max(number, 1);
      names += fmt::format("{}'pair {} {}'", names.empty() ? "" : ", ", style, shown);
      if (sub_style_.empty() || (sub_style_ == style && sub_number_ == shown))
        found.push_back(pair);
      return true;
    };
    // 0: the only one of this name; pair_style hybrid numbers several from 1.
    if (!take(0))
      for (int number = 1; take(number); ++number) continue;
  }
  if (found.size() > 1)
    error->all(FLERR,
               "compute egraff/atom: expected the keyword pair where several pair styles could be "
               "meant, got none: add one of {} before the names",
               names);
  if (found.empty() && !names.empty())
    error->all(FLERR, "compute egraff/atom: expected one of {}, got 'pair {} {}'", names,
               sub_style_, sub_number_);
  if (found.empty() || found.front()->quantity_names().empty())
    error->all(
        FLERR,
        "compute egraff/atom: expected 'pair_style egraff' and its pair_coeff before it, with "
        "a model that offers results or several models, got {}",
        found.empty() ? "no such pair style" : "a model that offers none");
  return found.front();
}

void ComputeEgraffAtom::init()
{
  pair_ = find_pair();
  for (size_t k = 0; k < names_.size(); ++k)
    if (pair_->quantity_width(names_[k]) != widths_[k])
      error->all(FLERR,
                 "compute egraff/atom: expected {} column(s) of '{}' as when the compute was made, "
                 "got {}: define the compute again after pair_coeff",
                 widths_[k], names_[k], pair_->quantity_width(names_[k]));
  pair_->want_quantities();
}

void ComputeEgraffAtom::grow()
{
  if (atom->nmax <= n_rows_) return;
  n_rows_ = atom->nmax;
  memory->destroy(vector_atom);
  memory->destroy(array_atom);
  if (n_columns_ == 1)
    memory->create(vector_atom, n_rows_, "egraff/atom:vector_atom");
  else
    memory->create(array_atom, n_rows_, n_columns_, "egraff/atom:array_atom");
}

void ComputeEgraffAtom::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  pair_ = find_pair();    // between runs the deck may have put another one in its place
  grow();
  int column = 0;
  for (size_t k = 0; k < names_.size(); ++k) {
    const auto *rows = pair_->quantity(names_[k]);
    const auto width = static_cast<size_t>(widths_[k]);
    if (!rows || rows->size() != atom->nlocal * width)
      error->one(FLERR, "compute egraff/atom: expected forces of this step, got none yet: use it "
                        "during a run");
    for (int i = 0; i < atom->nlocal; ++i)
      for (size_t w = 0; w < width; ++w) {
        const double value = atom->mask[i] & groupbit ? (*rows)[i * width + w] : 0.0;
        if (n_columns_ == 1)
          vector_atom[i] = value;
        else
          array_atom[i][column + w] = value;
      }
    column += widths_[k];
  }
}

void ComputeEgraffAtom::compute_vector()
{
  invoked_vector = update->ntimestep;
  if (invoked_peratom != update->ntimestep) compute_peratom();
  std::vector<double> largest(n_columns_, -1e300), sums(n_columns_ + 1, 0.0);
  for (int i = 0; i < atom->nlocal; ++i) {
    if (!(atom->mask[i] & groupbit)) continue;
    sums[n_columns_] += 1.0;
    for (int c = 0; c < n_columns_; ++c) {
      const double value = n_columns_ == 1 ? vector_atom[i] : array_atom[i][c];
      largest[c] = std::max(largest[c], value);
      sums[c] += value;
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, largest.data(), n_columns_, MPI_DOUBLE, MPI_MAX, world);
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), n_columns_ + 1, MPI_DOUBLE, MPI_SUM, world);
  const double count = sums[n_columns_];
  for (int c = 0; c < n_columns_; ++c) {
    vector[2 * c] = count > 0.0 ? largest[c] : 0.0;
    vector[2 * c + 1] = count > 0.0 ? sums[c] / count : 0.0;
  }
}

double ComputeEgraffAtom::memory_usage()
{
  return static_cast<double>(n_rows_) * n_columns_ * sizeof(double);
}
