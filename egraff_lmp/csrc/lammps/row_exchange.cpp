#include "row_exchange.h"

#include "contract.h"

#include "atom.h"
#include "comm.h"
#include "platform.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

using namespace LAMMPS_NS;

namespace egraff {

int RowExchange::doubles_for(int bytes)
{
  return (bytes + static_cast<int>(sizeof(double)) - 1) / static_cast<int>(sizeof(double));
}

void RowExchange::set_nodes(int64_t n_local, int64_t n_all, const std::vector<int> &node_of_atom)
{
  n_local_ = n_local;
  n_all_ = n_all;
  node_of_atom_ = &node_of_atom;
}

double RowExchange::take_bytes()
{
  const double bytes = bytes_;
  bytes_ = 0.0;
  return bytes;
}

void RowExchange::atoms_to_ghosts(double *rows, int width)
{
  const int bytes = width * static_cast<int>(sizeof(double));
  rows_ = {reinterpret_cast<char *>(rows), bytes, width, false, nullptr};
  communicate(true);
}

void RowExchange::ghosts_to_atoms(double *rows, int width)
{
  const int bytes = width * static_cast<int>(sizeof(double));
  rows_ = {reinterpret_cast<char *>(rows), bytes, width, false, nullptr};
  communicate(false);
  const int n_local = lmp_->atom->nlocal, n_ghost = lmp_->atom->nghost;
  if (n_ghost > 0)
    std::memset(rows + static_cast<size_t>(n_local) * width, 0,
                static_cast<size_t>(n_ghost) * bytes);
}

template <typename T> void RowExchange::exchange(T *rows, int width, bool to_ghosts)
{
  const int bytes = width * static_cast<int>(sizeof(T));
  rows_ = {reinterpret_cast<char *>(rows), bytes, doubles_for(bytes), std::is_same_v<T, float>,
           node_of_atom_};
  if (rows_.doubles > pair_->comm_forward)
    throw UserError("the network exchanges more than its contract says: deploy it again");
  const double start = platform::walltime();
  communicate(to_ghosts);
  seconds_ += platform::walltime() - start;
  bytes_ += static_cast<double>(n_all_ - n_local_) * bytes;
}

template void RowExchange::exchange(float *, int, bool);
template void RowExchange::exchange(double *, int, bool);

void RowExchange::communicate(bool to_ghosts)
{
  if (to_ghosts)
    lmp_->comm->forward_comm(pair_, rows_.doubles);
  else
    lmp_->comm->reverse_comm(pair_, rows_.doubles);
}

char *RowExchange::row(int atom) const
{
  const int index = rows_.node_of_atom ? (*rows_.node_of_atom)[atom] : atom;
  return index < 0 ? nullptr : rows_.data + static_cast<size_t>(index) * rows_.bytes;
}

// Atoms that are no nodes travel as zeros, never as what the buffer held before.
void RowExchange::pack(const char *from, double *buffer) const
{
  if (from)
    std::memcpy(buffer, from, rows_.bytes);
  else
    std::fill_n(buffer, rows_.doubles, 0.0);
}

int RowExchange::pack_forward(int n, const int *sent, double *buffer) const
{
  for (int i = 0; i < n; ++i, buffer += rows_.doubles) pack(row(sent[i]), buffer);
  return n * rows_.doubles;
}

void RowExchange::unpack_forward(int n, int first, const double *buffer)
{
  for (int i = first; i < first + n; ++i, buffer += rows_.doubles)
    if (char *to = row(i)) std::memcpy(to, buffer, rows_.bytes);
}

int RowExchange::pack_reverse(int n, int first, double *buffer) const
{
  for (int i = first; i < first + n; ++i, buffer += rows_.doubles) pack(row(i), buffer);
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

void RowExchange::unpack_reverse(int n, const int *owned, const double *buffer)
{
  for (int i = 0; i < n; ++i, buffer += rows_.doubles) {
    char *to = row(owned[i]);
    if (!to) continue;
    if (rows_.is_float)
      add_row<float>(to, buffer, rows_.bytes);
    else
      add_row<double>(to, buffer, rows_.bytes);
  }
}

}    // namespace egraff
