#include "exchange_rows.h"

#include <torch/torch.h>

#include <torch/library.h>

namespace egraff {
namespace {

thread_local ExchangeHost *current_host = nullptr;

// Calls op(pointer, width) on rows [n, ...] in host memory, in the precision of the tensor.
template <typename Op> void on_rows(const at::Tensor &rows, Op op)
{
  const int width = rows.size(0) ? static_cast<int>(rows.numel() / rows.size(0)) : 0;
  if (rows.scalar_type() == at::kFloat)
    op(rows.data_ptr<float>(), width);
  else if (rows.scalar_type() == at::kDouble)
    op(rows.data_ptr<double>(), width);
  else
    TORCH_CHECK(false, "egraff::exchange: expected float32 or float64 features, got ",
                rows.scalar_type());
}

int64_t row_width(const at::Tensor &rows)
{
  int64_t width = 1;
  for (int64_t d = 1; d < rows.dim(); ++d) width *= rows.size(d);
  return width;
}

// Owners' rows to ghosts, and its adjoint, ghosts' rows summed into owners': each is the other's
// backward pass. The host travels in the saved data, because with CUDA the backward may run on
// another thread.
template <bool TO_GHOSTS> class Exchange : public torch::autograd::Function<Exchange<TO_GHOSTS>> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &given,
                            int64_t host_address)
  {
    auto *host = reinterpret_cast<ExchangeHost *>(host_address);
    context->saved_data["host"] = host_address;
    if (!TO_GHOSTS) {
      // A fresh copy: the sum is taken in place, and autograd may share the gradient's storage.
      auto rows = given.contiguous().clone();
      sum_ghosts(rows, host);
      return rows;
    }
    TORCH_CHECK(given.size(0) == host->n_local(), "egraff::exchange: expected the features of ",
                host->n_local(), " local atoms, got ", given.size(0), " rows");
    auto shape = given.sizes().vec();
    shape[0] = host->n_all();
    auto rows = at::empty(shape, given.options());
    rows.narrow(0, 0, given.size(0)).copy_(given);
    fill_ghosts(rows, host);
    return rows;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients)
  {
    return {Exchange<!TO_GHOSTS>::apply(gradients[0], context->saved_data["host"].toInt()),
            at::Tensor()};
  }
};

at::Tensor exchange(const at::Tensor &local)
{
  return exchanged(local, current_host);
}

}    // namespace

at::Tensor exchanged(const at::Tensor &local, ExchangeHost *host)
{
  return host ? Exchange<true>::apply(local, reinterpret_cast<int64_t>(host)) : local;
}

ExchangeHost *current_exchange_host()
{
  return current_host;
}

void fill_ghosts(at::Tensor &rows, ExchangeHost *host)
{
  TORCH_CHECK(rows.size(0) == host->n_all() && rows.is_contiguous(),
              "egraff::exchange: expected the rows of ", host->n_all(), " atoms, got ",
              rows.sizes());
  const int width = static_cast<int>(row_width(rows));
  auto at_host = rows.to(at::kCPU);
  on_rows(at_host, [&](auto *data, int) { host->forward(data, width); });
  if (!at_host.is_same(rows)) rows.copy_(at_host);
}

void sum_ghosts(at::Tensor &rows, ExchangeHost *host)
{
  TORCH_CHECK(rows.size(0) == host->n_all() && rows.is_contiguous(),
              "egraff::exchange: expected the rows of ", host->n_all(), " atoms, got ",
              rows.sizes());
  const int width = static_cast<int>(row_width(rows));
  auto at_host = rows.to(at::kCPU);
  on_rows(at_host, [&](auto *data, int) { host->reverse(data, width); });
  rows = at_host.narrow(0, 0, host->n_local()).to(rows.device());
}

ExchangeScope::ExchangeScope(ExchangeHost *host) : previous_(current_host)
{
  current_host = host;
}

ExchangeScope::~ExchangeScope()
{
  current_host = previous_;
}

namespace {

class FunctionsHost final : public ExchangeHost {
 public:
  explicit FunctionsHost(const EgraffExchangeFunctions &functions) : functions_(functions) {}

  int64_t n_local() const override { return functions_.n_local; }
  int64_t n_all() const override { return functions_.n_all; }
  void forward(float *rows, int width) override { functions_.forward(rows, width, sizeof(float)); }
  void forward(double *rows, int width) override
  {
    functions_.forward(rows, width, sizeof(double));
  }
  void reverse(float *rows, int width) override { functions_.reverse(rows, width, sizeof(float)); }
  void reverse(double *rows, int width) override
  {
    functions_.reverse(rows, width, sizeof(double));
  }

 private:
  EgraffExchangeFunctions functions_;
};

struct Installed {
  FunctionsHost host;
  ExchangeScope scope;

  explicit Installed(const EgraffExchangeFunctions &functions) : host(functions), scope(&host) {}
};

}    // namespace
}    // namespace egraff

extern "C" void *egraff_install_exchange(const EgraffExchangeFunctions *functions)
{
  return new egraff::Installed(*functions);
}

extern "C" void egraff_remove_exchange(void *installed)
{
  delete static_cast<egraff::Installed *>(installed);
}

// The schema is inferred on purpose: alias analysis is then conservative, and no pass of the
// TorchScript compiler may drop, merge or reorder the calls, which are collective over ranks.
TORCH_LIBRARY(egraff, library)
{
  library.def("exchange", &egraff::exchange);
}
