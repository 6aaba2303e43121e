#include "fix_egraff_checkpoint.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "modify.h"
#include "output.h"
#include "timer.h"
#include "update.h"
#include "utils.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <limits>
#include <unistd.h>

using namespace LAMMPS_NS;
using namespace FixConst;

namespace {

// Notices of batch systems (Slurm: TERM, or what --signal names) and of a user's Ctrl-C.
constexpr std::array<int, 4> NOTICES = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
constexpr int STOP_FILE = std::numeric_limits<int>::max();    // in place of a signal's number

volatile std::sig_atomic_t noticed = 0;
std::array<struct sigaction, NOTICES.size()> previous;

// The process' handlers are one for all LAMMPS instances in it, the flag likewise.
void catch_notices()
{
  struct sigaction action{};
  action.sa_handler = [](int number) {
    noticed = number;
  };
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART | SA_RESETHAND;    // the second one acts as it always has
  for (size_t i = 0; i < NOTICES.size(); ++i) sigaction(NOTICES[i], &action, &previous[i]);
}

void release_notices()
{
  for (size_t i = 0; i < NOTICES.size(); ++i) sigaction(NOTICES[i], &previous[i], nullptr);
}

bool is_nose_hoover(const std::string &style)
{
  const auto family = style.substr(0, style.find('/'));
  return family == "nvt" || family == "npt" || family == "nph";
}

double minutes_since(std::chrono::steady_clock::time_point start)
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 60.0;
}

}    // namespace

FixEgraffCheckpoint::FixEgraffCheckpoint(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), created_(Clock::now()), saved_(created_)
{
  if (narg < 6)
    error->all(FLERR,
               "fix egraff/checkpoint: expected a number of steps and the names of two "
               "files, got {} words: write 'fix ID all egraff/checkpoint 10 restart.a "
               "restart.b'",
               narg - 3);
  nevery = utils::inumeric(FLERR, arg[3], false, lmp);
  if (nevery < 1)
    error->all(FLERR, "fix egraff/checkpoint: expected a number of steps above 0, got {}", arg[3]);
  files_[0] = arg[4];
  files_[1] = arg[5];
  for (int i = 6; i < narg; i += 2) {
    const std::string key = arg[i];
    if (i + 1 == narg)
      error->all(FLERR, "fix egraff/checkpoint: expected a value after '{}', got none", key);
    if (key == "stop") {
      stop_file_ = arg[i + 1];
      continue;
    }
    const double value = utils::numeric(FLERR, arg[i + 1], false, lmp);
    if (!(value >= 0.0))
      error->all(FLERR, "fix egraff/checkpoint: expected 0 (never) or more for '{}', got {}", key,
                 arg[i + 1]);
    if (key == "minutes")
      minutes_ = value;
    else if (key == "steps")
      steps_ = static_cast<bigint>(value);
    else if (key == "wall")
      wall_minutes_ = value;
    else
      error->all(FLERR, "fix egraff/checkpoint: expected minutes, steps, wall or stop, got '{}'",
                 key);
  }
  force_reneighbor = 1;
  // LAMMPS' own `restart` holds the files; the number of steps is one that no run reaches.
  char never[] = "2147483647";
  char *words[3] = {never, files_[0].data(), files_[1].data()};
  output->create_restart(3, words);
}

FixEgraffCheckpoint::~FixEgraffCheckpoint()
{
  if (catching_) release_notices();
}

int FixEgraffCheckpoint::setmask()
{
  return END_OF_STEP | POST_RUN;
}

void FixEgraffCheckpoint::init()
{
  if (atom->sortfreq != 0 && atom->sortfreq != nevery)
    error->all(FLERR,
               "fix egraff/checkpoint: expected atoms sorted every {} steps, as the setup "
               "of a continued run sorts them, got every {}: write 'atom_modify sort {} "
               "0.0'",
               nevery, atom->sortfreq, nevery);
}

void FixEgraffCheckpoint::setup(int)
{
  next_reneighbor = (update->ntimestep / nevery + 1) * nevery;
  saved_step_ = update->ntimestep;
  if (!catching_) {
    noticed = 0;
    catch_notices();
    catching_ = true;
  }
}

void FixEgraffCheckpoint::end_of_step()
{
  next_reneighbor = update->ntimestep + nevery;
  // Nose-Hoover fixes carry a temperature on from step to step that a continued run computes anew,
  // equal but for the last digit.
  for (auto *fix : modify->get_fix_list())
    if (is_nose_hoover(fix->style)) fix->setup(0);
  double signal = noticed;
  if (comm->me == 0 && !stop_file_.empty() && access(stop_file_.c_str(), F_OK) == 0)
    signal = STOP_FILE;
  // Clocks and signals differ from rank to rank; what they decide must not.
  const double mine[3] = {minutes_since(saved_), minutes_since(created_), signal};
  double all[3];
  MPI_Allreduce(mine, all, 3, MPI_DOUBLE, MPI_MAX, world);

  const auto reason = reason_to_stop(static_cast<int>(all[2]), all[1]);
  const bool ends = !reason.empty() && update->ntimestep < update->laststep;
  const bool due = (minutes_ > 0.0 && all[0] >= minutes_) ||
                   (steps_ > 0 && update->ntimestep - saved_step_ >= steps_);
  if (ends || due) save();
  if (!ends) return;
  if (comm->me == 0 && !stop_file_.empty()) unlink(stop_file_.c_str());    // it has been heard
  if (comm->me == 0)
    utils::logmesg(lmp, "egraff: stopped at step {} of {} by {}\n", update->ntimestep,
                   update->laststep, reason);
  timer->force_timeout();
}

void FixEgraffCheckpoint::post_run()
{
  if (catching_) release_notices();
  catching_ = false;
}

std::string FixEgraffCheckpoint::reason_to_stop(int signal, double wall_minutes) const
{
  if (signal == STOP_FILE) return fmt::format("the file {}", stop_file_);
  if (signal != 0) return fmt::format("signal {} ({})", signal, strsignal(signal));
  if (wall_minutes_ > 0.0 && wall_minutes >= wall_minutes_)
    return fmt::format("its wall time of {:g} minutes", wall_minutes_);
  return "";
}

// Have this step's output end with a restart file.
void FixEgraffCheckpoint::save()
{
  output->next_restart_double = update->ntimestep;
  output->next_restart = update->ntimestep;
  output->next = update->ntimestep;
  saved_ = Clock::now();
  saved_step_ = update->ntimestep;
}
