// The exchange of atomic features between ranks, as seen by whoever does the communicating.
//
// A network calls torch.ops.egraff.exchange(features) between two layers: it hands over the features
// of the local atoms and gets back those of local and ghost atoms. The operator itself knows nothing
// of MPI; it asks the host that is installed on the calling thread. Without a host (Python, self
// test) every atom is local and the operator is the identity.
//
// No torch header is needed to include this file.

#pragma once

#include <cstdint>

namespace egraff {

class ExchangeHost {
 public:
  // Atoms of this rank: rows 0 .. n_local-1 are owned, rows n_local .. n_all-1 are ghosts.
  virtual int64_t n_local() const = 0;
  virtual int64_t n_all() const = 0;

  // rows: n_all x width, contiguous, in host memory, local rows set. Fills the ghost rows with
  // their owners' values. Collective: every rank calls it the same number of times.
  virtual void forward(float *rows, int width) = 0;
  virtual void forward(double *rows, int width) = 0;

  // rows: n_all x width, contiguous, in host memory. Adds every ghost row into its owner's row.
  // The ghost rows are undefined afterwards. Collective.
  virtual void reverse(float *rows, int width) = 0;
  virtual void reverse(double *rows, int width) = 0;

 protected:
  ~ExchangeHost() = default;    // never deleted through this interface
};

// Installs the host of the calling thread for the lifetime of the scope. Scopes nest.
class ExchangeScope {
 public:
  explicit ExchangeScope(ExchangeHost *host);
  ~ExchangeScope();
  ExchangeScope(const ExchangeScope &) = delete;
  ExchangeScope &operator=(const ExchangeScope &) = delete;

 private:
  ExchangeHost *previous_;
};

}    // namespace egraff

// The same for programs that are not written in C++ (Python's ctypes): a host made of functions,
// called with rows in host memory, their width, and the bytes of a number (4 or 8).
extern "C" {
struct EgraffExchangeFunctions {
  int64_t n_local, n_all;
  void (*forward)(void *rows, int width, int bytes);
  void (*reverse)(void *rows, int width, int bytes);
};

// Installs a host of these functions on the calling thread; the result is what removes it.
void *egraff_install_exchange(const EgraffExchangeFunctions *functions);
void egraff_remove_exchange(void *installed);
}
