// The inner loops of the symmetric contraction, compiled once for each instruction set.
//
// Channels are in the lanes. A register of channels at a time passes over all atoms of a type, so
// that its coefficients, copied side by side, stay in the first-level cache; ATOMS atoms share each
// coefficient that is loaded, and each step through the tree of terms.
//
// Forward, for each output: out = sum over i of x_i (c_i + sum over j of x_j (c_ij + sum over k of
// x_k c_ijk)). Backward, with C the sum over the outputs of g times their coefficients of a
// monomial: dx_k += C_ijk x_i x_j, and so on down the tree of all outputs together.
//
// Second derivatives, with D m = u_i x_j x_k + x_i u_j x_k + x_i x_j u_k of a monomial m along u: the
// gradient of a coefficient is g D m, that of g is the sum over the terms of c D m, and that of x is
// the sum over the monomials of C times the gradient of D m.

#include "contraction_job.h"
#include "simd.h"

namespace egraff {
namespace EGRAFF_ISA {
namespace {

constexpr int ATOMS = 4;

// ATOMS registers, one for each atom of a group.
template <class S> struct Group {
  Vector<S> of[ATOMS];

  [[gnu::always_inline]] static Group zero() { return {}; }
  [[gnu::always_inline]] static Group at(const S *row)
  {
    Group group;
    unroll<ATOMS>([&](auto a) { group.of[a] = load<S>(row + a * LANES<S>); });
    return group;
  }
  [[gnu::always_inline]] void to(S *row) const
  {
    unroll<ATOMS>([&](auto a) { store<S>(row + a * LANES<S>, of[a]); });
  }
  [[gnu::always_inline]] void add(const Group &left, const Group &right)
  {
    unroll<ATOMS>([&](auto a) { of[a] += left.of[a] * right.of[a]; });
  }
  [[gnu::always_inline]] void add(Vector<S> left, const Group &right)
  {
    unroll<ATOMS>([&](auto a) { of[a] += left * right.of[a]; });
  }
  [[gnu::always_inline]] void add(Vector<S> all)
  {
    unroll<ATOMS>([&](auto a) { of[a] += all; });
  }
  [[gnu::always_inline]] void add(const Group &other)
  {
    unroll<ATOMS>([&](auto a) { of[a] += other.of[a]; });
  }
};

// Memory of a thread: coefficients of one type and register of channels, rows of a group of atoms.
template <class S> struct Scratch {
  static constexpr int W = LANES<S>;
  static constexpr int STEP = W * ATOMS;    // from one row of a group to the next
  S *coefficients, *x, *dx, *result;

  static int64_t bytes(const ContractionJob<S> &job)
  {
    return int64_t(sizeof(S)) *
           (int64_t(job.forward.n_terms) * W + (2 * job.rows_in + job.rows_out) * STEP);
  }

  Scratch(const ContractionJob<S> &job, void *memory)
  {
    coefficients = static_cast<S *>(memory);
    x = coefficients + int64_t(job.forward.n_terms) * W;
    dx = x + job.rows_in * STEP;
    result = dx + job.rows_in * STEP;
  }

  [[gnu::always_inline]] Vector<S> coefficient(int place) const
  {
    return load<S>(coefficients + int64_t(place) * W);
  }
};

// `width` channels, the rest of the register zero.
template <class S> [[gnu::always_inline]] inline void copy(S *to, const S *from, int width)
{
  constexpr int W = LANES<S>;
  if (width == W) {
    store<S>(to, load<S>(from));
    return;
  }
  for (int k = 0; k < W; ++k) to[k] = k < width ? from[k] : S(0);
}

template <class S> [[gnu::always_inline]] inline void copy_out(S *to, const S *from, int width)
{
  if (width == LANES<S>) {
    store<S>(to, load<S>(from));
    return;
  }
  for (int k = 0; k < width; ++k) to[k] = from[k];
}

// Where a group's rows lie; a group at the end repeats its last atom.
struct Atoms {
  int64_t of[ATOMS];
  int n;
};

inline Atoms group_of(const int *atom, int64_t at, int64_t end)
{
  Atoms atoms;
  atoms.n = end - at < ATOMS ? int(end - at) : ATOMS;
  for (int a = 0; a < ATOMS; ++a) atoms.of[a] = atom[at + (a < atoms.n ? a : atoms.n - 1)];
  return atoms;
}

template <class S> void gather(S *to, const S *from, const Atoms &atoms, int64_t rows,
                               int64_t channels, int64_t channel, int width)
{
  for (int a = 0; a < ATOMS; ++a) {
    const S *row = from + atoms.of[a] * rows * channels + channel;
    for (int64_t r = 0; r < rows; ++r)
      copy<S>(to + (r * ATOMS + a) * LANES<S>, row + r * channels, width);
  }
}

template <class S> void scatter(S *to, const S *from, const Atoms &atoms, int64_t rows,
                                int64_t channels, int64_t channel, int width)
{
  for (int a = 0; a < atoms.n; ++a) {
    S *row = to + atoms.of[a] * rows * channels + channel;
    for (int64_t r = 0; r < rows; ++r)
      copy_out<S>(row + r * channels, from + (r * ATOMS + a) * LANES<S>, width);
  }
}

template <class S> void forward_group(const ForwardProgram &program, const Scratch<S> &scratch)
{
  constexpr int STEP = Scratch<S>::STEP;
  const auto row = [&](int r) {
    return Group<S>::at(scratch.x + int64_t(r) * STEP);
  };
  for (int o = 0; o < program.n_outputs; ++o) {
    const auto &output = program.outputs[o];
    auto total = Group<S>::zero();
    for (int s = output.single_begin; s < output.single_end; ++s) {
      const auto &single = program.singles[s];
      auto first = Group<S>::zero();
      for (int t = single.own_begin; t < single.own_end; ++t) first.add(scratch.coefficient(t));
      for (int p = single.pair_begin; p < single.pair_end; ++p) {
        const auto &pair = program.pairs[p];
        auto second = Group<S>::zero();
        for (int t = pair.own_begin; t < pair.own_end; ++t) second.add(scratch.coefficient(t));
        for (int t = pair.cubic_begin; t < pair.cubic_end; ++t)
          second.add(scratch.coefficient(t), row(program.factor[t]));
        first.add(second, row(pair.j));
      }
      total.add(first, row(single.i));
    }
    total.to(scratch.result + int64_t(output.row) * STEP);
  }
}

template <class S> void backward_group(const BackwardProgram &program, const Scratch<S> &scratch)
{
  constexpr int STEP = Scratch<S>::STEP;
  const auto row = [&](int r) {
    return Group<S>::at(scratch.x + int64_t(r) * STEP);
  };
  // Sum over outputs of their gradient times their coefficient of one monomial.
  const auto together = [&](int begin, int end) {
    auto sum = Group<S>::zero();
    for (int t = begin; t < end; ++t)
      sum.add(scratch.coefficient(t),
              Group<S>::at(scratch.result + int64_t(program.output[t]) * STEP));
    return sum;
  };
  const auto add_to = [&](int r, const Group<S> &left, const Group<S> &right) {
    S *to = scratch.dx + int64_t(r) * STEP;
    auto sum = Group<S>::at(to);
    sum.add(left, right);
    sum.to(to);
  };
  for (int s = 0; s < program.n_singles; ++s) {
    const auto &single = program.singles[s];
    const auto xi = row(single.i);
    auto first = together(single.own_begin, single.own_end);
    for (int p = single.pair_begin; p < single.pair_end; ++p) {
      const auto &pair = program.pairs[p];
      const auto xj = row(pair.j);
      auto product = Group<S>::zero();
      product.add(xi, xj);
      auto second = together(pair.own_begin, pair.own_end);
      for (int c = pair.cubic_begin; c < pair.cubic_end; ++c) {
        const auto &cubic = program.cubics[c];
        const auto sum = together(cubic.own_begin, cubic.own_end);
        second.add(sum, row(cubic.k));
        add_to(cubic.k, sum, product);
      }
      first.add(second, xj);
      add_to(pair.j, second, xi);
    }
    S *to = scratch.dx + int64_t(single.i) * STEP;
    auto sum = Group<S>::at(to);
    sum.add(first);
    sum.to(to);
  }
}

// Calls work(atoms, channel, width) for every group in begin .. end - 1 and register of channels,
// with the coefficients of its type in scratch; place p has those of term order[p], or of p.
template <class S, class Work> void for_groups(const ContractionJob<S> &job, int64_t begin,
                                               int64_t end, const int *order,
                                               const Scratch<S> &scratch, Work work)
{
  constexpr int W = LANES<S>;
  const int n_terms = job.forward.n_terms;
  for (int type = 0; type < job.n_types; ++type) {
    const int64_t from = job.first[type] > begin ? job.first[type] : begin;
    const int64_t to = job.first[type + 1] < end ? job.first[type + 1] : end;
    if (from >= to) continue;
    for (int64_t channel = 0; channel < job.channels; channel += W) {
      const int width = job.channels - channel < W ? int(job.channels - channel) : W;
      const S *given = job.coefficients + int64_t(type) * n_terms * job.channels + channel;
      for (int p = 0; p < n_terms; ++p)
        copy<S>(scratch.coefficients + int64_t(p) * W,
                given + int64_t(order ? order[p] : p) * job.channels, width);
      for (int64_t at = from; at < to; at += ATOMS)
        work(group_of(job.atom, at, to), channel, width);
    }
  }
}

template <class S>
void forward(const ContractionJob<S> &job, int64_t begin, int64_t end, void *memory)
{
  const Scratch<S> scratch(job, memory);
  for (int64_t k = 0; k < job.rows_out * Scratch<S>::STEP; ++k) scratch.result[k] = 0;
  for_groups(job, begin, end, job.forward.term, scratch,
             [&](const Atoms &atoms, int64_t channel, int width) {
               gather(scratch.x, job.features, atoms, job.rows_in, job.channels, channel, width);
               forward_group(job.forward, scratch);
               scatter(job.out, scratch.result, atoms, job.rows_out, job.channels, channel, width);
             });
}

template <class S>
void backward(const ContractionJob<S> &job, int64_t begin, int64_t end, void *memory)
{
  const Scratch<S> scratch(job, memory);
  for_groups(
      job, begin, end, nullptr, scratch, [&](const Atoms &atoms, int64_t channel, int width) {
        gather(scratch.x, job.features, atoms, job.rows_in, job.channels, channel, width);
        gather(scratch.result, job.grad, atoms, job.rows_out, job.channels, channel, width);
        for (int64_t k = 0; k < job.rows_in * Scratch<S>::STEP; ++k) scratch.dx[k] = 0;
        backward_group(job.backward, scratch);
        scatter(job.grad_features, scratch.dx, atoms, job.rows_in, job.channels, channel, width);
      });
}

// Memory of a thread for `second`.
template <class S> struct SecondScratch {
  static constexpr int W = LANES<S>, STEP = Scratch<S>::STEP;
  S *coefficients, *of_coefficients, *x, *u, *dx, *grad, *result;

  static int64_t bytes(const ContractionJob<S> &job)
  {
    return int64_t(sizeof(S)) *
           (2 * int64_t(job.forward.n_terms) * W + (3 * job.rows_in + 2 * job.rows_out) * STEP);
  }

  SecondScratch(const ContractionJob<S> &job, void *memory)
  {
    coefficients = static_cast<S *>(memory);
    of_coefficients = coefficients + int64_t(job.forward.n_terms) * W;
    x = of_coefficients + int64_t(job.forward.n_terms) * W;
    u = x + job.rows_in * STEP;
    dx = u + job.rows_in * STEP;
    grad = dx + job.rows_in * STEP;
    result = grad + job.rows_out * STEP;
  }
};

template <class S, bool ALONG>
void second_group(const BackwardProgram &program, const SecondScratch<S> &scratch)
{
  constexpr int STEP = Scratch<S>::STEP, W = LANES<S>;
  const auto at = [](S *rows, int r) {
    return Group<S>::at(rows + int64_t(r) * STEP);
  };
  const auto add_to = [](S *rows, int r, const Group<S> &left, const Group<S> &right) {
    S *to = rows + int64_t(r) * STEP;
    auto sum = Group<S>::at(to);
    sum.add(left, right);
    sum.to(to);
  };
  // Terms of one monomial, given the number that stands beside their coefficients. The sum over the
  // outputs of their gradient times the coefficient.
  const auto terms = [&](int begin, int end, const Group<S> &m) {
    auto sum = Group<S>::zero();
    for (int t = begin; t < end; ++t) {
      const auto g = at(scratch.grad, program.output[t]);
      S *to = scratch.of_coefficients + int64_t(t) * W;
      Vector<S> own = load<S>(to);
      unroll<ATOMS>([&](auto a) { own += g.of[a] * m.of[a]; });
      store<S>(to, own);
      if constexpr (ALONG) {
        const auto c = load<S>(scratch.coefficients + int64_t(t) * W);
        sum.add(c, g);
        S *out = scratch.result + int64_t(program.output[t]) * STEP;
        auto total = Group<S>::at(out);
        total.add(c, m);
        total.to(out);
      }
    }
    return sum;
  };
  const auto product = [](const Group<S> &left, const Group<S> &right) {
    auto result = Group<S>::zero();
    result.add(left, right);
    return result;
  };
  for (int s = 0; s < program.n_singles; ++s) {
    const auto &single = program.singles[s];
    const auto xi = at(scratch.x, single.i);
    const auto ui = ALONG ? at(scratch.u, single.i) : xi;
    terms(single.own_begin, single.own_end, ui);
    for (int p = single.pair_begin; p < single.pair_end; ++p) {
      const auto &pair = program.pairs[p];
      const auto xj = at(scratch.x, pair.j);
      const auto xx = product(xi, xj);
      if constexpr (ALONG) {
        const auto uj = at(scratch.u, pair.j);
        auto along = product(ui, xj);
        along.add(xi, uj);
        auto by_x = terms(pair.own_begin, pair.own_end, along), by_u = Group<S>::zero();
        for (int c = pair.cubic_begin; c < pair.cubic_end; ++c) {
          const auto &cubic = program.cubics[c];
          const auto xk = at(scratch.x, cubic.k), uk = at(scratch.u, cubic.k);
          auto m = product(along, xk);
          m.add(xx, uk);
          const auto sum = terms(cubic.own_begin, cubic.own_end, m);
          by_x.add(sum, xk);
          by_u.add(sum, uk);
          add_to(scratch.dx, cubic.k, sum, along);
        }
        add_to(scratch.dx, single.i, by_x, uj);
        add_to(scratch.dx, single.i, by_u, xj);
        add_to(scratch.dx, pair.j, by_x, ui);
        add_to(scratch.dx, pair.j, by_u, xi);
      } else {
        terms(pair.own_begin, pair.own_end, xx);
        for (int c = pair.cubic_begin; c < pair.cubic_end; ++c) {
          const auto &cubic = program.cubics[c];
          terms(cubic.own_begin, cubic.own_end, product(xx, at(scratch.x, cubic.k)));
        }
      }
    }
  }
}

template <class S>
void second(const ContractionJob<S> &job, int64_t begin, int64_t end, void *memory)
{
  constexpr int W = LANES<S>, STEP = Scratch<S>::STEP;
  const SecondScratch<S> scratch(job, memory);
  const int n_terms = job.backward.n_terms;
  for (int type = 0; type < job.n_types; ++type)
    for (int64_t channel = begin * W; channel < end * W && channel < job.channels; channel += W) {
      const int width = job.channels - channel < W ? int(job.channels - channel) : W;
      const int64_t place = int64_t(type) * n_terms * job.channels + channel;
      for (int t = 0; t < n_terms; ++t) {
        copy<S>(scratch.coefficients + int64_t(t) * W,
                job.coefficients + place + int64_t(t) * job.channels, width);
        store<S>(scratch.of_coefficients + int64_t(t) * W, Vector<S>{});
      }
      for (int64_t at = job.first[type]; at < job.first[type + 1]; at += ATOMS) {
        const auto atoms = group_of(job.atom, at, job.first[type + 1]);
        gather(scratch.x, job.features, atoms, job.rows_in, job.channels, channel, width);
        gather(scratch.grad, job.grad, atoms, job.rows_out, job.channels, channel, width);
        // Atoms that only fill the group must not be counted.
        for (int a = atoms.n; a < ATOMS; ++a)
          for (int64_t r = 0; r < job.rows_out; ++r)
            store<S>(scratch.grad + r * STEP + a * W, Vector<S>{});
        if (!job.along) {
          second_group<S, false>(job.backward, scratch);
          continue;
        }
        gather(scratch.u, job.along, atoms, job.rows_in, job.channels, channel, width);
        for (int64_t k = 0; k < job.rows_in * STEP; ++k) scratch.dx[k] = 0;
        for (int64_t k = 0; k < job.rows_out * STEP; ++k) scratch.result[k] = 0;
        second_group<S, true>(job.backward, scratch);
        scatter(job.grad_features, scratch.dx, atoms, job.rows_in, job.channels, channel, width);
        scatter(job.out, scratch.result, atoms, job.rows_out, job.channels, channel, width);
      }
      for (int t = 0; t < n_terms; ++t)
        copy_out<S>(job.grad_coefficients + place + int64_t(t) * job.channels,
                    scratch.of_coefficients + int64_t(t) * W, width);
    }
}

}    // namespace

extern const ContractionKernels<float> contraction_float;
extern const ContractionKernels<double> contraction_double;
const ContractionKernels<float> contraction_float = {
    Scratch<float>::bytes,       forward<float>, backward<float>,
    SecondScratch<float>::bytes, second<float>,  LANES<float>};
const ContractionKernels<double> contraction_double = {
    Scratch<double>::bytes,       forward<double>, backward<double>,
    SecondScratch<double>::bytes, second<double>,  LANES<double>};

}    // namespace EGRAFF_ISA
}    // namespace egraff
