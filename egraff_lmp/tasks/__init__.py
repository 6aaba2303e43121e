"""What is done with one structure and one deployed file: relaxation, equation of state, and so on.

Each task is a function on an `ase.Atoms` that has a calculator, and returns a frozen record; ase,
matscipy and phonopy do the work.
"""
