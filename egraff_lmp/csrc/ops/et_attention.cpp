// egraff::et_attention and egraff::tabulated_et_attention: the attention of TorchMD-NET's
// equivariant transformer (Thölke & De Fabritiis 2022, Eqs. 5-9), from gather to sum.
//
// Of each atom the features are rows of channels: key, scalar, along v, along r, and three rows of its
// vectors. The vectors are left out where they are zero (the first layer), and all but key and scalar
// where only scalars are wanted (the last layer). Of each edge the weights are rows of the first four
// names. Channel u belongs to head u % heads. For a centre i, over its edges and over the atom
// itself, whose weights are `own` and which has no direction:
//
//   c = silu(sum within a head of query[i] key[j] w_key)
//   scalars[i] += c scalar[j] w_scalar
//   vectors[i, m] += v[j, m] along_v[j] w_along_v + harmonics[e, 1 + m] along_r[j] w_along_r
//
// The weights are given, or read from a table: coefficients [intervals + 3, rows, channels] of uniform
// cubic B-splines over `radial` in [0, 1), beyond which the weights are zero.
//
// Nothing is kept for the backward pass but the inputs. Gradients of what belongs to centres and to
// neighbours are each made by the thread that owns them, edges in the order of their centres: the
// result does not depend on the number of threads.

#include "edge_order.h"
#include "operator.h"
#include "spline_weights.h"

#include "kernels/et_attention_job.h"

#include <vector>

namespace egraff {
namespace {

using Pair = std::tuple<Tensor, Tensor>;
using Pieces = std::tuple<Tensor, Tensor, Tensor, Tensor>;

constexpr auto NAME = "egraff::et_attention";
constexpr int64_t N_HARMONICS = 4;

int64_t weight_rows(int64_t rows_in)
{
  return rows_in == ET_SCALARS_ONLY ? rows_in : int64_t{ET_VECTORS};
}

// Vectors that come out are [n, 3, channels]: none where nobody wants them.
int64_t with_vectors(int64_t n_centers, int64_t rows_in)
{
  return rows_in == ET_SCALARS_ONLY ? 0 : n_centers;
}

EGRAFF_KERNELS(kernels_of, EtAttentionKernels, et_attention)

template <class S> const EtAttentionKernels<S> &kernels(int64_t channels)
{
  return for_channels(
      channels, [](auto set) -> const EtAttentionKernels<S> & { return kernels_of(set, S(0)); });
}

// What the kernels read: contiguous, with the channels filled up to whole registers.
struct Inputs {
  Tensor query, features, harmonics, weights, radial, table, own;

  Inputs(const Tensor &q, const Tensor &x, const Tensor &y, const Tensor &w, const Tensor &r,
         const Tensor &t, const Tensor &o, int64_t multiple) :
      query(filled(q, multiple)), features(filled(x, multiple)), harmonics(y.contiguous()),
      weights(filled(w, multiple)), table(filled(t, multiple)), own(filled(o, multiple))
  {
    if (r.defined()) radial = r.contiguous();
  }
};

void check(const Tensor &query, const Tensor &features, const Tensor &harmonics,
           const Tensor &weights, const Tensor &radial, const Tensor &table, const Tensor &own,
           const Tensor &edge_index, int64_t heads)
{
  check_edge_index(NAME, edge_index);
  const int64_t n_edges = edge_index.size(1);
  TORCH_CHECK(heads >= 1 && heads <= ET_MOST_HEADS && (heads & (heads - 1)) == 0, NAME,
              ": expected heads that are a power of two up to ", ET_MOST_HEADS, ", got ", heads);
  TORCH_CHECK(query.dim() == 2 && query.size(1) % heads == 0, NAME,
              ": expected a query [centres, channels] with channels a multiple of ", heads,
              ", got ", query.sizes());
  const int64_t C = query.size(1);
  TORCH_CHECK(features.dim() == 3 && features.size(2) == C &&
                  (features.size(1) == ET_SCALARS_ONLY || features.size(1) == ET_VECTORS ||
                   features.size(1) == ET_WITH_VECTORS) &&
                  features.size(0) >= query.size(0),
              NAME, ": expected features [at least ", query.size(0), " atoms, 2, 4 or 7, ", C,
              "], got ", features.sizes());
  const int64_t rows = weight_rows(features.size(1));
  TORCH_CHECK(harmonics.sizes() == at::IntArrayRef({n_edges, N_HARMONICS}), NAME,
              ": expected harmonics [", n_edges, ", 4], got ", harmonics.sizes());
  TORCH_CHECK(own.sizes() == at::IntArrayRef({rows, C}), NAME, ": expected own weights [", rows,
              ", ", C, "], got ", own.sizes());
  if (weights.defined()) {
    TORCH_CHECK(weights.sizes() == at::IntArrayRef({n_edges, rows, C}), NAME,
                ": expected weights [", n_edges, ", ", rows, ", ", C, "], got ", weights.sizes());
  } else {
    TORCH_CHECK(radial.dim() == 1 && radial.size(0) == n_edges && table.dim() == 3 &&
                    table.size(0) > 3 && table.size(1) == rows && table.size(2) == C,
                NAME, ": expected radial [", n_edges, "] and a table [intervals + 3, ", rows, ", ",
                C, "], got ", radial.sizes(), " and ", table.sizes());
  }
  for (const auto &other : {features, harmonics, weights, radial, table, own})
    TORCH_CHECK(!other.defined() || other.scalar_type() == query.scalar_type(), NAME,
                ": expected one precision, got ", query.scalar_type(), " and ",
                other.defined() ? other.scalar_type() : at::kFloat);
}

template <class S> const S *pointer(const Tensor &tensor)
{
  return tensor.defined() ? tensor.data_ptr<S>() : nullptr;
}

template <class S>
EtAttentionJob<S> make_job(const Inputs &in, const EdgeOrder &order, int64_t heads)
{
  EtAttentionJob<S> job = {};
  job.first = order.first.data();
  job.edge = order.edge.data();
  job.neighbor = order.neighbor.data();
  job.channels = in.query.size(1);
  job.rows_in = in.features.size(1);
  job.rows = weight_rows(job.rows_in);
  job.heads = static_cast<int>(heads);
  job.query = pointer<S>(in.query);
  job.features = pointer<S>(in.features);
  job.harmonics = pointer<S>(in.harmonics);
  job.weights = pointer<S>(in.weights);
  job.radial = pointer<S>(in.radial);
  job.table = pointer<S>(in.table);
  job.own = pointer<S>(in.own);
  job.intervals = in.table.defined() ? static_cast<int>(in.table.size(0) - 3) : 0;
  return job;
}

template <class S> Pair run_forward(const Tensor &query, const Tensor &features,
                                    const Tensor &harmonics, const Tensor &weights,
                                    const Tensor &radial, const Tensor &table, const Tensor &own,
                                    const Tensor &edge_index, int64_t heads)
{
  const auto &kernel = kernels<S>(query.size(1));
  const Inputs in(query, features, harmonics, weights, radial, table, own,
                  std::max<int64_t>(kernel.lanes, heads));
  const int64_t n_centers = query.size(0);
  const EdgeOrder order(NAME, edge_index, n_centers, features.size(0));
  auto job = make_job<S>(in, order, heads);
  const Tensor scalars = at::empty({n_centers, job.channels}, query.options());
  const Tensor vectors =
      at::empty({with_vectors(n_centers, job.rows_in), 3, job.channels}, query.options());
  job.scalars = scalars.data_ptr<S>();
  job.vectors = vectors.data_ptr<S>();
  at::parallel_for(0, n_centers, 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.forward(job, begin, end, scratch.aligned());
  });
  return {cut(scalars, query.size(1)), cut(vectors, query.size(1))};
}

// Shares of the work for each thread: all at once for one, else centres, then neighbours.
template <class Run>
void share_out(const EdgeOrder &order, int64_t n_centers, int64_t n_all, Run run)
{
  if (at::get_num_threads() == 1) {
    run({0, n_centers, 0, n_all, true, true});
    return;
  }
  at::parallel_for(0, n_centers, 1,
                   [&](int64_t begin, int64_t end) { run({begin, end, 0, 0, true, false}); });
  const auto bounds = order.ranges(at::get_num_threads(), 0, order.n_centers(), n_all);
  at::parallel_for(0, static_cast<int64_t>(bounds.size()) - 1, 1, [&](int64_t from, int64_t to) {
    run({0, n_centers, bounds[from], bounds[to], false, true});
  });
}

// Gradients of query, features, harmonics, and weights or radial.
template <class S> Pieces run_backward(const Tensor &grad_scalars, const Tensor &grad_vectors,
                                       const Tensor &query, const Tensor &features,
                                       const Tensor &harmonics, const Tensor &weights,
                                       const Tensor &radial, const Tensor &table, const Tensor &own,
                                       const Tensor &edge_index, int64_t heads)
{
  const auto &kernel = kernels<S>(query.size(1));
  const auto multiple = std::max<int64_t>(kernel.lanes, heads), C = query.size(1);
  const Inputs in(query, features, harmonics, weights, radial, table, own, multiple);
  const int64_t n_all = features.size(0), n_centers = query.size(0);
  const EdgeOrder order(NAME, edge_index, n_centers, n_all);
  auto job = make_job<S>(in, order, heads);
  const Tensor of_scalars = filled(grad_scalars, multiple),
               of_vectors = filled(grad_vectors, multiple);
  const Tensor dq = at::zeros_like(in.query), dx = at::zeros_like(in.features);
  const Tensor dy = at::empty_like(in.harmonics);
  Tensor dw, dr;
  job.grad_scalars = of_scalars.data_ptr<S>();
  job.grad_vectors = of_vectors.data_ptr<S>();
  job.grad_query = dq.data_ptr<S>();
  job.grad_features = dx.data_ptr<S>();
  job.grad_harmonics = dy.data_ptr<S>();
  if (weights.defined()) {
    dw = at::empty_like(in.weights);
    job.grad_weights = dw.data_ptr<S>();
  } else {
    dr = at::empty_like(in.radial);
    job.grad_radial = dr.data_ptr<S>();
  }
  share_out(order, n_centers, n_all, [&](const EtShare &share) {
    const Scratch scratch(kernel.scratch_bytes(job));
    kernel.backward(job, share, scratch.aligned());
  });
  return {cut(dq, C), cut(dx, C), dy, weights.defined() ? cut(dw, C) : dr};
}

Pair forward_cpu(const Tensor &query, const Tensor &features, const Tensor &harmonics,
                 const Tensor &weights, const Tensor &radial, const Tensor &table,
                 const Tensor &own, const Tensor &edge_index, int64_t heads)
{
  check(query, features, harmonics, weights, radial, table, own, edge_index, heads);
  Pair out;
  AT_DISPATCH_FLOATING_TYPES(query.scalar_type(), NAME, [&] {
    out = run_forward<scalar_t>(query, features, harmonics, weights, radial, table, own, edge_index,
                                heads);
  });
  return out;
}

void check_gradients(const Tensor &grad_scalars, const Tensor &grad_vectors, const Tensor &query,
                     const Tensor &features)
{
  const int64_t n = query.size(0), C = query.size(1), n_v = with_vectors(n, features.size(1));
  TORCH_CHECK(grad_scalars.sizes() == at::IntArrayRef({n, C}) &&
                  grad_vectors.sizes() == at::IntArrayRef({n_v, 3, C}) &&
                  grad_scalars.scalar_type() == query.scalar_type() &&
                  grad_vectors.scalar_type() == query.scalar_type(),
              NAME, ": expected gradients [", n, ", ", C, "] and [", n_v, ", 3, ", C, "] of ",
              query.scalar_type(), ", got ", grad_scalars.sizes(), " and ", grad_vectors.sizes(),
              " of ", grad_scalars.scalar_type());
}

Pieces backward_cpu(const Tensor &grad_scalars, const Tensor &grad_vectors, const Tensor &query,
                    const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                    const Tensor &radial, const Tensor &table, const Tensor &own,
                    const Tensor &edge_index, int64_t heads)
{
  check(query, features, harmonics, weights, radial, table, own, edge_index, heads);
  check_gradients(grad_scalars, grad_vectors, query, features);
  Pieces pieces;
  AT_DISPATCH_FLOATING_TYPES(query.scalar_type(), NAME, [&] {
    pieces = run_backward<scalar_t>(grad_scalars, grad_vectors, query, features, harmonics, weights,
                                    radial, table, own, edge_index, heads);
  });
  return pieces;
}

using Second = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

template <class S> Second run_second(const Tensor &grad_scalars, const Tensor &grad_vectors,
                                     const Tensor &query, const Tensor &features,
                                     const Tensor &harmonics, const Tensor &weights,
                                     const Tensor &along_query, const Tensor &along_features,
                                     const Tensor &along_harmonics, const Tensor &along_weights,
                                     const Tensor &edge_index, int64_t heads)
{
  const auto &kernel = kernels<S>(query.size(1));
  const auto multiple = std::max<int64_t>(kernel.lanes, heads), C = query.size(1);
  const auto none = at::zeros({weight_rows(features.size(1)), query.size(1)}, query.options());
  const Inputs in(query, features, harmonics, weights, {}, {}, none, multiple);
  const Inputs along(along_query, along_features, along_harmonics, along_weights, {}, {}, none,
                     multiple);
  const int64_t n_all = features.size(0), n_centers = query.size(0);
  const EdgeOrder order(NAME, edge_index, n_centers, n_all);
  auto job = make_job<S>(in, order, heads);
  const Tensor of_scalars = filled(grad_scalars, multiple),
               of_vectors = filled(grad_vectors, multiple);
  const Tensor scalars = at::zeros_like(of_scalars), vectors = at::zeros_like(of_vectors);
  const Tensor dq = at::zeros_like(in.query), dx = at::zeros_like(in.features);
  const Tensor dw = at::empty_like(in.weights);
  job.grad_scalars = of_scalars.data_ptr<S>();
  job.grad_vectors = of_vectors.data_ptr<S>();
  job.along_query = along.query.data_ptr<S>();
  job.along_features = along.features.data_ptr<S>();
  job.along_harmonics = along.harmonics.data_ptr<S>();
  job.along_weights = along.weights.data_ptr<S>();
  job.scalars = scalars.data_ptr<S>();
  job.vectors = vectors.data_ptr<S>();
  job.grad_query = dq.data_ptr<S>();
  job.grad_features = dx.data_ptr<S>();
  job.grad_weights = dw.data_ptr<S>();
  share_out(order, n_centers, n_all,
            [&](const EtShare &share) { kernel.second(job, share, nullptr); });
  return {cut(scalars, C), cut(vectors, C), cut(dq, C), cut(dx, C), cut(dw, C)};
}

// Derivatives of the gradients of query, features, harmonics and weights, contracted with cotangents
// of them: by the gradients of scalars and vectors, by query, features and weights. Atoms' edges to
// themselves are left out: `own` of the operator is zero.
Second second_cpu(const Tensor &grad_scalars, const Tensor &grad_vectors, const Tensor &query,
                  const Tensor &features, const Tensor &harmonics, const Tensor &weights,
                  const Tensor &along_query, const Tensor &along_features,
                  const Tensor &along_harmonics, const Tensor &along_weights,
                  const Tensor &edge_index, int64_t heads)
{
  TORCH_CHECK(query.dim() == 2 && features.dim() == 3, NAME,
              "_second: expected a query [centres, channels] and features [atoms, rows, channels], "
              "got ",
              query.sizes(), " and ", features.sizes());
  check(query, features, harmonics, weights, {}, {},
        at::zeros({weight_rows(features.size(1)), query.size(1)}, query.options()), edge_index,
        heads);
  for (const auto &[along, of] :
       {std::tie(along_query, query), std::tie(along_features, features),
        std::tie(along_harmonics, harmonics), std::tie(along_weights, weights)})
    TORCH_CHECK(along.sizes() == of.sizes() && along.scalar_type() == of.scalar_type(), NAME,
                "_second: expected cotangents like what they belong to, got ", along.sizes(),
                " for ", of.sizes());
  check_gradients(grad_scalars, grad_vectors, query, features);
  Second found;
  AT_DISPATCH_FLOATING_TYPES(query.scalar_type(), NAME, [&] {
    found = run_second<scalar_t>(grad_scalars, grad_vectors, query, features, harmonics, weights,
                                 along_query, along_features, along_harmonics, along_weights,
                                 edge_index, heads);
  });
  return found;
}

Pair attention_cpu(const Tensor &query, const Tensor &features, const Tensor &harmonics,
                   const Tensor &weights, const Tensor &own, const Tensor &edge_index,
                   int64_t heads)
{
  return forward_cpu(query, features, harmonics, weights, {}, {}, own, edge_index, heads);
}

Pair tabulated_cpu(const Tensor &query, const Tensor &features, const Tensor &harmonics,
                   const Tensor &radial, const Tensor &table, const Tensor &own,
                   const Tensor &edge_index, int64_t heads)
{
  return forward_cpu(query, features, harmonics, {}, radial, table, own, edge_index, heads);
}

Pieces attention_backward_cpu(const Tensor &grad_scalars, const Tensor &grad_vectors,
                              const Tensor &query, const Tensor &features, const Tensor &harmonics,
                              const Tensor &weights, const Tensor &own, const Tensor &edge_index,
                              int64_t heads)
{
  return backward_cpu(grad_scalars, grad_vectors, query, features, harmonics, weights, {}, {}, own,
                      edge_index, heads);
}

Pieces tabulated_backward_cpu(const Tensor &grad_scalars, const Tensor &grad_vectors,
                              const Tensor &query, const Tensor &features, const Tensor &harmonics,
                              const Tensor &radial, const Tensor &table, const Tensor &own,
                              const Tensor &edge_index, int64_t heads)
{
  return backward_cpu(grad_scalars, grad_vectors, query, features, harmonics, {}, radial, table,
                      own, edge_index, heads);
}

// The same of operators that have derivatives: scalars and vectors.
variable_list composed(const Tensor &query, const Tensor &features, const Tensor &harmonics,
                       const Tensor &weights, const Tensor &own, const Tensor &edge_index,
                       int64_t heads)
{
  const int64_t n = query.size(0), F = query.size(1), rows = features.size(1);
  const auto loops = at::arange(n, edge_index.options()).expand({2, n});
  const auto edges = at::cat({edge_index, loops}, 1);
  const auto all_weights = at::cat({weights, own.unsqueeze(0).expand({n, -1, -1})});
  const auto centers = edges[0], neighbors = edges[1];
  const auto of = [&](int64_t row) {
    return features.select(1, row).index_select(0, neighbors);
  };
  const auto z = (query.index_select(0, centers) * of(ET_KEY) * all_weights.select(1, ET_KEY))
                     .view({-1, F / heads, heads})
                     .sum(1);
  const auto c = at::silu(z).unsqueeze(1).expand({-1, F / heads, heads}).reshape({-1, F});
  const auto sum = [&](const Tensor &messages) {
    auto shape = messages.sizes().vec();
    shape[0] = n;
    return at::zeros(shape, messages.options()).index_add(0, centers, messages);
  };
  const auto scalars = sum(c * of(ET_SCALAR) * all_weights.select(1, ET_SCALAR));
  if (rows == ET_SCALARS_ONLY) return {scalars, at::empty({0, 3, F}, query.options())};
  // An atom's edge to itself has no direction.
  const auto directions =
      at::cat({harmonics.narrow(1, 1, 3), at::zeros({n, 3}, harmonics.options())}).unsqueeze(2);
  auto vectors = directions * (of(ET_ALONG_R) * all_weights.select(1, ET_ALONG_R)).unsqueeze(1);
  if (rows == ET_WITH_VECTORS)
    vectors = vectors + features.narrow(1, ET_VECTORS, 3).index_select(0, neighbors) *
                            (of(ET_ALONG_V) * all_weights.select(1, ET_ALONG_V)).unsqueeze(1);
  return {scalars, sum(vectors)};
}

class Attention : public torch::autograd::Function<Attention> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &query,
                               const Tensor &features, const Tensor &harmonics,
                               const Tensor &weights, const Tensor &own, const Tensor &edge_index,
                               int64_t heads)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({query, features, harmonics, weights, own, edge_index});
    context->saved_data["heads"] = heads;
    const auto [scalars, vectors] = call<decltype(attention_cpu)>(
        "egraff::et_attention", query, features, harmonics, weights, own, edge_index, heads);
    return {scalars, vectors};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    // The kernels have no gradient of `own`.
    if (context->needs_input_grad(4)) {
      const at::AutoGradMode record(true);
      const auto inputs = aliases({saved[0], saved[1], saved[2], saved[3], saved[4]});
      const auto again =
          composed(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], saved[5], heads);
      const auto found = gradients_of(again, gradients, inputs);
      return {found[0], found[1], found[2], found[3], found[4], {}, {}};
    }
    const auto [dq, dx, dy, dw] = call<decltype(attention_backward_cpu)>(
        "egraff::et_attention_backward", gradients[0], gradients[1], saved[0], saved[1], saved[2],
        saved[3], saved[4], saved[5], heads);
    return {dq, dx, dy, dw, {}, {}, {}};
  }
};

class AttentionBackward : public torch::autograd::Function<AttentionBackward> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &grad_scalars,
                               const Tensor &grad_vectors, const Tensor &query,
                               const Tensor &features, const Tensor &harmonics,
                               const Tensor &weights, const Tensor &own, const Tensor &edge_index,
                               int64_t heads)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward(
        {grad_scalars, grad_vectors, query, features, harmonics, weights, own, edge_index});
    context->saved_data["heads"] = heads;
    context->saved_data["own"] = at::count_nonzero(own).item<int64_t>() > 0;
    const auto [dq, dx, dy, dw] = call<decltype(attention_backward_cpu)>(
        "egraff::et_attention_backward", grad_scalars, grad_vectors, query, features, harmonics,
        weights, own, edge_index, heads);
    return {dq, dx, dy, dw};
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    refuse_third_derivative(NAME);
    const auto saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    if (!context->needs_input_grad(4) && !context->saved_data["own"].toBool()) {
      const auto [ds, dv, dq, dx, dw] = call<decltype(second_cpu)>(
          "egraff::et_attention_second", saved[0], saved[1], saved[2], saved[3], saved[4], saved[5],
          cotangents[0], cotangents[1], cotangents[2], cotangents[3], saved[7], heads);
      return {ds, dv, dq, dx, {}, dw, {}, {}, {}};
    }
    const at::AutoGradMode record(true);
    variable_list inputs;
    for (size_t k = 0; k < 6; ++k) inputs.push_back(saved[k].detach().requires_grad_(true));
    const auto again =
        composed(inputs[2], inputs[3], inputs[4], inputs[5], saved[6], saved[7], heads);
    const auto first =
        gradients_of(again, {inputs[0], inputs[1]}, {inputs[2], inputs[3], inputs[4], inputs[5]});
    const auto found = gradients_of(first, cotangents, inputs);
    return {found[0], found[1], found[2], found[3], found[4], found[5], {}, {}, {}};
  }
};

Pieces attention_backward(const Tensor &grad_scalars, const Tensor &grad_vectors,
                          const Tensor &query, const Tensor &features, const Tensor &harmonics,
                          const Tensor &weights, const Tensor &own, const Tensor &edge_index,
                          int64_t heads)
{
  const auto found = AttentionBackward::apply(grad_scalars, grad_vectors, query, features,
                                              harmonics, weights, own, edge_index, heads);
  return {found[0], found[1], found[2], found[3]};
}

class TabulatedAttention : public torch::autograd::Function<TabulatedAttention> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &query,
                               const Tensor &features, const Tensor &harmonics,
                               const Tensor &radial, const Tensor &table, const Tensor &own,
                               const Tensor &edge_index, int64_t heads)
  {
    require_constant(NAME, table);
    require_constant(NAME, own);
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({query, features, harmonics, radial, table, own, edge_index});
    context->saved_data["heads"] = heads;
    const auto [scalars, vectors] =
        call<decltype(tabulated_cpu)>("egraff::tabulated_et_attention", query, features, harmonics,
                                      radial, table, own, edge_index, heads);
    return {scalars, vectors};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    if (at::GradMode::is_enabled()) {
      const auto inputs = aliases({saved[0], saved[1], saved[2], saved[3]});
      const auto again = composed(inputs[0], inputs[1], inputs[2], read_spline(inputs[3], saved[4]),
                                  saved[5], saved[6], context->saved_data["heads"].toInt());
      const auto found = gradients_of(again, gradients, inputs);
      return {found[0], found[1], found[2], found[3], {}, {}, {}, {}};
    }
    const auto [dq, dx, dy, dr] = call<decltype(tabulated_backward_cpu)>(
        "egraff::tabulated_et_attention_backward", gradients[0], gradients[1], saved[0], saved[1],
        saved[2], saved[3], saved[4], saved[5], saved[6], context->saved_data["heads"].toInt());
    return {dq, dx, dy, dr, {}, {}, {}, {}};
  }
};

Pair attention(const Tensor &query, const Tensor &features, const Tensor &harmonics,
               const Tensor &weights, const Tensor &own, const Tensor &edge_index, int64_t heads)
{
  const auto found = Attention::apply(query, features, harmonics, weights, own, edge_index, heads);
  return {found[0], found[1]};
}

Pair tabulated(const Tensor &query, const Tensor &features, const Tensor &harmonics,
               const Tensor &radial, const Tensor &table, const Tensor &own,
               const Tensor &edge_index, int64_t heads)
{
  const auto found =
      TabulatedAttention::apply(query, features, harmonics, radial, table, own, edge_index, heads);
  return {found[0], found[1]};
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("et_attention(Tensor query, Tensor features, Tensor harmonics, Tensor weights, "
              "Tensor own, Tensor edge_index, int heads) -> (Tensor scalars, Tensor vectors)");
  library.def("et_attention_backward(Tensor grad_scalars, Tensor grad_vectors, Tensor query, "
              "Tensor features, Tensor harmonics, "
              "Tensor weights, Tensor own, Tensor edge_index, int heads) -> (Tensor, Tensor, "
              "Tensor, Tensor)");
  library.def(
      "et_attention_second(Tensor grad_scalars, Tensor grad_vectors, Tensor query, Tensor "
      "features, Tensor harmonics, Tensor weights, Tensor along_query, Tensor "
      "along_features, Tensor along_harmonics, Tensor along_weights, Tensor edge_index, int "
      "heads) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  library.def("tabulated_et_attention(Tensor query, Tensor features, Tensor harmonics, Tensor "
              "radial, Tensor table, Tensor own, Tensor edge_index, int heads) -> (Tensor scalars, "
              "Tensor vectors)");
  library.def("tabulated_et_attention_backward(Tensor grad_scalars, Tensor grad_vectors, Tensor "
              "query, Tensor features, Tensor "
              "harmonics, Tensor radial, Tensor table, Tensor own, Tensor edge_index, int heads) "
              "-> (Tensor, Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("et_attention", &egraff::attention_cpu);
  library.impl("et_attention_backward", &egraff::attention_backward_cpu);
  library.impl("et_attention_second", &egraff::second_cpu);
  library.impl("tabulated_et_attention", &egraff::tabulated_cpu);
  library.impl("tabulated_et_attention_backward", &egraff::tabulated_backward_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("et_attention", &egraff::attention);
  library.impl("et_attention_backward", &egraff::attention_backward);
  library.impl("tabulated_et_attention", &egraff::tabulated);
}
