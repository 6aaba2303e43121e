// The threads of an evaluation, and of nothing else.

#pragma once

namespace egraff {

// While it lives torch works with `threads` threads. The OpenMP count of the process is put back
// afterwards: where LAMMPS and torch share one OpenMP library, LAMMPS' own threaded styles (package
// OPENMP) would run with torch's count otherwise, and miss a part of their atoms. It is set anew each
// time, because LAMMPS sets it, too.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope &) = delete;
  ThreadScope &operator=(const ThreadScope &) = delete;

 private:
  int before_ = 0;    // of the process; 0: no OpenMP
};

// While it lives backward passes of the calling thread run on that thread. With CUDA autograd has
// threads of its own for them, which would call MPI.
class BackwardHere {
 public:
  BackwardHere();
  ~BackwardHere();
  BackwardHere(const BackwardHere &) = delete;
  BackwardHere &operator=(const BackwardHere &) = delete;

 private:
  bool before_;
};

}    // namespace egraff
