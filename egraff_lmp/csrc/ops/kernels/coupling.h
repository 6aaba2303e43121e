// The Clebsch-Gordan coefficients of one product l1 x l2 -> l3, ordered for the kernels: pairs
// (m1, m3) that any m2 couples, by m1, and for each pair its terms.

#pragma once

#include "coupling_tables.h"

namespace egraff {
namespace coupling {

constexpr int L_MAX = 3;

template <int L1, int L2, int L3> struct Pairs {
  static constexpr int n_terms = Terms<L1, L2, L3>::size;

  struct Table {
    int count = 0;
    int m1[n_terms + 1] = {};
    int m3[n_terms + 1] = {};
    int first_term[n_terms + 1] = {};    // of a pair
    int first_pair[2 * L1 + 2] = {};     // of an m1
  };

  static constexpr Table make()
  {
    Table table;
    if constexpr (n_terms > 0) {
      for (int t = 0; t < n_terms; ++t) {
        const Term &term = Terms<L1, L2, L3>::terms[t];
        const int last = table.count - 1;
        if (table.count && table.m1[last] == term.m1 && table.m3[last] == term.m3) continue;
        table.m1[table.count] = term.m1;
        table.m3[table.count] = term.m3;
        table.first_term[table.count++] = t;
      }
      table.first_term[table.count] = n_terms;
      for (int m = 0, pair = 0; m <= 2 * L1 + 1; ++m) {
        while (pair < table.count && table.m1[pair] < m) ++pair;
        table.first_pair[m] = pair;
      }
    }
    return table;
  }

  static constexpr Table table = make();
};

// How many pairs l1 x l2 -> l3 has; 0 where there is no such product.
constexpr int n_pairs(int l1, int l2, int l3)
{
  constexpr int N = L_MAX + 1;
  constexpr auto counts = [] {
    struct {
      int of[N][N][N] = {};
    } all;
#define EGRAFF_ROW(A, B)                                                                           \
  all.of[A][B][0] = Pairs<A, B, 0>::table.count;                                                   \
  all.of[A][B][1] = Pairs<A, B, 1>::table.count;                                                   \
  all.of[A][B][2] = Pairs<A, B, 2>::table.count;                                                   \
  all.of[A][B][3] = Pairs<A, B, 3>::table.count;
#define EGRAFF_ROWS(A) EGRAFF_ROW(A, 0) EGRAFF_ROW(A, 1) EGRAFF_ROW(A, 2) EGRAFF_ROW(A, 3)
    EGRAFF_ROWS(0)
    EGRAFF_ROWS(1)
    EGRAFF_ROWS(2) EGRAFF_ROWS(3)
#undef EGRAFF_ROWS
#undef EGRAFF_ROW
        return all;
  }();
  const bool known = l1 >= 0 && l2 >= 0 && l3 >= 0 && l1 < N && l2 < N && l3 < N;
  return known ? counts.of[l1][l2][l3] : 0;
}

}    // namespace coupling
}    // namespace egraff
