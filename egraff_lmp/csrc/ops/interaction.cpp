// egraff::interaction: one layer of messages between atoms, gate and exchange included, which keeps
// its input and nothing else.
//
//   x = gate(features)                                          (gate.cpp; where there are parts)
//   y = exchange(up(x))                                         (node_linear.cpp, exchange.cpp)
//   out = down(convolution(y, harmonics, weights)) + skip(x)    (convolution_linear.cpp)
//
// The features are those of local atoms where the layer exchanges, else those of all atoms; the
// result is that of local atoms. A linear map is [weights, transposed weights] and its blocks, by
// type where there is more than one set of weights; an empty list is no map.
//
// The backward pass computes x and y anew, with the rows of ghosts kept from the forward pass: of all
// that a network of such layers computes, the input of each is what stays in memory. From
// EGRAFF_RECOMPUTE_ATOMS local atoms on (an environment variable, 100 000), the input of every second
// layer does not stay either: it is the result of the layer before, and is computed anew from that
// one's input.
//
// It is made of the other operators through the dispatcher: another device that has those registers
// the same function.

#include "exchange_rows.h"
#include "operator.h"
#include "spline_weights.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace egraff {
namespace {

using Tensors = at::TensorList;
using Integers = at::IntArrayRef;

// Atoms a thread whose gates and linear maps are computed together, in the cache.
constexpr int64_t ATOMS = 512;
constexpr int64_t RECOMPUTE_ATOMS = 100000;

int64_t recompute_atoms()
{
  const char *text = std::getenv("EGRAFF_RECOMPUTE_ATOMS");
  if (!text || !*text) return RECOMPUTE_ATOMS;
  char *end = nullptr;
  const auto atoms = std::strtoll(text, &end, 10);
  TORCH_CHECK(*end == 0 && atoms >= 0,
              "egraff: expected a number of atoms in EGRAFF_RECOMPUTE_ATOMS, got ", text);
  return atoms;
}

Tensor gated(const Tensor &features, Integers parts, at::ArrayRef<double> scales)
{
  if (parts.empty()) return features;
  return call<Tensor(const Tensor &, Integers, at::ArrayRef<double>)>("egraff::gate", features,
                                                                      parts, scales);
}

// A linear map of atoms' features.
struct Map {
  Tensor weights, transposed;
  std::vector<int64_t> blocks;
  int64_t rows;

  Map(const Tensor &w, const Tensor &t, Integers b, int64_t n) :
      weights(w), transposed(t), blocks(b.vec()), rows(n)
  {}

  Maybe types_of(const Tensor &types, int64_t n) const
  {
    return weights.size(0) > 1 ? Maybe(types.narrow(0, 0, n)) : std::nullopt;
  }

  Tensor operator()(const Tensor &x, const Tensor &types) const
  {
    return call<Tensor(const Tensor &, const Tensor &, const Maybe &, Integers, int64_t, int64_t,
                       const Maybe &, const Maybe &)>("egraff::node_linear", x, weights,
                                                      types_of(types, x.size(0)), blocks, rows,
                                                      x.size(2), given(transposed), Maybe());
  }

  Tensor backward(const Tensor &grad, const Tensor &types, int64_t rows_in) const
  {
    return call<Tensor(const Tensor &, const Tensor &, const Maybe &, Integers, int64_t, int64_t,
                       const Maybe &)>("egraff::node_linear_backward", grad, weights,
                                       types_of(types, grad.size(0)), blocks, rows_in, grad.size(2),
                                       given(transposed));
  }
};

Map map_of(const char *name, Tensors matrices, Integers blocks, int64_t rows)
{
  TORCH_CHECK(matrices.size() == 2 && matrices[0].dim() == 2 && matrices[0].size(0) > 0,
              "egraff::interaction: expected weights [types, numbers] and the same transposed for ",
              name, ", got ", matrices.size(), " tensors");
  return {matrices[0], matrices[1], blocks, rows};
}

// A tensor [atoms, rows, channels] that is filled piece by piece; one that comes as a whole is taken.
class Rows {
 public:
  Rows(int64_t n, int64_t rows, int64_t channels, const Tensor &like) :
      shape_({n, rows, channels}), like_(like)
  {}

  void set(int64_t first, const Tensor &piece)
  {
    if (piece.sizes() == at::IntArrayRef(shape_)) {
      tensor_ = piece;
      return;
    }
    if (!tensor_.defined()) tensor_ = at::empty(shape_, like_.options());
    tensor_.narrow(0, first, piece.size(0)).copy_(piece);
  }

  Tensor tensor() const { return tensor_.defined() ? tensor_ : at::empty(shape_, like_.options()); }

 private:
  std::vector<int64_t> shape_;
  const Tensor &like_;
  Tensor tensor_;
};

// What a layer is, but for its features.
struct Layer : torch::CustomClassHolder {
  Tensor harmonics, weights, radial, table, edge_index, types;
  int64_t n_local;
  std::vector<int64_t> gate;
  std::vector<double> gate_scales;
  ExchangeHost *host;    // null: nothing is exchanged
  Map up;
  std::vector<int64_t> paths;
  Map down;
  std::optional<Map> skip;

  Layer(const Tensor &harmonics_, const Maybe &weights_, const Maybe &radial_, const Maybe &table_,
        const Tensor &edge_index_, const Tensor &types_, int64_t n_local_, Integers gate_,
        at::ArrayRef<double> scales_, bool exchanges, const Map &up_, Integers paths_,
        const Map &down_, std::optional<Map> skip_) :
      harmonics(harmonics_), weights(value_of(weights_)), radial(value_of(radial_)),
      table(value_of(table_)), edge_index(edge_index_), types(types_), n_local(n_local_),
      gate(gate_.vec()), gate_scales(scales_.vec()),
      host(exchanges ? current_exchange_host() : nullptr), up(up_), paths(paths_.vec()),
      down(down_), skip(std::move(skip_))
  {}

  // Calls visit(first, count) for atoms 0 .. n - 1 in pieces.
  template <class Visit> static void in_pieces(int64_t n, Visit visit)
  {
    const int64_t most = ATOMS * at::get_num_threads();
    for (int64_t first = 0; first < n; first += most) visit(first, std::min(most, n - first));
  }

  Tensor types_of(int64_t first, int64_t count) const { return types.narrow(0, first, count); }

  // Before the convolution: up(x) of all atoms, and skip(x) of local ones.
  struct Sources {
    Tensor up;
    Maybe skip;
  };

  // `ghosts` are rows that were exchanged before; undefined, they are exchanged now.
  Sources sources(const Tensor &features, const Tensor &ghosts, bool want_skip) const
  {
    const int64_t n = features.size(0), C = features.size(2);
    const int64_t n_rows = host ? host->n_all() : n;
    TORCH_CHECK(!host || n == host->n_local(), "egraff::interaction: expected the features of ", n,
                " local atoms, got ", host ? host->n_local() : 0);
    Rows ups(n_rows, up.rows, C, features), skips(n_local, down.rows, C, features);
    in_pieces(n, [&](int64_t first, int64_t count) {
      const auto x = gated(features.narrow(0, first, count), gate, gate_scales);
      ups.set(first, up(x, types_of(first, count)));
      const int64_t local = std::min(count, n_local - first);
      if (skip && want_skip && local > 0)
        skips.set(first, (*skip)(x.narrow(0, 0, local), types_of(first, local)));
    });
    Sources result = {ups.tensor(), std::nullopt};
    if (skip && want_skip) result.skip = skips.tensor();
    if (!host) return result;
    if (ghosts.defined())
      result.up.narrow(0, n, n_rows - n).copy_(ghosts);
    else
      fill_ghosts(result.up, host);
    return result;
  }

  Tensor forward(const Tensor &features, const Sources &from) const
  {
    return call<Tensor(const Tensor &, const Tensor &, const Maybe &, const Maybe &, const Maybe &,
                       const Tensor &, int64_t, Integers, const Tensor &, const Maybe &, Integers,
                       int64_t, const Maybe &)>(
        "egraff::convolution_linear", from.up, harmonics, given(weights), given(radial),
        given(table), edge_index, n_local, paths, down.weights, down.types_of(types, n_local),
        down.blocks, down.rows, from.skip);
  }

  struct Result {
    Tensor out, ghosts;    // rows of ghosts after the exchange, undefined without
  };

  Result forward(const Tensor &features) const
  {
    const auto from = sources(features, {}, true);
    Tensor ghosts;
    if (host) ghosts = from.up.narrow(0, n_local, from.up.size(0) - n_local).clone();
    return {forward(features, from), ghosts};
  }

  // The result again; with the rows of ghosts no rank waits for another.
  Tensor again(const Tensor &features, const Tensor &ghosts) const
  {
    return forward(features, sources(features, ghosts, true));
  }

  struct Gradients {
    Tensor features, harmonics, radial;    // the last of weights, where they are given
  };

  Gradients backward(const Tensor &grad, const Tensor &features, const Tensor &ghosts,
                     bool want_features) const
  {
    Tensor y = sources(features, ghosts, false).up;
    auto [dy, dh, dr] = call<std::tuple<Tensor, Tensor, Tensor>(
        const Tensor &, const Tensor &, const Tensor &, const Maybe &, const Maybe &, const Maybe &,
        const Tensor &, Integers, const Tensor &, const Maybe &, Integers, bool)>(
        "egraff::convolution_linear_backward", grad, y, harmonics, given(weights), given(radial),
        given(table), edge_index, paths, down.transposed, down.types_of(types, n_local),
        down.blocks, want_features);
    y = Tensor();
    if (!want_features) return {{}, dh, dr};
    if (host) sum_ghosts(dy, host);
    Rows result(features.size(0), features.size(1), features.size(2), features);
    in_pieces(features.size(0), [&](int64_t first, int64_t count) {
      const auto part = features.narrow(0, first, count);
      const int64_t rows = gate.empty() ? part.size(1) : gated_rows();
      auto dx = up.backward(dy.narrow(0, first, count), types_of(first, count), rows);
      const int64_t local = std::min(count, n_local - first);
      if (skip && local > 0)
        dx.narrow(0, 0, local)
            .add_(skip->backward(grad.narrow(0, first, local), types_of(first, local), rows));
      if (!gate.empty())
        dx = call<Tensor(const Tensor &, const Tensor &, Integers, at::ArrayRef<double>)>(
            "egraff::gate_backward", dx, part, gate, gate_scales);
      result.set(first, dx);
    });
    return {result.tensor(), dh, dr};
  }

  // The result by operators that have derivatives: for second ones. Collective where the layer
  // exchanges, forward and backward.
  //
  //   inputs: features, harmonics, weights and radial.
  Tensor composed(const variable_list &inputs) const
  {
    const auto x = gated(inputs[0], gate, gate_scales);
    const auto y = exchanged(up(x, types), host);
    const auto w = inputs[2].defined() ? inputs[2] : read_spline(inputs[3], table);
    const auto sums =
        call<Tensor(const Tensor &, const Tensor &, const Tensor &, const Tensor &, int64_t,
                    Integers)>("egraff::convolution", y, inputs[1], w, edge_index, n_local, paths);
    const auto out = down(sums, types);
    return skip ? out + (*skip)(x.narrow(0, 0, n_local), types) : out;
  }

  // A part of the gate is four integers, the third of which counts its rows.
  int64_t gated_rows() const
  {
    int64_t rows = 0;
    for (size_t k = 2; k < gate.size(); k += 4) rows += gate[k];
    return rows;
  }
};

using LayerPointer = c10::intrusive_ptr<Layer>;

class Interaction : public torch::autograd::Function<Interaction> {
 public:
  // Harmonics, weights and radial are those of the layer, for autograd to see. `before` is the node
  // that the features came from, if that is one of these and has kept its own input.
  static Tensor forward(AutogradContext *context, const Tensor &features, const Tensor &,
                        const Maybe &, const Maybe &, const LayerPointer &layer,
                        AutogradContext *before)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto [out, ghosts] = layer->forward(features);
    context->saved_data["layer"] = c10::IValue::make_capsule(layer);
    if (!before) {
      context->save_for_backward({features, ghosts});
      return out;
    }
    const auto saved = before->get_saved_variables();
    context->save_for_backward({Tensor(), ghosts, saved[FEATURES], saved[GHOSTS]});
    context->saved_data["before"] = before->saved_data["layer"];
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    const auto &layer = layer_of(context, "layer");
    if (at::GradMode::is_enabled()) {
      TORCH_CHECK(
          saved[FEATURES].defined(),
          "egraff::interaction: expected inputs that were kept for a second derivative: set "
          "EGRAFF_RECOMPUTE_ATOMS above the number of atoms");
      const auto inputs = aliases({saved[FEATURES], layer.harmonics, layer.weights, layer.radial});
      const auto found = gradients_of({layer.composed(inputs)}, gradients, inputs);
      return {found[0], found[1], found[2], found[3], {}, {}};
    }
    const auto features =
        saved[FEATURES].defined()
            ? saved[FEATURES]
            : layer_of(context, "before").again(saved[FEATURES_BEFORE], saved[GHOSTS_BEFORE]);
    const auto found = layer.backward(gradients[0].contiguous(), features, saved[GHOSTS],
                                      context->needs_input_grad(0));
    const bool tabulated = layer.radial.defined();
    return {found.features,
            found.harmonics,
            tabulated ? Tensor() : found.radial,
            tabulated ? found.radial : Tensor(),
            {},
            {}};
  }

  // The context of the layer whose result this is, if that has kept its input.
  static AutogradContext *kept_before(const Tensor &features)
  {
    auto *node = dynamic_cast<torch::autograd::CppNode<Interaction> *>(features.grad_fn().get());
    if (!node || node->ctx_.saved_data.count("before")) return nullptr;
    return &node->ctx_;
  }

 private:
  // Places among the saved tensors.
  static constexpr int FEATURES = 0, GHOSTS = 1, FEATURES_BEFORE = 2, GHOSTS_BEFORE = 3;

  // The capsule in the context owns the layer.
  static const Layer &layer_of(AutogradContext *context, const char *name)
  {
    return static_cast<const Layer &>(*context->saved_data[name].toCapsule());
  }
};

LayerPointer make_layer(const Tensor &features, const Tensor &harmonics, const Maybe &weights,
                        const Maybe &radial, const Maybe &table, const Tensor &edge_index,
                        const Tensor &types, int64_t n_local, Integers gate,
                        at::ArrayRef<double> gate_scales, bool exchanges, Tensors up,
                        Integers up_blocks, int64_t up_rows, Integers paths, Tensors down,
                        Integers down_blocks, int64_t down_rows, Tensors skip, Integers skip_blocks)
{
  TORCH_CHECK(features.dim() == 3 && types.dim() == 1 && n_local >= 0 &&
                  n_local <= features.size(0) && features.size(0) <= types.size(0),
              "egraff::interaction: expected features [atoms, rows, channels] of at least ",
              n_local, " atoms whose types are there, got ", features.sizes(), " and types ",
              types.sizes());
  for (const auto &list : {up, down, skip})
    for (const auto &tensor : list)
      TORCH_CHECK(!tensor.requires_grad(), "egraff::interaction: expected constant weights: "
                                           "training takes the operators that it is made of");
  std::optional<Map> added;
  if (!skip.empty()) added = map_of("skip", skip, skip_blocks, down_rows);
  return c10::make_intrusive<Layer>(harmonics, weights, radial, table, edge_index, types, n_local,
                                    gate, gate_scales, exchanges,
                                    map_of("up", up, up_blocks, up_rows), paths,
                                    map_of("down", down, down_blocks, down_rows), added);
}

Tensor plain(const Tensor &features, const Tensor &harmonics, const Maybe &weights,
             const Maybe &radial, const Maybe &table, const Tensor &edge_index, const Tensor &types,
             int64_t n_local, Integers gate, at::ArrayRef<double> gate_scales, bool exchanges,
             Tensors up, Integers up_blocks, int64_t up_rows, Integers paths, Tensors down,
             Integers down_blocks, int64_t down_rows, Tensors skip, Integers skip_blocks)
{
  return make_layer(features, harmonics, weights, radial, table, edge_index, types, n_local, gate,
                    gate_scales, exchanges, up, up_blocks, up_rows, paths, down, down_blocks,
                    down_rows, skip, skip_blocks)
      ->forward(features)
      .out;
}

Tensor differentiable(const Tensor &features, const Tensor &harmonics, const Maybe &weights,
                      const Maybe &radial, const Maybe &table, const Tensor &edge_index,
                      const Tensor &types, int64_t n_local, Integers gate,
                      at::ArrayRef<double> gate_scales, bool exchanges, Tensors up,
                      Integers up_blocks, int64_t up_rows, Integers paths, Tensors down,
                      Integers down_blocks, int64_t down_rows, Tensors skip, Integers skip_blocks)
{
  const auto layer = make_layer(features, harmonics, weights, radial, table, edge_index, types,
                                n_local, gate, gate_scales, exchanges, up, up_blocks, up_rows,
                                paths, down, down_blocks, down_rows, skip, skip_blocks);
  auto *before = n_local >= recompute_atoms() ? Interaction::kept_before(features) : nullptr;
  return Interaction::apply(features, harmonics, weights, radial, layer, before);
}

}    // namespace
}    // namespace egraff

// Conservative alias analysis for the exchange inside: no pass of the TorchScript compiler may drop,
// merge or reorder calls that are collective over ranks.
TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def(torch::schema(
      "egraff::interaction(Tensor features, Tensor harmonics, Tensor? weights, Tensor? radial, "
      "Tensor? table, Tensor edge_index, Tensor types, int n_local, int[] gate, float[] "
      "gate_scales, bool exchanges, Tensor[] up, int[] up_blocks, int up_rows, int[] paths, "
      "Tensor[] down, int[] down_blocks, int down_rows, Tensor[] skip, int[] skip_blocks) -> "
      "Tensor",
      c10::AliasAnalysisKind::CONSERVATIVE));
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("interaction", &egraff::plain);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("interaction", &egraff::differentiable);
}
