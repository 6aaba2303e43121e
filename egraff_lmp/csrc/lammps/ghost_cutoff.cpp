#include "ghost_cutoff.h"

#include "comm.h"
#include "lammps.h"

#include <algorithm>
#include <map>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

struct Ledger {
  GhostCutoff cutoff;
  std::map<const void *, double> reaches;    // of each pair style, A
};

// Several pair styles of one LAMMPS instance share its cutoff; a process may hold several instances.
std::map<const LAMMPS *, Ledger> &ledgers()
{
  static std::map<const LAMMPS *, Ledger> all;
  return all;
}

}    // namespace

void GhostCutoff::require(LAMMPS *lmp, const void *style, double reach)
{
  auto *comm = lmp->comm;
  if (!comm) return;    // LAMMPS is being taken down
  auto &ledger = ledgers()[lmp];
  // The deck has set another cutoff since, or there was no ledger.
  if (comm->cutghostuser != ledger.cutoff.raised) ledger.cutoff.user = comm->cutghostuser;
  if (reach > 0.0)
    ledger.reaches[style] = reach;
  else
    ledger.reaches.erase(style);
  ledger.cutoff.raised = ledger.cutoff.user;
  for (const auto &entry : ledger.reaches)
    ledger.cutoff.raised = std::max(ledger.cutoff.raised, entry.second);
  comm->cutghostuser = ledger.cutoff.raised;
  if (ledger.reaches.empty()) ledgers().erase(lmp);
}

GhostCutoff GhostCutoff::current(LAMMPS *lmp)
{
  const auto found = ledgers().find(lmp);
  const double now = lmp->comm->cutghostuser;
  if (found == ledgers().end() || now != found->second.cutoff.raised) return {now, now};
  return found->second.cutoff;
}

void GhostCutoff::restore(LAMMPS *lmp, const void *style, const GhostCutoff &kept)
{
  if (kept.raised <= kept.user || lmp->comm->cutghostuser != kept.raised) return;
  auto &ledger = ledgers()[lmp];
  ledger.cutoff = kept;
  ledger.reaches[style] = kept.raised;
}

}    // namespace egraff
