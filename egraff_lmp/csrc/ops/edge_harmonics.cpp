// egraff::edge_harmonics: real spherical harmonics and lengths of edge vectors.
//
// The harmonics are e3nn's with "component" normalisation (the sum of squares of degree l is
// 2 l + 1) of the direction, l = 0 .. l_max <= 3. Geometry is float64; the harmonics come out in the
// precision of the network.

#include "operator.h"

#include <cmath>

namespace egraff {
namespace {

constexpr int64_t L_MAX = 3, MAX_HARMONICS = (L_MAX + 1) * (L_MAX + 1);
constexpr int64_t GRAIN = 512;    // edges that are worth a thread

// A number and its derivative along a direction: arithmetic with it differentiates.
struct Dual {
  double value, along;

  Dual(double v = 0, double a = 0) : value(v), along(a) {}
};

Dual operator+(Dual a, Dual b)
{
  return {a.value + b.value, a.along + b.along};
}
Dual operator-(Dual a, Dual b)
{
  return {a.value - b.value, a.along - b.along};
}
Dual operator*(Dual a, Dual b)
{
  return {a.value * b.value, a.value * b.along + a.along * b.value};
}
Dual operator/(Dual a, Dual b)
{
  const double ratio = a.value / b.value;
  return {ratio, (a.along - ratio * b.along) / b.value};
}
Dual sqrt(Dual a)
{
  const double root = std::sqrt(a.value);
  return {root, 0.5 * a.along / root};
}
double value_of(double a)
{
  return a;
}
double value_of(Dual a)
{
  return a.value;
}

// Harmonics of the unit vector n = (x, y, z), and their derivatives by x, y and z as polynomials.
template <class R> void harmonics(const R *n, int l_max, R *value, R (*slope)[3])
{
  const R x = n[0], y = n[1], z = n[2];
  const auto set = [&](int k, R v, R dx, R dy, R dz) {
    value[k] = v;
    slope[k][0] = dx;
    slope[k][1] = dy;
    slope[k][2] = dz;
  };
  set(0, 1, 0, 0, 0);
  if (l_max < 1) return;
  const double a = std::sqrt(3.0);
  set(1, a * x, a, 0, 0);
  set(2, a * y, 0, a, 0);
  set(3, a * z, 0, 0, a);
  if (l_max < 2) return;
  const double b = std::sqrt(15.0), c = std::sqrt(5.0);
  set(4, b * x * z, b * z, 0, b * x);
  set(5, b * x * y, b * y, b * x, 0);
  set(6, c * (y * y - 0.5 * (x * x + z * z)), -c * x, 2 * c * y, -c * z);
  set(7, b * y * z, 0, b * z, b * y);
  set(8, 0.5 * b * (z * z - x * x), -b * x, 0, b * z);
  if (l_max < 3) return;
  const double d = std::sqrt(70.0) / 4, e = std::sqrt(105.0), f = std::sqrt(42.0) / 4,
               g = std::sqrt(7.0) / 2;
  const R xx = x * x, yy = y * y, zz = z * z;
  set(9, d * x * (3 * zz - xx), d * (3 * zz - 3 * xx), 0, 6 * d * x * z);
  set(10, e * x * y * z, e * y * z, e * x * z, e * x * y);
  set(11, f * x * (4 * yy - xx - zz), f * (4 * yy - 3 * xx - zz), 8 * f * x * y, -2 * f * x * z);
  set(12, g * y * (2 * yy - 3 * (xx + zz)), -6 * g * x * y, g * (6 * yy - 3 * (xx + zz)),
      -6 * g * y * z);
  set(13, f * z * (4 * yy - xx - zz), -2 * f * x * z, 8 * f * y * z, f * (4 * yy - xx - 3 * zz));
  set(14, 0.5 * e * y * (zz - xx), -e * x * y, 0.5 * e * (zz - xx), e * y * z);
  set(15, d * z * (zz - 3 * xx), -6 * d * x * z, 0, d * (3 * zz - 3 * xx));
}

template <class R> R unit_vector(const R *v, R *n)
{
  using std::sqrt;
  const R square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
  const R r = value_of(square) > 0 ? sqrt(square) : R(0);
  const R inverse = value_of(r) > 0 ? 1.0 / r : R(0);
  for (int k = 0; k < 3; ++k) n[k] = v[k] * inverse;
  return r;
}

// The gradient of sum over k of g[k] Y_k(v) + dr |v|: with n = v / r, (s - n (n . s)) / r + n dr,
// where s is that of the polynomials by n.
template <class R, class S>
void gradient(const R *v, const S *g, double dr, int l_max, int64_t width, R *out)
{
  R n[3], value[MAX_HARMONICS], slope[MAX_HARMONICS][3];
  const R r = unit_vector(v, n);
  harmonics(n, l_max, value, slope);
  R s[3] = {};
  for (int64_t k = 0; k < width; ++k)
    for (int a = 0; a < 3; ++a) s[a] = s[a] + static_cast<double>(g[k]) * slope[k][a];
  const R along = n[0] * s[0] + n[1] * s[1] + n[2] * s[2];
  for (int a = 0; a < 3; ++a)
    out[a] = (value_of(r) > 0 ? (s[a] - n[a] * along) / r : R(0)) + n[a] * dr;
}

void check(const Tensor &edge_vectors, int64_t l_max)
{
  TORCH_CHECK(edge_vectors.dim() == 2 && edge_vectors.size(1) == 3 &&
                  edge_vectors.scalar_type() == at::kDouble && l_max >= 0 && l_max <= L_MAX,
              "egraff::edge_harmonics: expected edge vectors [edges, 3] of float64 and degrees up "
              "to ",
              L_MAX, ", got ", edge_vectors.sizes(), " of ", edge_vectors.scalar_type(), " and ",
              l_max);
}

std::tuple<Tensor, Tensor> edge_harmonics_cpu(const Tensor &edge_vectors, int64_t l_max,
                                              at::ScalarType dtype)
{
  check(edge_vectors, l_max);
  const auto vectors = edge_vectors.contiguous();
  const int64_t n = vectors.size(0), width = (l_max + 1) * (l_max + 1);
  const auto values = at::empty({n, width}, vectors.options().dtype(dtype));
  const auto lengths = at::empty({n}, vectors.options());
  const auto *v = vectors.data_ptr<double>();
  auto *r = lengths.data_ptr<double>();
  AT_DISPATCH_FLOATING_TYPES(dtype, "egraff::edge_harmonics", [&] {
    auto *out = values.data_ptr<scalar_t>();
    at::parallel_for(0, n, GRAIN, [&](int64_t begin, int64_t end) {
      double unit[3], value[MAX_HARMONICS], slope[MAX_HARMONICS][3];
      for (int64_t e = begin; e < end; ++e) {
        r[e] = unit_vector(v + 3 * e, unit);
        harmonics(unit, static_cast<int>(l_max), value, slope);
        for (int64_t k = 0; k < width; ++k) out[e * width + k] = static_cast<scalar_t>(value[k]);
      }
    });
  });
  return {values, lengths};
}

void check_gradients(const Tensor &grad_harmonics, const Tensor &grad_lengths,
                     const Tensor &edge_vectors, int64_t l_max)
{
  TORCH_CHECK(
      grad_harmonics.dim() == 2 && grad_harmonics.size(0) == edge_vectors.size(0) &&
          grad_harmonics.size(1) == (l_max + 1) * (l_max + 1) && grad_lengths.dim() == 1 &&
          grad_lengths.size(0) == edge_vectors.size(0) && grad_lengths.scalar_type() == at::kDouble,
      "egraff::edge_harmonics_backward: expected gradients of the harmonics and lengths of ",
      edge_vectors.size(0), " edges, got ", grad_harmonics.sizes(), " and ", grad_lengths.sizes());
}

Tensor edge_harmonics_backward_cpu(const Tensor &grad_harmonics, const Tensor &grad_lengths,
                                   const Tensor &edge_vectors, int64_t l_max)
{
  check(edge_vectors, l_max);
  check_gradients(grad_harmonics, grad_lengths, edge_vectors, l_max);
  const auto vectors = edge_vectors.contiguous(), grads = grad_harmonics.contiguous(),
             by_length = grad_lengths.contiguous();
  const int64_t width = (l_max + 1) * (l_max + 1);
  const auto result = at::empty_like(vectors);
  const auto *v = vectors.data_ptr<double>(), *dr = by_length.data_ptr<double>();
  auto *out = result.data_ptr<double>();
  AT_DISPATCH_FLOATING_TYPES(grads.scalar_type(), "egraff::edge_harmonics_backward", [&] {
    const auto *g = grads.data_ptr<scalar_t>();
    at::parallel_for(0, vectors.size(0), GRAIN, [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e)
        gradient(v + 3 * e, g + e * width, dr[e], static_cast<int>(l_max), width, out + 3 * e);
    });
  });
  return result;
}

// Derivatives of the gradient of edge vectors, contracted with `along` [edges, 3]: by the gradients
// of harmonics and lengths they are the derivatives of both along that direction, and by the vectors,
// the second derivatives being symmetric, that of the gradient along it.
std::tuple<Tensor, Tensor, Tensor>
edge_harmonics_second_cpu(const Tensor &along, const Tensor &grad_harmonics,
                          const Tensor &grad_lengths, const Tensor &edge_vectors, int64_t l_max)
{
  check(edge_vectors, l_max);
  TORCH_CHECK(along.sizes() == edge_vectors.sizes() && along.scalar_type() == at::kDouble,
              "egraff::edge_harmonics_second: expected directions like the edge vectors ",
              edge_vectors.sizes(), ", got ", along.sizes());
  check_gradients(grad_harmonics, grad_lengths, edge_vectors, l_max);
  const auto vectors = edge_vectors.contiguous(), grads = grad_harmonics.contiguous(),
             by_length = grad_lengths.contiguous(), directions = along.contiguous();
  const int64_t width = (l_max + 1) * (l_max + 1);
  const auto of_harmonics = at::empty_like(grads), of_lengths = at::empty_like(by_length),
             of_vectors = at::empty_like(vectors);
  const auto *v = vectors.data_ptr<double>(), *u = directions.data_ptr<double>();
  const auto *dr = by_length.data_ptr<double>();
  auto *lengths = of_lengths.data_ptr<double>(), *second = of_vectors.data_ptr<double>();
  AT_DISPATCH_FLOATING_TYPES(grads.scalar_type(), "egraff::edge_harmonics_second", [&] {
    const auto *g = grads.data_ptr<scalar_t>();
    auto *out = of_harmonics.data_ptr<scalar_t>();
    at::parallel_for(0, vectors.size(0), GRAIN, [&](int64_t begin, int64_t end) {
      Dual unit[3], value[MAX_HARMONICS], slope[MAX_HARMONICS][3], found[3];
      for (int64_t e = begin; e < end; ++e) {
        const Dual at[3] = {
            {v[3 * e], u[3 * e]}, {v[3 * e + 1], u[3 * e + 1]}, {v[3 * e + 2], u[3 * e + 2]}};
        lengths[e] = unit_vector(at, unit).along;
        harmonics(unit, static_cast<int>(l_max), value, slope);
        for (int64_t k = 0; k < width; ++k)
          out[e * width + k] = static_cast<scalar_t>(value[k].along);
        gradient(at, g + e * width, dr[e], static_cast<int>(l_max), width, found);
        for (int a = 0; a < 3; ++a) second[3 * e + a] = found[a].along;
      }
    });
  });
  return {of_harmonics, of_lengths, of_vectors};
}

class EdgeHarmonics : public torch::autograd::Function<EdgeHarmonics> {
 public:
  static variable_list forward(AutogradContext *context, const Tensor &edge_vectors, int64_t l_max,
                               at::ScalarType dtype)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({edge_vectors});
    context->saved_data["l_max"] = l_max;
    const auto [values, lengths] =
        call<decltype(edge_harmonics_cpu)>("egraff::edge_harmonics", edge_vectors, l_max, dtype);
    return {values, lengths};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto saved = context->get_saved_variables();
    return {call<decltype(edge_harmonics_backward_cpu)>("egraff::edge_harmonics_backward",
                                                        gradients[0], gradients[1], saved[0],
                                                        context->saved_data["l_max"].toInt()),
            {},
            {}};
  }
};

class EdgeHarmonicsBackward : public torch::autograd::Function<EdgeHarmonicsBackward> {
 public:
  static Tensor forward(AutogradContext *context, const Tensor &grad_harmonics,
                        const Tensor &grad_lengths, const Tensor &edge_vectors, int64_t l_max)
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({grad_harmonics, grad_lengths, edge_vectors});
    context->saved_data["l_max"] = l_max;
    return call<decltype(edge_harmonics_backward_cpu)>(
        "egraff::edge_harmonics_backward", grad_harmonics, grad_lengths, edge_vectors, l_max);
  }

  static variable_list backward(AutogradContext *context, variable_list cotangents)
  {
    refuse_third_derivative("egraff::edge_harmonics");
    const auto saved = context->get_saved_variables();
    const auto [dg, dr, dv] = call<decltype(edge_harmonics_second_cpu)>(
        "egraff::edge_harmonics_second", cotangents[0], saved[0], saved[1], saved[2],
        context->saved_data["l_max"].toInt());
    return {dg, dr, dv, {}};
  }
};

Tensor edge_harmonics_backward(const Tensor &grad_harmonics, const Tensor &grad_lengths,
                               const Tensor &edge_vectors, int64_t l_max)
{
  return EdgeHarmonicsBackward::apply(grad_harmonics, grad_lengths, edge_vectors, l_max);
}

std::tuple<Tensor, Tensor> edge_harmonics(const Tensor &edge_vectors, int64_t l_max,
                                          at::ScalarType dtype)
{
  const auto found = EdgeHarmonics::apply(edge_vectors, l_max, dtype);
  return {found[0], found[1]};
}

}    // namespace
}    // namespace egraff

TORCH_LIBRARY_FRAGMENT(egraff, library)
{
  library.def("edge_harmonics(Tensor edge_vectors, int l_max, ScalarType dtype) -> (Tensor, "
              "Tensor)");
  library.def("edge_harmonics_backward(Tensor grad_harmonics, Tensor grad_lengths, Tensor "
              "edge_vectors, int l_max) -> Tensor");
  library.def("edge_harmonics_second(Tensor along, Tensor grad_harmonics, Tensor grad_lengths, "
              "Tensor edge_vectors, int l_max) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(egraff, CPU, library)
{
  library.impl("edge_harmonics", &egraff::edge_harmonics_cpu);
  library.impl("edge_harmonics_backward", &egraff::edge_harmonics_backward_cpu);
  library.impl("edge_harmonics_second", &egraff::edge_harmonics_second_cpu);
}

TORCH_LIBRARY_IMPL(egraff, Autograd, library)
{
  library.impl("edge_harmonics", &egraff::edge_harmonics);
  library.impl("edge_harmonics_backward", &egraff::edge_harmonics_backward);
}
