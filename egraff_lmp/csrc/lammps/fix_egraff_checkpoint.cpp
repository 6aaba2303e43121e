#include "fix_egraff_checkpoint.h"

#include "commands.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "modify.h"
#include "output.h"
#include "timer.h"
#include "universe.h"
#include "update.h"
#include "utils.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <limits>
#include <unistd.h>

using namespace LAMMPS_NS;
using namespace FixConst;

namespace {

// Notices of batch systems (Slurm: TERM, or what --signal names) and of a user's Ctrl-C.
constexpr std::array<int, 4> NOTICES = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
constexpr int STOP_FILE = std::numeric_limits<int>::max();    // in place of a signal's number

// A batch system and mpiexec, or a terminal and the script `lmp`, may both deliver one notice to the
// same process. Only what comes later than this is a second notice.
constexpr time_t ONE_NOTICE_SECONDS = 3;

// The process' handlers are one for all LAMMPS instances in it, and so is what they noticed.
volatile std::sig_atomic_t noticed = 0;
volatile time_t noticed_at = -ONE_NOTICE_SECONDS;
volatile std::sig_atomic_t users = 0;
std::array<struct sigaction, NOTICES.size()> previous;

time_t monotonic_seconds()
{
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

bool is_the_last_notice_again()
{
  return monotonic_seconds() - noticed_at < ONE_NOTICE_SECONDS;
}

// The first notice is kept for end_of_step(); a second one does what it does without this fix.
void on_notice(int number)
{
  if (is_the_last_notice_again()) return;
  if (noticed == 0 && users > 0) {
    noticed = number;
    noticed_at = monotonic_seconds();
    return;
  }
  for (size_t i = 0; i < NOTICES.size(); ++i)
    if (NOTICES[i] == number) sigaction(number, &previous[i], nullptr);
  raise(number);
}

bool is_ours(const struct sigaction &action)
{
  return !(action.sa_flags & SA_SIGINFO) && action.sa_handler == on_notice;
}

// Signals that the process was started to ignore (nohup, shells in the background) stay ignored.
void catch_notices()
{
  users = users + 1;
  if (users > 1) return;
  struct sigaction action{};
  action.sa_handler = on_notice;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < NOTICES.size(); ++i) {
    struct sigaction found{};
    sigaction(NOTICES[i], nullptr, &found);
    if (is_ours(found)) continue;    // left there by release_notices()
    previous[i] = found;
    if (found.sa_handler != SIG_IGN) sigaction(NOTICES[i], &action, nullptr);
  }
}

// A small system has stopped, and its run is over, before the second delivery of the notice arrives.
// The handlers then stay (this library is never unloaded): they let that one pass, and what comes
// later does what it does without this fix.
void release_notices()
{
  users = users - 1;
  if (users > 0 || is_the_last_notice_again()) return;
  for (size_t i = 0; i < NOTICES.size(); ++i) {
    struct sigaction found{};
    sigaction(NOTICES[i], nullptr, &found);
    if (is_ours(found)) sigaction(NOTICES[i], &previous[i], nullptr);
  }
}

// When the restart file of a name was written; the earliest time of all where there is none.
std::filesystem::file_time_type written_at(std::string name)
{
  // With '%' LAMMPS writes a file per rank, and one that is called "base".
  if (const auto at = name.find('%'); at != name.npos) name.replace(at, 1, "base");
  std::error_code failure;
  const auto time = std::filesystem::last_write_time(name, failure);
  return failure ? std::filesystem::file_time_type::min() : time;
}

bool is_nose_hoover(const std::string &style)
{
  const auto family = style.substr(0, style.find('/'));
  return family == "nvt" || family == "npt" || family == "nph";
}

// Fixes that do their work at the end of a step, and change no atom.
bool only_observes(const std::string &style)
{
  const auto family = style.substr(0, style.find('/'));
  return family == "ave" || family == "print" || family == "vector" || family == "halt";
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
  if (files_[0] == files_[1])
    error->all(FLERR,
               "fix egraff/checkpoint: expected two different files, which take turns, got '{}' "
               "twice",
               files_[0]);
  for (int i = 6; i < narg; i += 2) {
    const std::string key = arg[i];
    if (i + 1 == narg)
      error->all(FLERR, "fix egraff/checkpoint: expected a value after '{}', got none", key);
    if (key == "stop") {
      stop_file_ = arg[i + 1];
      continue;
    }
    if (key == "steps")
      steps_ = utils::bnumeric(FLERR, arg[i + 1], false, lmp);
    else if (key == "minutes")
      minutes_ = utils::numeric(FLERR, arg[i + 1], false, lmp);
    else if (key == "wall")
      wall_minutes_ = utils::numeric(FLERR, arg[i + 1], false, lmp);
    else
      error->all(FLERR, "fix egraff/checkpoint: expected minutes, steps, wall or stop, got '{}'",
                 key);
    if (steps_ < 0 || !(minutes_ >= 0.0) || !(wall_minutes_ >= 0.0))
      error->all(FLERR, "fix egraff/checkpoint: expected 0 (never) or more for '{}', got {}", key,
                 arg[i + 1]);
  }
  force_reneighbor = 1;
  // LAMMPS' own `restart` holds the files; the number of steps is one that no run reaches.
  char never[] = "2147483647";
  char *words[3] = {never, files_[0].data(), files_[1].data()};
  output->create_restart(3, words);
  // The newer file, from which the run may go on, is not the first to be written over.
  int toggle = comm->me == 0 && written_at(files_[0]) > written_at(files_[1]);
  MPI_Bcast(&toggle, 1, MPI_INT, 0, world);
  output->restart_toggle = toggle;
  if (users == 0) noticed = 0;    // what an earlier instance was told is not for this one
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
  if (modify->get_fix_by_style("^egraff/checkpoint$").size() > 1)
    error->all(FLERR,
               "fix egraff/checkpoint: expected one such fix, got several: remove all but one with "
               "'unfix'");
  require_files();
  warn_of_order();
}

// A `restart` command further down in the deck takes LAMMPS' pair of files away from this fix.
void FixEgraffCheckpoint::require_files()
{
  if (output->restart && output->restart_flag_double && files_[0] == output->restart2a &&
      files_[1] == output->restart2b)
    return;
  error->all(FLERR,
             "fix egraff/checkpoint: expected no command 'restart 0' or 'restart N FILE1 FILE2' "
             "after this fix, whose files {} and {} it replaces: leave that command out, or write "
             "it before the fix",
             files_[0], files_[1]);
}

// Nose-Hoover fixes are set up anew in end_of_step(), as a continued run does it: with the velocities
// at the end of the step.
void FixEgraffCheckpoint::warn_of_order()
{
  if (order_warned_ || comm->me != 0) return;
  bool nose_hoover = false, later = false;
  std::string found;
  for (int i = 0; i < modify->nfix; ++i) {
    const std::string style = modify->fix[i]->style;
    nose_hoover = nose_hoover || is_nose_hoover(style);
    if (later && (modify->fmask[i] & END_OF_STEP) && !only_observes(style)) found = style;
    later = later || modify->fix[i] == this;
  }
  if (!nose_hoover || found.empty()) return;
  order_warned_ = true;
  error->warning(
      FLERR,
      "fix egraff/checkpoint: fix {} stands after it and may change atoms at the end of a "
      "step: a continued run may then differ in the last digits; write fix "
      "egraff/checkpoint after all other fixes",
      found);
}

void FixEgraffCheckpoint::setup(int)
{
  next_reneighbor = (update->ntimestep / nevery + 1) * nevery;
  if (saved_step_ < 0 || update->ntimestep < saved_step_) saved_step_ = update->ntimestep;
  catch_until_end();
}

void FixEgraffCheckpoint::catch_until_end()
{
  if (!catching_) catch_notices();
  catching_ = true;
}

void FixEgraffCheckpoint::end_of_step()
{
  // `rerun` makes steps of frames: there is nothing to continue, and no file to write over.
  if (egraff::in_rerun(lmp)) return;
  catch_until_end();    // with `run N pre no` there is no setup
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
  noticed = 0;
  stopped_ = true;
  if (comm->me == 0)
    utils::logmesg(lmp, "egraff: stopped at step {} of {} by {}\n", update->ntimestep,
                   update->laststep, reason);
  timer->force_timeout();
}

void FixEgraffCheckpoint::post_run()
{
  if (catching_) release_notices();
  catching_ = false;
  // The restart file is written by now. Other partitions may not have read the stop file yet.
  if (stopped_ && comm->me == 0 && !stop_file_.empty() && universe->nworlds == 1)
    unlink(stop_file_.c_str());
  stopped_ = false;
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
  require_files();
  output->last_restart = -1;    // after `reset_timestep` it may equal this step
  output->next_restart_double = update->ntimestep;
  output->next_restart = update->ntimestep;
  output->next = update->ntimestep;
  saved_ = Clock::now();
  saved_step_ = update->ntimestep;
}
