#include "row_exchange.h"

#include "node_plan.h"

#include "atom.h"
#include "comm.h"
#include "platform.h"

#include <mpi.h>

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

constexpr int TAG = 7432;

// A row as one datatype: counts stay below 2^31 where bytes do not.
class RowType {
 public:
  explicit RowType(size_t bytes)
  {
    MPI_Type_contiguous(static_cast<int>(bytes), MPI_BYTE, &type_);
    MPI_Type_commit(&type_);
  }
  ~RowType() { MPI_Type_free(&type_); }
  RowType(const RowType &) = delete;
  RowType &operator=(const RowType &) = delete;
  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

// Messages under way.
class Messages {
 public:
  Messages(MPI_Comm world, MPI_Datatype type) : world_(world), type_(type) {}

  void receive(void *rows, size_t n, int rank)
  {
    if (n) MPI_Irecv(rows, static_cast<int>(n), type_, rank, TAG, world_, add());
  }
  void send(const void *rows, size_t n, int rank)
  {
    if (n) MPI_Isend(rows, static_cast<int>(n), type_, rank, TAG, world_, add());
  }
  void wait()
  {
    MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  }

 private:
  MPI_Comm world_;
  MPI_Datatype type_;
  std::vector<MPI_Request> requests_;

  MPI_Request *add()
  {
    requests_.emplace_back();
    return &requests_.back();
  }
};

}    // namespace

int64_t RowExchange::n_local() const
{
  return plan_->n_local;
}

int64_t RowExchange::n_all() const
{
  return plan_->n_all;
}

double RowExchange::take_bytes()
{
  const double bytes = bytes_;
  bytes_ = 0.0;
  return bytes;
}

void RowExchange::atoms_to_ghosts(double *rows, int width)
{
  rows_ = {rows, width};
  lmp_->comm->forward_comm(pair_, width);
}

void RowExchange::ghosts_to_atoms(double *rows, int width)
{
  rows_ = {rows, width};
  lmp_->comm->reverse_comm(pair_, width);
  const int n_local = lmp_->atom->nlocal, n_ghost = lmp_->atom->nghost;
  if (n_ghost > 0)
    std::fill_n(rows + static_cast<size_t>(n_local) * width, static_cast<size_t>(n_ghost) * width,
                0.0);
}

template <typename T> T *RowExchange::buffer(int width)
{
  size_t n = 0;
  for (const auto &peer : plan_->peers) n += peer.sent.size();
  buffer_.resize(n * width * sizeof(T));
  return reinterpret_cast<T *>(buffer_.data());
}

template <typename T> void RowExchange::to_ghosts(T *rows, int width)
{
  const double start = platform::walltime();
  const RowType row(width * sizeof(T));
  Messages messages(lmp_->world, row.get());
  const auto size = static_cast<size_t>(width);
  for (const auto &peer : plan_->peers)
    messages.receive(rows + peer.first * size, peer.received, peer.rank);
  T *to = buffer<T>(width);
  for (const auto &peer : plan_->peers) {
    const T *first = to;
    for (const int node : peer.sent) {
      std::memcpy(to, rows + node * size, size * sizeof(T));
      to += size;
    }
    messages.send(first, peer.sent.size(), peer.rank);
  }
  messages.wait();
  seconds_ += platform::walltime() - start;
  bytes_ += static_cast<double>(plan_->n_all - plan_->n_local) * width * sizeof(T);
}

// Sums in the order of the ranks, whichever message comes first.
template <typename T> void RowExchange::to_owners(T *rows, int width)
{
  const double start = platform::walltime();
  const RowType row(width * sizeof(T));
  Messages messages(lmp_->world, row.get());
  const auto size = static_cast<size_t>(width);
  T *from = buffer<T>(width);
  for (const auto &peer : plan_->peers) {
    messages.receive(from, peer.sent.size(), peer.rank);
    from += peer.sent.size() * size;
  }
  for (const auto &peer : plan_->peers)
    messages.send(rows + peer.first * size, peer.received, peer.rank);
  messages.wait();
  from = reinterpret_cast<T *>(buffer_.data());
  for (const auto &peer : plan_->peers)
    for (const int node : peer.sent) {
      T *to = rows + node * size;
      for (size_t k = 0; k < size; ++k) to[k] += from[k];
      from += size;
    }
  seconds_ += platform::walltime() - start;
  bytes_ += static_cast<double>(plan_->n_all - plan_->n_local) * width * sizeof(T);
}

template void RowExchange::to_ghosts(float *, int);
template void RowExchange::to_ghosts(double *, int);
template void RowExchange::to_owners(float *, int);
template void RowExchange::to_owners(double *, int);

int RowExchange::pack_forward(int n, const int *sent, double *buffer) const
{
  for (int i = 0; i < n; ++i, buffer += rows_.width)
    std::copy_n(rows_.data + static_cast<size_t>(sent[i]) * rows_.width, rows_.width, buffer);
  return n * rows_.width;
}

void RowExchange::unpack_forward(int n, int first, const double *buffer)
{
  std::copy_n(buffer, static_cast<size_t>(n) * rows_.width,
              rows_.data + static_cast<size_t>(first) * rows_.width);
}

int RowExchange::pack_reverse(int n, int first, double *buffer) const
{
  std::copy_n(rows_.data + static_cast<size_t>(first) * rows_.width,
              static_cast<size_t>(n) * rows_.width, buffer);
  return n * rows_.width;
}

void RowExchange::unpack_reverse(int n, const int *owned, const double *buffer)
{
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < rows_.width; ++k)
      rows_.data[static_cast<size_t>(owned[i]) * rows_.width + k] += *buffer++;
}

}    // namespace egraff
