// The exchange for operators that contain one, between the ranks of a host.

#pragma once

#include "exchange.h"

#include <ATen/ATen.h>

namespace egraff {

// The host of the calling thread, or null where every atom is local.
ExchangeHost *current_exchange_host();

// Rows of local atoms to those of all atoms, with derivatives; without a host the rows themselves.
// Collective.
at::Tensor exchanged(const at::Tensor &local, ExchangeHost *host);

// Without autograd: rows of all atoms [n_all, ...] of which those of local atoms are set: sets those of ghosts.
// Collective.
void fill_ghosts(at::Tensor &rows, ExchangeHost *host);

// The adjoint: adds ghosts' rows to their owners', and cuts them off. Collective.
void sum_ghosts(at::Tensor &rows, ExchangeHost *host);

}    // namespace egraff
