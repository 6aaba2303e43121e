// egraff::symmetric_contraction: polynomials of an atom's features, channel by channel (MACE).
//
// Features are [atoms, rows, channels]. A term is four integers row_out, i, j, k with i <= j <= k,
// where j and k, or k alone, may be -1:
//
//   out[n, row_out, u] += coefficients[type(n), term, u] x[n, i, u] x[n, j, u] x[n, k, u]
//
// without the factors that are -1. Terms are sorted by (i, j, k, row_out) and there are no two that
// are the same. Rows that no term names are zero. An atom's result, and a coefficient's gradient, do
// not depend on the number of threads.

#include "operator.h"

#include "kernels/contraction_job.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <tuple>
#include <vector>

namespace egraff {
namespace {

constexpr int INTEGERS_A_TERM = 4;
// A thread's share: a group of atoms repeats its last one where it is not full.
constexpr int64_t GRAIN = 16;

EGRAFF_KERNELS(kernels_of, ContractionKernels, contraction)

template <class S> const ContractionKernels<S> &kernels(int64_t channels)
{
  return for_channels(
      channels, [](auto set) -> const ContractionKernels<S> & { return kernels_of(set, S(0)); });
}

struct Term {
  int row, i, j, k;

  std::array<int, 4> monomial_first() const { return {i, j, k, row}; }
};

// The terms as trees that the kernels walk through.
class Programs {
 public:
  int rows_in = 0, rows_out = 0, n_terms = 0;

  Programs(at::IntArrayRef numbers, int64_t wanted_rows) : rows_out(static_cast<int>(wanted_rows))
  {
    TORCH_CHECK(numbers.size() % INTEGERS_A_TERM == 0,
                "egraff::symmetric_contraction: expected four integers a term, got ",
                numbers.size());
    std::vector<Term> terms;
    for (const int64_t number : numbers)
      TORCH_CHECK(number >= -1 && number < std::numeric_limits<int>::max(),
                  "egraff::symmetric_contraction: expected rows from 0 on, or -1, got ", number);
    for (size_t t = 0; t < numbers.size(); t += INTEGERS_A_TERM)
      terms.push_back(
          {int(numbers[t]), int(numbers[t + 1]), int(numbers[t + 2]), int(numbers[t + 3])});
    n_terms = static_cast<int>(terms.size());
    for (size_t t = 0; t < terms.size(); ++t) check(terms, t);
    build_backward(terms);
    build_forward(terms);
  }

  ForwardProgram forward() const
  {
    return {outputs_.data(), int(outputs_.size()), singles_.data(), pairs_.data(),
            factor_.data(),  order_.data(),        n_terms};
  }

  BackwardProgram backward() const
  {
    return {all_singles_.data(), int(all_singles_.size()), all_pairs_.data(),
            cubics_.data(),      output_.data(),           n_terms};
  }

 private:
  std::vector<ContractionOutput> outputs_;
  std::vector<ContractionSingle> singles_, all_singles_;
  std::vector<ContractionPair> pairs_, all_pairs_;
  std::vector<ContractionCubic> cubics_;
  std::vector<int> factor_, order_, output_;

  void check(const std::vector<Term> &terms, size_t t)
  {
    const auto &term = terms[t];
    const bool ordered =
        term.k < 0 ? (term.j < 0 || term.i <= term.j) : (term.i <= term.j && term.j <= term.k);
    TORCH_CHECK(term.row >= 0 && term.row < rows_out && term.i >= 0 && ordered,
                "egraff::symmetric_contraction: expected row_out below ", rows_out,
                " and i <= j <= k, got ", term.row, ", ", term.i, ", ", term.j, ", ", term.k);
    TORCH_CHECK(t == 0 || terms[t - 1].monomial_first() < term.monomial_first(),
                "egraff::symmetric_contraction: expected terms sorted by i, j, k, row_out, each "
                "once");
    rows_in = std::max({rows_in, term.i + 1, term.j + 1, term.k + 1});
  }

  // Opens the nodes of the tree that a term at a place needs; true for a new pair or single.
  static void open(const Term &term, int place, bool fresh, std::vector<ContractionSingle> &singles,
                   std::vector<ContractionPair> &pairs, int cubic)
  {
    if (fresh || singles.back().i != term.i) {
      singles.push_back({term.i, place, place, int(pairs.size()), int(pairs.size())});
    }
    auto &single = singles.back();
    if (term.j < 0) {
      single.own_end = place + 1;
      return;
    }
    if (single.pair_end == single.pair_begin || pairs.back().j != term.j) {
      pairs.push_back({term.j, place, place, cubic, cubic});
      single.pair_end = static_cast<int>(pairs.size());
    }
    if (term.k < 0) pairs.back().own_end = place + 1;
  }

  void build_forward(const std::vector<Term> &terms)
  {
    order_.resize(terms.size());
    for (size_t t = 0; t < terms.size(); ++t) order_[t] = static_cast<int>(t);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int a, int b) { return terms[a].row < terms[b].row; });
    for (int place = 0; place < n_terms; ++place) {
      const auto &term = terms[order_[place]];
      const bool fresh = outputs_.empty() || outputs_.back().row != term.row;
      if (fresh) outputs_.push_back({term.row, int(singles_.size()), int(singles_.size())});
      open(term, place, fresh, singles_, pairs_, place);
      outputs_.back().single_end = static_cast<int>(singles_.size());
      factor_.push_back(std::max(term.k, 0));
      if (term.j < 0) continue;
      auto &pair = pairs_.back();
      // The terms of x_i x_j itself stand before those with a third factor.
      if (term.k < 0)
        pair.cubic_begin = pair.cubic_end = place + 1;
      else
        pair.cubic_end = place + 1;
    }
  }

  void build_backward(const std::vector<Term> &terms)
  {
    for (int place = 0; place < n_terms; ++place) {
      const auto &term = terms[place];
      open(term, place, all_singles_.empty(), all_singles_, all_pairs_, int(cubics_.size()));
      output_.push_back(term.row);
      if (term.k < 0) continue;
      auto &pair = all_pairs_.back();
      if (pair.cubic_end == pair.cubic_begin || cubics_.back().k != term.k) {
        cubics_.push_back({term.k, place, place});
        pair.cubic_end = static_cast<int>(cubics_.size());
      }
      cubics_.back().own_end = place + 1;
    }
  }
};

// The programs of the terms of the last calls: a network has few, and asks for them every step.
std::shared_ptr<const Programs> programs_of(at::IntArrayRef numbers, int64_t rows_out)
{
  struct Kept {
    std::vector<int64_t> numbers;
    std::shared_ptr<const Programs> programs;
  };
  constexpr size_t MOST = 64;    // beyond it the oldest goes: an ensemble of large networks
  thread_local std::vector<Kept> kept;
  for (const auto &one : kept)
    if (one.programs->rows_out == rows_out && numbers.equals(one.numbers)) return one.programs;
  if (kept.size() == MOST) kept.erase(kept.begin());
  kept.push_back({numbers.vec(), std::make_shared<Programs>(numbers, rows_out)});
  return kept.back().programs;
}

// Atoms sorted by type.
struct TypeOrder {
  std::vector<int> first, atom;

  TypeOrder(const Tensor &types, int64_t n_types) : first(n_types + 1, 0), atom(types.size(0))
  {
    const auto *type = types.const_data_ptr<int64_t>();
    for (int64_t n = 0; n < types.size(0); ++n) {
      TORCH_CHECK(type[n] >= 0 && type[n] < n_types,
                  "egraff::symmetric_contraction: expected types below ", n_types, ", got ",
                  type[n]);
      ++first[type[n] + 1];
    }
    for (int64_t t = 0; t < n_types; ++t) first[t + 1] += first[t];
    std::vector<int> next(first.begin(), first.end() - 1);
    for (int64_t n = 0; n < types.size(0); ++n) atom[next[type[n]]++] = static_cast<int>(n);
  }
};

void check(const Tensor &features, const Tensor &coefficients, const Tensor &types,
           const Programs &programs)
{
  TORCH_CHECK(features.dim() == 3 && features.size(1) >= programs.rows_in,
              "egraff::symmetric_contraction: expected features [atoms, rows, channels] of at "
              "least ",
              programs.rows_in, " rows, got ", features.sizes());
  TORCH_CHECK(coefficients.dim() == 3 && coefficients.size(1) == programs.n_terms &&
                  coefficients.size(2) == features.size(2) &&
                  coefficients.scalar_type() == features.scalar_type(),
              "egraff::symmetric_contraction: expected coefficients [types, ", programs.n_terms,
              ", ", features.size(2), "] of ", features.scalar_type(), ", got ",
              coefficients.sizes(), " of ", coefficients.scalar_type());
  TORCH_CHECK(types.dim() == 1 && types.size(0) == features.size(0) &&
                  types.scalar_type() == at::kLong,
              "egraff::symmetric_contraction: expected one int64 type for each of ",
              features.size(0), " atoms, got ", types.sizes());
}

// Calls the kernel on shares of n atoms, or of what else it takes, each thread with memory of its own.
template <class S, class Kernel> void share_out(const ContractionJob<S> &job, int64_t n,
                                                int64_t bytes, Kernel kernel, int64_t grain = GRAIN)
{
  at::parallel_for(0, n, grain, [&](int64_t begin, int64_t end) {
    constexpr size_t LINE = 64;
    std::vector<char> memory(bytes + LINE);
    void *at = memory.data();
    size_t space = memory.size();
    kernel(job, begin, end, std::align(LINE, bytes, at, space));
  });
}

// What all kernels are given; it points into what it is made of.
template <class S> ContractionJob<S> make_job(const Tensor &features, const Tensor &coefficients,
                                              const TypeOrder &order, const Programs &programs)
{
  ContractionJob<S> job{};
  job.forward = programs.forward();
  job.backward = programs.backward();
  job.channels = features.size(2);
  job.rows_in = features.size(1);
  job.rows_out = programs.rows_out;
  job.features = features.const_data_ptr<S>();
  job.coefficients = coefficients.const_data_ptr<S>();
  job.first = order.first.data();
  job.atom = order.atom.data();
  job.n_types = static_cast<int>(coefficients.size(0));
  return job;
}

template <class S> void run(const Tensor &features, const Tensor &coefficients, const Tensor &types,
                            const Programs &programs, Tensor *out, const Tensor *grad,
                            Tensor *grad_features)
{
  const TypeOrder order(types, coefficients.size(0));
  auto job = make_job<S>(features, coefficients, order, programs);
  const auto &kernel = kernels<S>(features.size(2));
  const auto bytes = kernel.scratch_bytes(job);
  if (out) {
    job.out = out->data_ptr<S>();
    share_out(job, features.size(0), bytes, kernel.forward);
  } else {
    job.grad = grad->const_data_ptr<S>();
    job.grad_features = grad_features->data_ptr<S>();
    share_out(job, features.size(0), bytes, kernel.backward);
  }
}

Tensor contraction_cpu(const Tensor &features, const Tensor &coefficients, const Tensor &types,
                       at::IntArrayRef terms, int64_t rows_out)
{
  const auto programs = programs_of(terms, rows_out);
  check(features, coefficients, types, *programs);
  auto out = at::empty({features.size(0), rows_out, features.size(2)}, features.options());
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::symmetric_contraction", [&] {
    run<scalar_t>(features.contiguous(), coefficients.contiguous(), types.contiguous(), *programs,
                  &out, nullptr, nullptr);
  });
  return out;
}

Tensor contraction_backward_cpu(const Tensor &grad, const Tensor &features,
                                const Tensor &coefficients, const Tensor &types,
                                at::IntArrayRef terms)
{
  TORCH_CHECK(grad.dim() == 3 && features.dim() == 3 && grad.size(0) == features.size(0) &&
                  grad.size(2) == features.size(2) && grad.scalar_type() == features.scalar_type(),
              "egraff::symmetric_contraction_backward: expected a gradient [atoms, rows, channels] "
              "like the features ",
              features.sizes(), ", got ", grad.sizes());
  const auto programs = programs_of(terms, grad.size(1));
  check(features, coefficients, types, *programs);
  auto found = at::empty(features.sizes(), features.options());
  const auto given = grad.contiguous();
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::symmetric_contraction", [&] {
    run<scalar_t>(features.contiguous(), coefficients.contiguous(), types.contiguous(), *programs,
                  nullptr, &given, &found);
  });
  return found;
}

// Calls the kernel of second derivatives on shares of the channels.
template <class S> void run_second(const Tensor &grad, const Tensor &features,
                                   const Tensor &coefficients, const Tensor &types,
                                   const Programs &programs, const Tensor &along, const Tensor &out,
                                   const Tensor &of_features, const Tensor &of_coefficients)
{
  const TypeOrder order(types, coefficients.size(0));
  auto job = make_job<S>(features, coefficients, order, programs);
  job.grad = grad.const_data_ptr<S>();
  job.grad_coefficients = of_coefficients.data_ptr<S>();
  if (along.defined()) {
    job.along = along.const_data_ptr<S>();
    job.out = out.data_ptr<S>();
    job.grad_features = of_features.data_ptr<S>();
  }
  const auto &kernel = kernels<S>(features.size(2));
  const auto bytes = kernel.second_scratch_bytes(job);
  share_out(job, (job.channels + kernel.lanes - 1) / kernel.lanes, bytes, kernel.second, 1);
}

Tensor contraction_coefficients_cpu(const Tensor &grad, const Tensor &features, const Tensor &types,
                                    at::IntArrayRef terms, int64_t n_types)
{
  TORCH_CHECK(grad.dim() == 3 && features.dim() == 3 && grad.size(0) == features.size(0) &&
                  grad.size(2) == features.size(2) && n_types > 0 &&
                  grad.scalar_type() == features.scalar_type(),
              "egraff::symmetric_contraction_coefficients: expected a gradient [atoms, rows, "
              "channels] like the features ",
              features.sizes(), ", got ", grad.sizes());
  const auto programs = programs_of(terms, grad.size(1));
  const auto found = at::zeros({n_types, programs->n_terms, features.size(2)}, features.options());
  check(features, found, types, *programs);
  const auto g = grad.contiguous();
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::symmetric_contraction", [&] {
    run_second<scalar_t>(g, features.contiguous(), found, types.contiguous(), *programs, {}, {}, {},
                         found);
  });
  return found;
}

std::tuple<Tensor, Tensor, Tensor>
contraction_second_cpu(const Tensor &along, const Tensor &grad, const Tensor &features,
                       const Tensor &coefficients, const Tensor &types, at::IntArrayRef terms)
{
  TORCH_CHECK(grad.dim() == 3 && features.dim() == 3 && grad.size(0) == features.size(0) &&
                  grad.size(2) == features.size(2) && along.sizes() == features.sizes() &&
                  grad.scalar_type() == features.scalar_type() &&
                  along.scalar_type() == features.scalar_type(),
              "egraff::symmetric_contraction_second: expected a gradient and directions like the "
              "features ",
              features.sizes(), ", got ", grad.sizes(), " and ", along.sizes());
  const auto programs = programs_of(terms, grad.size(1));
  check(features, coefficients, types, *programs);
  const auto g = grad.contiguous(), u = along.contiguous();
  const auto out = at::empty(g.sizes(), g.options());
  const auto of_features = at::empty(u.sizes(), u.options());
  const auto of_coefficients = at::empty(coefficients.sizes(), coefficients.options());
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "egraff::symmetric_contraction", [&] {
    run_second<scalar_t>(g, features.contiguous(), coefficients.contiguous(), types.contiguous(),
                         *programs, u, out, of_features, of_coefficients);
  });
  return {out, of_features, of_coefficients};
}

Tensor contract(const Tensor &features, const Tensor &coefficients, const Tensor &types,
                const std::vector<int64_t> &terms, int64_t rows_out)
{
  return call<decltype(contraction_cpu)>("egraff::symmetric_contraction", features, coefficients,
                                         types, terms, rows_out);
}

Tensor of_features(const Tensor &grad, const Tensor &features, const Tensor &coefficients,
                   const Tensor &types, const std::vector<int64_t> &terms)
{
  return call<decltype(contraction_backward_cpu)>("egraff::symmetric_contraction_backward", grad,
                                                  features, coefficients, types, terms);
}

class Contraction : public torch::autograd::Function<Contraction> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &features,
                        const Tensor &coefficients, const Tensor &types, std::vector<int64_t> terms,
                        int64_t rows_out)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({features, coefficients, types});
    context->saved_data["terms"] = terms;
    return contract(features, coefficients, types, terms, rows_out);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto terms = context->saved_data["terms"].toIntVector();
    Tensor dx, dc;
    if (context->needs_input_grad(0))
      dx = of_features(gradients[0], saved[0], saved[1], saved[2], terms);
    if (context->needs_input_grad(1))
      dc = call<decltype(contraction_coefficients_cpu)>(
          "egraff::symmetric_contraction_coefficients", gradients[0], saved[0], saved[2], terms,
          saved[1].size(0));
    return {dx, dc, {}, {}, {}};
  }
};

class ContractionBackward : public torch::autograd::Function<ContractionBackward> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &grad, const Tensor &features,
                        const Tensor &coefficients, const Tensor &types, std::vector<int64_t> terms)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad, features, coefficients, types});
    context->saved_data["terms"] = terms;
    return of_features(grad, features, coefficients, types, terms);
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    refuse_third_derivative("egraff::symmetric_contraction");
    const auto saved = context->get_saved_variables();
    const auto [dg, dx, dc] = call<decltype(contraction_second_cpu)>(
        "egraff::symmetric_contraction_second", cotangents[0], saved[0], saved[1], saved[2],
        saved[3], context->saved_data["terms"].toIntVector());
    return {dg, dx, dc, {}, {}};
  }
};

// Linear in the gradient, which has the place of coefficients' cotangents when it is differentiated.
class ContractionCoefficients : public torch::autograd::Function<ContractionCoefficients> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &grad, const Tensor &features,
                        const Tensor &types, std::vector<int64_t> terms, int64_t n_types)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad, features, types});
    context->saved_data["terms"] = terms;
    return call<decltype(contraction_coefficients_cpu)>(
        "egraff::symmetric_contraction_coefficients", grad, features, types, terms, n_types);
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    const auto saved = context->get_saved_variables();
    const auto terms = context->saved_data["terms"].toIntVector();
    const auto &coefficients = cotangents[0];
    Tensor dg, dx;
    if (context->needs_input_grad(0))
      dg = contract(saved[1], coefficients, saved[2], terms, saved[0].size(1));
    if (context->needs_input_grad(1))
      dx = of_features(saved[0], saved[1], coefficients, saved[2], terms);
    return {dg, dx, {}, {}, {}};
  }
};

Tensor contraction_backward(const Tensor &grad, const Tensor &features, const Tensor &coefficients,
                            const Tensor &types, at::IntArrayRef terms)
{
  return ContractionBackward::apply(grad, features, coefficients, types, terms.vec());
}

Tensor contraction_coefficients(const Tensor &grad, const Tensor &features, const Tensor &types,
                                at::IntArrayRef terms, int64_t n_types)
{
  return ContractionCoefficients::apply(grad, features, types, terms.vec(), n_types);
}

Tensor contraction(const Tensor &features, const Tensor &coefficients, const Tensor &types,
                   at::IntArrayRef terms, int64_t rows_out)
{
  return Contraction::apply(features, coefficients, types, terms.vec(), rows_out);
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("symmetric_contraction(Tensor features, Tensor coefficients, Tensor types, int[] "
              "terms, int rows_out) -> Tensor");
  library.def("symmetric_contraction_backward(Tensor grad, Tensor features, Tensor coefficients, "
              "Tensor types, int[] terms) -> Tensor");
  library.def(
      "symmetric_contraction_coefficients(Tensor grad, Tensor features, Tensor types, int[] "
      "terms, int n_types) -> Tensor");
  library.def("symmetric_contraction_second(Tensor along, Tensor grad, Tensor features, Tensor "
              "coefficients, Tensor types, int[] terms) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("symmetric_contraction", &egraff::contraction_cpu);
  library.impl("symmetric_contraction_backward", &egraff::contraction_backward_cpu);
  library.impl("symmetric_contraction_coefficients", &egraff::contraction_coefficients_cpu);
  library.impl("symmetric_contraction_second", &egraff::contraction_second_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("symmetric_contraction", &egraff::contraction);
  library.impl("symmetric_contraction_backward", &egraff::contraction_backward);
  library.impl("symmetric_contraction_coefficients", &egraff::contraction_coefficients);
}
