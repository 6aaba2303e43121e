// The functions of one number (exp, sin, ...) that torch leaves to oneMKL.
//
// No torch header is needed to include this file.

#pragma once

namespace egraff {

// oneMKL chooses the code of such a function when it is first called. If several threads make the
// first call together, one of them may compute its share with code of low accuracy (pytorch issue
// 188792): forces of the first step of one process in some ten are wrong by 5e-10 eV/A then, and
// never again. This makes the first call of each on one thread, once in a process, and is called
// before any network runs.
void settle_vector_functions();

}    // namespace egraff
