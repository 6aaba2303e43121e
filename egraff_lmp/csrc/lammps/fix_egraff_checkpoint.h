/* -*- c++ -*- ----------------------------------------------------------
   fix ID group egraff/checkpoint N FILE1 FILE2 keyword value ...

   Restart files by wall time that do not change the trajectory, and a clean end when a batch system
   asks for one.

   Neighbour lists are rebuilt, and atoms sorted, at every multiple of N steps, in every run: a run
   that goes on from a restart file begins with exactly that, so it does bit for bit what the run
   that wrote the file did, provided that files are written at multiples of N alone. (In skewed boxes
   LAMMPS' fractional coordinates cost a last digit.) Files 1 and 2 take turns, the older one first,
   written by LAMMPS' own `restart`, after all other output of the step. The fix stands after all
   other fixes, and there is one of it.

   Keywords:
     minutes M    a file at the first multiple of N after M minutes without one (5; 0: never)
     steps S      a file at the first multiple of N that is S steps after the last one (0: never)
     wall M       end the run M minutes after this command (0: never)
     stop FILE    end the run when FILE exists, and remove it (with -partition it stays)
   SIGTERM, SIGINT, SIGUSR1 or SIGUSR2 to any rank end the run, too; another one, three seconds later
   or more, ends the program. A notice in the last steps of a run ends the next one.
   An end comes at a multiple of N, on all ranks, with a restart file; commands after `run` go on
   and find the step at which it ended.
------------------------------------------------------------------------- */

#ifndef LMP_FIX_EGRAFF_CHECKPOINT_H
#define LMP_FIX_EGRAFF_CHECKPOINT_H

#include "fix.h"

#include <chrono>
#include <string>

namespace LAMMPS_NS {

class FixEgraffCheckpoint : public Fix {
 public:
  FixEgraffCheckpoint(class LAMMPS *, int, char **);
  ~FixEgraffCheckpoint() override;

  int setmask() override;
  void init() override;
  void setup(int) override;
  void end_of_step() override;
  void post_run() override;

 private:
  using Clock = std::chrono::steady_clock;

  std::string files_[2];
  double minutes_ = 5.0;
  double wall_minutes_ = 0.0;
  bigint steps_ = 0;
  std::string stop_file_;

  Clock::time_point created_;
  Clock::time_point saved_;
  bigint saved_step_ = -1;    // -1: before the first run
  bool catching_ = false, stopped_ = false, order_warned_ = false;

  std::string reason_to_stop(int signal, double wall_minutes) const;
  void require_files();
  void warn_of_order();
  void catch_until_end();
  void save();
};

}    // namespace LAMMPS_NS

#endif
