// The inner loops of ET's attention, compiled once for each instruction set.
//
// Channels are in the lanes, and channel u belongs to head u % heads: a register holds all heads
// once or several times, or NZ registers hold them once, and sums within heads need at most a few
// shuffles an edge. With the query q and, of the neighbour, key k, values s, a, b and vectors v,
// and w a weight of the edge for each of them:
//
//   z = sum within a head of q k w_k,   c = silu(z)
//   scalars += c s w_s,   vectors[m] += v[m] a w_a + n[m] b w_b
//
// with the direction n, which an atom's edge to itself does not have.
//
// Second derivatives: D is the derivative along the cotangents of the gradients of all inputs. The
// derivative by the gradient of a result is D of the result, and that by an input is D of the input's
// gradient.

#include "et_attention_job.h"
#include "exponential.h"
#include "simd.h"
#include "spline.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

// Registers with one number a head.
template <class S, int NZ> struct Heads {
  Vector<S> of[NZ];
};

template <class S, int STEP, int... I>
[[gnu::always_inline]] inline Vector<S> rotated(Vector<S> v, Sequence<I...>)
{
  return shuffled<S, ((I + STEP) % LANES<S>)...>(v);
}

// Where a register holds every head several times: their sums, in all places.
template <class S> [[gnu::always_inline]] inline Vector<S> folded(Vector<S> z, int heads)
{
  unroll<4>([&](auto power) {
    constexpr int STEP = 1 << power.value;
    if constexpr (STEP < LANES<S>)
      if (STEP >= heads) z += rotated<S, STEP>(z, typename MakeSequence<LANES<S>>::type{});
  });
  return z;
}

template <class S, int NZ> [[gnu::always_inline]] inline void fold(Heads<S, NZ> &z, int heads)
{
  if constexpr (NZ == 1) z.of[0] = folded<S>(z.of[0], heads);
}

// What is read and written for one edge.
template <class S> struct Edge {
  const S *query, *x, *w;
  const S *direction;    // three numbers, or null
  const S *grad, *grad_vectors;
};

template <class S, int NZ> [[gnu::noinline]] void
forward_edge(const EtAttentionJob<S> &job, const Edge<S> &edge, S *scalars, S *vectors)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  Heads<S, NZ> c = {};
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      c.of[k] += load<S>(edge.query + at) * load<S>(edge.x + at) * load<S>(edge.w + at);
    });
  fold<S, NZ>(c, job.heads);
  unroll<NZ>([&](auto k) { c.of[k] *= logistic<S>(c.of[k]); });
  const S *s = edge.x + ET_SCALAR * F, *w_s = edge.w + ET_SCALAR * F;
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      const Vector<S> message = c.of[k] * load<S>(s + at) * load<S>(w_s + at);
      store<S>(scalars + at, load<S>(scalars + at) + message);
    });
  if (job.rows == ET_SCALARS_ONLY) return;
  const bool carries = job.rows_in == ET_WITH_VECTORS;
  const S *a = edge.x + ET_ALONG_V * F, *w_a = edge.w + ET_ALONG_V * F;
  const S *b = edge.x + ET_ALONG_R * F, *w_b = edge.w + ET_ALONG_R * F;
  const S *v = edge.x + ET_VECTORS * F;
  for (int64_t at = 0; at < F; at += W) {
    Vector<S> sum[3];
    unroll<3>([&](auto m) { sum[m] = load<S>(vectors + m * F + at); });
    if (carries) {
      const Vector<S> along = load<S>(a + at) * load<S>(w_a + at);
      unroll<3>([&](auto m) { sum[m] += load<S>(v + m * F + at) * along; });
    }
    if (edge.direction) {
      const Vector<S> along = load<S>(b + at) * load<S>(w_b + at);
      unroll<3>([&](auto m) { sum[m] += edge.direction[m] * along; });
    }
    unroll<3>([&](auto m) { store<S>(vectors + m * F + at, sum[m]); });
  }
}

// c and dz of an edge: the attention, and the gradient of what it is the silu of.
template <class S, int NZ> [[gnu::noinline]] void
activate(const EtAttentionJob<S> &job, const Edge<S> &edge, Heads<S, NZ> &c, Heads<S, NZ> &dz)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  const S *s = edge.x + ET_SCALAR * F, *w_s = edge.w + ET_SCALAR * F;
  Heads<S, NZ> z = {}, dc = {};
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      z.of[k] += load<S>(edge.query + at) * load<S>(edge.x + at) * load<S>(edge.w + at);
      dc.of[k] += load<S>(edge.grad + at) * load<S>(s + at) * load<S>(w_s + at);
    });
  fold<S, NZ>(z, job.heads);
  fold<S, NZ>(dc, job.heads);
  unroll<NZ>([&](auto k) {
    const Vector<S> p = logistic<S>(z.of[k]);
    c.of[k] = z.of[k] * p;
    dz.of[k] = dc.of[k] * p * (S(1) + z.of[k] * (S(1) - p));
  });
}

// What the components of a gradient make with those of vectors v, and with the direction.
template <class S> struct Along {
  Vector<S> v, r;

  [[gnu::always_inline]] Along(const Edge<S> &edge, int64_t F, int64_t at, bool carries)
  {
    const S *grad = edge.grad_vectors + at;
    v = r = Vector<S>{};
    if (carries)
      unroll<3>([&](auto m) {
        v += load<S>(grad + m * F) * load<S>(edge.x + (ET_VECTORS + m) * F + at);
      });
    if (edge.direction) unroll<3>([&](auto m) { r += load<S>(grad + m * F) * edge.direction[m]; });
  }
};

// Adds to dq (channels); sets dw (rows, channels) and, where there is a direction, dn (3).
template <class S, int NZ>
[[gnu::noinline]] void backward_center(const EtAttentionJob<S> &job, const Edge<S> &edge,
                                       const Heads<S, NZ> &c, const Heads<S, NZ> &dz, S *dq, S *dw,
                                       S *dn)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  const bool carries = job.rows_in == ET_WITH_VECTORS;
  Vector<S> direction[3] = {};
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      const auto x = [&](int row) {
        return load<S>(edge.x + row * F + at);
      };
      const auto w = [&](int row) {
        return load<S>(edge.w + row * F + at);
      };
      const auto set = [&](int row, Vector<S> value) {
        store<S>(dw + row * F + at, value);
      };
      const Vector<S> key = dz.of[k] * x(ET_KEY);
      store<S>(dq + at, load<S>(dq + at) + key * w(ET_KEY));
      set(ET_KEY, key * load<S>(edge.query + at));
      set(ET_SCALAR, c.of[k] * load<S>(edge.grad + at) * x(ET_SCALAR));
      if (job.rows == ET_SCALARS_ONLY) return;
      const Along<S> along(edge, F, at, carries);
      set(ET_ALONG_V, along.v * x(ET_ALONG_V));
      set(ET_ALONG_R, along.r * x(ET_ALONG_R));
      const Vector<S> b = x(ET_ALONG_R) * w(ET_ALONG_R);
      unroll<3>([&](auto m) { direction[m] += b * load<S>(edge.grad_vectors + m * F + at); });
    });
  if (edge.direction)
    for (int m = 0; m < 3; ++m) dn[m] = sum_of_lanes<S>(direction[m]);
}

// Adds to dx (rows_in, channels).
template <class S, int NZ>
[[gnu::noinline]] void backward_neighbor(const EtAttentionJob<S> &job, const Edge<S> &edge,
                                         const Heads<S, NZ> &c, const Heads<S, NZ> &dz, S *dx)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  const bool carries = job.rows_in == ET_WITH_VECTORS;
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      const auto w = [&](int row) {
        return load<S>(edge.w + row * F + at);
      };
      const auto add = [&](int row, Vector<S> value) {
        store<S>(dx + row * F + at, load<S>(dx + row * F + at) + value);
      };
      add(ET_KEY, dz.of[k] * load<S>(edge.query + at) * w(ET_KEY));
      add(ET_SCALAR, c.of[k] * load<S>(edge.grad + at) * w(ET_SCALAR));
      if (job.rows == ET_SCALARS_ONLY) return;
      const Along<S> along(edge, F, at, carries);
      if (edge.direction) add(ET_ALONG_R, along.r * w(ET_ALONG_R));
      if (!carries) return;
      add(ET_ALONG_V, along.v * w(ET_ALONG_V));
      const Vector<S> a = load<S>(edge.x + ET_ALONG_V * F + at) * w(ET_ALONG_V);
      unroll<3>([&](auto m) { add(ET_VECTORS + m, a * load<S>(edge.grad_vectors + m * F + at)); });
    });
}

// Weights of an edge, from the tensor or from the table.
template <class S> struct Weights {
  const EtAttentionJob<S> &job;
  S *value, *slope, *grad;    // rows of channels each

  static int64_t size(const EtAttentionJob<S> &job) { return job.rows * job.channels; }
  static int64_t bytes(const EtAttentionJob<S> &job) { return int64_t(sizeof(S)) * 3 * size(job); }

  Weights(const EtAttentionJob<S> &given, void *scratch) : job(given)
  {
    value = static_cast<S *>(scratch);
    slope = value + size(job);
    grad = slope + size(job);
  }

  template <bool SLOPE> const S *of(int edge) const
  {
    constexpr int W = LANES<S>;
    const int64_t n = size(job);
    if (job.weights) return job.weights + edge * n;
    Knot<S> knot;
    knot.find(job.radial[edge], job.intervals, n);
    const S *from = job.table + knot.at;
    for (int64_t k = 0; k < n; k += W) {
      // One product and three fused additions, whatever stands around them: passes with and without
      // slopes must find the same bits.
      Vector<S> sum = {}, derivative = {}, c[4];
      unroll<4>([&](auto i) {
        c[i] = load<S>(from + k + i * n);
        sum += knot.basis[i] * c[i];
      });
      if (SLOPE) unroll<3>([&](auto i) { derivative += knot.slope[i] * (c[i + 1] - c[i]); });
      store<S>(value + k, sum);
      if (SLOPE) store<S>(slope + k, derivative);
    }
    return value;
  }

  // Where the gradient of the weights goes.
  S *gradient(int edge) const
  {
    return job.grad_weights ? job.grad_weights + edge * size(job) : grad;
  }

  // The gradient by the distance is that of the weights times their slopes.
  void sum_slopes(int edge) const
  {
    constexpr int W = LANES<S>;
    if (!job.grad_radial) return;
    Vector<S> even = {}, odd = {};    // an even number of rows of whole registers
    for (int64_t k = 0; k < size(job); k += 2 * W) {
      even += load<S>(grad + k) * load<S>(slope + k);
      odd += load<S>(grad + k + W) * load<S>(slope + k + W);
    }
    job.grad_radial[edge] = sum_of_lanes<S>(even + odd);
  }
};

template <class S> const S *direction(const EtAttentionJob<S> &job, int edge)
{
  return job.harmonics + int64_t(edge) * 4 + 1;
}

template <class S, int NZ>
void forward_heads(const EtAttentionJob<S> &job, int64_t begin, int64_t end, void *scratch)
{
  const Weights<S> weights(job, scratch);
  const int64_t F = job.channels, size = job.rows_in * F;
  for (int64_t center = begin; center < end; ++center) {
    S *scalars = job.scalars + center * F, *vectors = job.vectors + center * 3 * F;
    for (int64_t k = 0; k < F; ++k) scalars[k] = 0;
    for (int64_t k = 0; job.rows != ET_SCALARS_ONLY && k < 3 * F; ++k) vectors[k] = 0;
    const S *query = job.query + center * F;
    for (int e = job.first[center]; e < job.first[center + 1]; ++e) {
      const int edge = job.edge[e];
      forward_edge<S, NZ>(job,
                          {query, job.features + job.neighbor[e] * size,
                           weights.template of<false>(edge), direction(job, edge), nullptr,
                           nullptr},
                          scalars, vectors);
    }
    const Edge<S> own = {query, job.features + center * size, job.own, nullptr, nullptr, nullptr};
    forward_edge<S, NZ>(job, own, scalars, vectors);
  }
}

template <class S, int NZ>
void backward_heads(const EtAttentionJob<S> &job, const EtShare &share, void *scratch)
{
  const Weights<S> weights(job, scratch);
  const int64_t F = job.channels, size = job.rows_in * F;
  const auto mine = [&](int64_t neighbor) {
    return share.of_neighbors && neighbor >= share.neighbors_begin &&
           neighbor < share.neighbors_end;
  };
  Heads<S, NZ> c, dz;
  for (int64_t center = share.centers_begin; center < share.centers_end; ++center) {
    const S *query = job.query + center * F, *grad = job.grad_scalars + center * F;
    const S *grad_vectors = job.grad_vectors + center * 3 * F;
    S *dq = job.grad_query + center * F;
    for (int e = job.first[center]; e < job.first[center + 1]; ++e) {
      const int edge = job.edge[e];
      const int64_t neighbor = job.neighbor[e];
      const bool owned = mine(neighbor);
      if (!share.of_centers && !owned) continue;
      const S *w =
          share.of_centers ? weights.template of<true>(edge) : weights.template of<false>(edge);
      const Edge<S> given = {
          query, job.features + neighbor * size, w, direction(job, edge), grad, grad_vectors};
      activate<S, NZ>(job, given, c, dz);
      if (share.of_centers) {
        S *dn = job.grad_harmonics + int64_t(edge) * 4;
        dn[0] = 0;
        backward_center<S, NZ>(job, given, c, dz, dq, weights.gradient(edge), dn + 1);
        weights.sum_slopes(edge);
      }
      if (owned) backward_neighbor<S, NZ>(job, given, c, dz, job.grad_features + neighbor * size);
    }
    const bool owned = mine(center);
    if (!share.of_centers && !owned) continue;
    const Edge<S> own = {query, job.features + center * size, job.own, nullptr, grad, grad_vectors};
    activate<S, NZ>(job, own, c, dz);
    if (share.of_centers) backward_center<S, NZ>(job, own, c, dz, dq, weights.grad, nullptr);
    if (owned) backward_neighbor<S, NZ>(job, own, c, dz, job.grad_features + center * size);
  }
}

// What the second derivatives take of an edge: cotangents beside what is given.
template <class S> struct SecondEdge {
  Edge<S> at;
  const S *query, *x, *w, *direction;    // cotangents
};

// Attention c and dz as in `activate`, and D of both.
template <class S, int NZ> struct SecondHeads {
  Heads<S, NZ> c, dz, along_c, along_dz;
};

template <class S, int NZ> [[gnu::noinline]] void
activate_second(const EtAttentionJob<S> &job, const SecondEdge<S> &edge, SecondHeads<S, NZ> &heads)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  Heads<S, NZ> z = {}, dc = {}, along_z = {}, along_dc = {};
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W, s = ET_SCALAR * F + at;
      const Vector<S> q = load<S>(edge.at.query + at), x = load<S>(edge.at.x + at);
      const Vector<S> w = load<S>(edge.at.w + at), g = load<S>(edge.at.grad + at);
      z.of[k] += q * x * w;
      along_z.of[k] += load<S>(edge.query + at) * x * w +
                       q * (load<S>(edge.x + at) * w + x * load<S>(edge.w + at));
      dc.of[k] += g * load<S>(edge.at.x + s) * load<S>(edge.at.w + s);
      along_dc.of[k] += g * (load<S>(edge.x + s) * load<S>(edge.at.w + s) +
                             load<S>(edge.at.x + s) * load<S>(edge.w + s));
    });
  fold<S, NZ>(z, job.heads);
  fold<S, NZ>(dc, job.heads);
  fold<S, NZ>(along_z, job.heads);
  fold<S, NZ>(along_dc, job.heads);
  unroll<NZ>([&](auto k) {
    const Vector<S> p = logistic<S>(z.of[k]), rest = S(1) - p;
    const Vector<S> slope = p * (S(1) + z.of[k] * rest);
    const Vector<S> second = p * rest * (S(2) + z.of[k] * (S(1) - S(2) * p));
    heads.c.of[k] = z.of[k] * p;
    heads.dz.of[k] = dc.of[k] * slope;
    heads.along_c.of[k] = slope * along_z.of[k];
    heads.along_dz.of[k] = along_dc.of[k] * slope + dc.of[k] * second * along_z.of[k];
  });
}

// Adds to scalars and vectors D of what the edge gives them, and to dq; sets dw.
template <class S, int NZ>
[[gnu::noinline]] void second_center(const EtAttentionJob<S> &job, const SecondEdge<S> &edge,
                                     const SecondHeads<S, NZ> &heads, S *scalars, S *vectors, S *dq,
                                     S *dw)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  const bool carries = job.rows_in == ET_WITH_VECTORS;
  const S *n = edge.at.direction, *along_n = edge.direction;
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      const auto x = [&](int row) {
        return load<S>(edge.at.x + row * F + at);
      };
      const auto w = [&](int row) {
        return load<S>(edge.at.w + row * F + at);
      };
      const auto dx = [&](int row) {
        return load<S>(edge.x + row * F + at);
      };
      const auto dw_along = [&](int row) {
        return load<S>(edge.w + row * F + at);
      };
      const auto set = [&](int row, Vector<S> value) {
        store<S>(dw + row * F + at, value);
      };
      const auto add = [&](S *to, Vector<S> value) {
        store<S>(to, load<S>(to) + value);
      };
      const Vector<S> q = load<S>(edge.at.query + at), along_q = load<S>(edge.query + at);
      const Vector<S> c = heads.c.of[k], dz = heads.dz.of[k];
      const Vector<S> along_c = heads.along_c.of[k], along_dz = heads.along_dz.of[k];
      const Vector<S> key = x(ET_KEY), w_key = w(ET_KEY), g = load<S>(edge.at.grad + at);
      add(dq + at, along_dz * key * w_key + dz * (dx(ET_KEY) * w_key + key * dw_along(ET_KEY)));
      set(ET_KEY, along_dz * q * key + dz * (along_q * key + q * dx(ET_KEY)));
      const Vector<S> s = x(ET_SCALAR), w_s = w(ET_SCALAR), along_s = dx(ET_SCALAR);
      set(ET_SCALAR, g * (along_c * s + c * along_s));
      add(scalars + at, along_c * s * w_s + c * (along_s * w_s + s * dw_along(ET_SCALAR)));
      if (job.rows == ET_SCALARS_ONLY) return;
      const Vector<S> b = x(ET_ALONG_R) * w(ET_ALONG_R);
      const Vector<S> along_b =
          dx(ET_ALONG_R) * w(ET_ALONG_R) + x(ET_ALONG_R) * dw_along(ET_ALONG_R);
      const Vector<S> a = x(ET_ALONG_V) * w(ET_ALONG_V);
      const Vector<S> along_a =
          dx(ET_ALONG_V) * w(ET_ALONG_V) + x(ET_ALONG_V) * dw_along(ET_ALONG_V);
      Vector<S> r = {}, along_r = {}, v = {}, along_v = {};
      unroll<3>([&](auto m) {
        const Vector<S> gv = load<S>(edge.at.grad_vectors + m * F + at);
        Vector<S> sum = along_n[m] * b + n[m] * along_b;
        r += gv * n[m];
        along_r += gv * along_n[m];
        if (carries) {
          sum += dx(ET_VECTORS + m) * a + x(ET_VECTORS + m) * along_a;
          v += gv * x(ET_VECTORS + m);
          along_v += gv * dx(ET_VECTORS + m);
        }
        add(vectors + m * F + at, sum);
      });
      set(ET_ALONG_R, along_r * x(ET_ALONG_R) + r * dx(ET_ALONG_R));
      set(ET_ALONG_V, along_v * x(ET_ALONG_V) + v * dx(ET_ALONG_V));
    });
}

// Adds to dx (rows_in, channels).
template <class S, int NZ>
[[gnu::noinline]] void second_neighbor(const EtAttentionJob<S> &job, const SecondEdge<S> &edge,
                                       const SecondHeads<S, NZ> &heads, S *to)
{
  constexpr int W = LANES<S>;
  const int64_t F = job.channels;
  const bool carries = job.rows_in == ET_WITH_VECTORS;
  const S *n = edge.at.direction, *along_n = edge.direction;
  for (int64_t u = 0; u < F; u += NZ * W)
    unroll<NZ>([&](auto k) {
      const int64_t at = u + k * W;
      const auto w = [&](int row) {
        return load<S>(edge.at.w + row * F + at);
      };
      const auto along_w = [&](int row) {
        return load<S>(edge.w + row * F + at);
      };
      const auto add = [&](int row, Vector<S> value) {
        store<S>(to + row * F + at, load<S>(to + row * F + at) + value);
      };
      const Vector<S> q = load<S>(edge.at.query + at), along_q = load<S>(edge.query + at);
      add(ET_KEY, heads.along_dz.of[k] * q * w(ET_KEY) +
                      heads.dz.of[k] * (along_q * w(ET_KEY) + q * along_w(ET_KEY)));
      add(ET_SCALAR, load<S>(edge.at.grad + at) *
                         (heads.along_c.of[k] * w(ET_SCALAR) + heads.c.of[k] * along_w(ET_SCALAR)));
      if (job.rows == ET_SCALARS_ONLY) return;
      Vector<S> r = {}, along_r = {}, v = {}, along_v = {};
      const Vector<S> a = load<S>(edge.at.x + ET_ALONG_V * F + at);
      const Vector<S> along_a =
          load<S>(edge.x + ET_ALONG_V * F + at) * w(ET_ALONG_V) + a * along_w(ET_ALONG_V);
      unroll<3>([&](auto m) {
        const Vector<S> gv = load<S>(edge.at.grad_vectors + m * F + at);
        r += gv * n[m];
        along_r += gv * along_n[m];
        if (carries) {
          const int64_t row = (ET_VECTORS + m) * F + at;
          v += gv * load<S>(edge.at.x + row);
          along_v += gv * load<S>(edge.x + row);
          add(ET_VECTORS + m, gv * along_a);
        }
      });
      add(ET_ALONG_R, along_r * w(ET_ALONG_R) + r * along_w(ET_ALONG_R));
      if (carries) add(ET_ALONG_V, along_v * w(ET_ALONG_V) + v * along_w(ET_ALONG_V));
    });
}

template <class S, int NZ>
void second_heads(const EtAttentionJob<S> &job, const EtShare &share, void *)
{
  const int64_t F = job.channels, size = job.rows_in * F, weights = job.rows * F;
  SecondHeads<S, NZ> heads;
  for (int64_t center = share.centers_begin; center < share.centers_end; ++center)
    for (int e = job.first[center]; e < job.first[center + 1]; ++e) {
      const int64_t edge = job.edge[e], neighbor = job.neighbor[e];
      const bool owned =
          share.of_neighbors && neighbor >= share.neighbors_begin && neighbor < share.neighbors_end;
      if (!share.of_centers && !owned) continue;
      const SecondEdge<S> given = {{job.query + center * F, job.features + neighbor * size,
                                    job.weights + edge * weights, job.harmonics + edge * 4 + 1,
                                    job.grad_scalars + center * F,
                                    job.grad_vectors + center * 3 * F},
                                   job.along_query + center * F,
                                   job.along_features + neighbor * size,
                                   job.along_weights + edge * weights,
                                   job.along_harmonics + edge * 4 + 1};
      activate_second<S, NZ>(job, given, heads);
      if (share.of_centers)
        second_center<S, NZ>(job, given, heads, job.scalars + center * F,
                             job.vectors + center * 3 * F, job.grad_query + center * F,
                             job.grad_weights + edge * weights);
      if (owned) second_neighbor<S, NZ>(job, given, heads, job.grad_features + neighbor * size);
    }
}

// Registers that hold all heads once.
template <class S> int head_registers(const EtAttentionJob<S> &job)
{
  return job.heads > LANES<S> ? job.heads / LANES<S> : 1;
}

template <class S>
void forward(const EtAttentionJob<S> &job, int64_t begin, int64_t end, void *scratch)
{
  switch (head_registers(job)) {
  case 1:
    return forward_heads<S, 1>(job, begin, end, scratch);
  case 2:
    return forward_heads<S, 2>(job, begin, end, scratch);
  case 4:
    return forward_heads<S, 4>(job, begin, end, scratch);
  default:
    return forward_heads<S, 8>(job, begin, end, scratch);
  }
}

template <class S> void backward(const EtAttentionJob<S> &job, const EtShare &share, void *scratch)
{
  switch (head_registers(job)) {
  case 1:
    return backward_heads<S, 1>(job, share, scratch);
  case 2:
    return backward_heads<S, 2>(job, share, scratch);
  case 4:
    return backward_heads<S, 4>(job, share, scratch);
  default:
    return backward_heads<S, 8>(job, share, scratch);
  }
}

template <class S> void second(const EtAttentionJob<S> &job, const EtShare &share, void *scratch)
{
  switch (head_registers(job)) {
  case 1:
    return second_heads<S, 1>(job, share, scratch);
  case 2:
    return second_heads<S, 2>(job, share, scratch);
  case 4:
    return second_heads<S, 4>(job, share, scratch);
  default:
    return second_heads<S, 8>(job, share, scratch);
  }
}

}    // namespace

extern const EtAttentionKernels<float> et_attention_float;
extern const EtAttentionKernels<double> et_attention_double;
const EtAttentionKernels<float> et_attention_float = {
    LANES<float>, Weights<float>::bytes, forward<float>, backward<float>, second<float>};
const EtAttentionKernels<double> et_attention_double = {
    LANES<double>, Weights<double>::bytes, forward<double>, backward<double>, second<double>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
