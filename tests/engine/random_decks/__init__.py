"""Random decks: draws, the files and commands of each, the ranks that run them, and Python's side.

`draw.py` makes a draw from a seed and an index. Its parts are drawn by `systems.py`,
`interactions.py`, `settings.py`, `histories.py` and `refusals.py`, each choice by `chooser.py`;
`models.py` writes the model files. `worker.py` runs decks on MPI ranks, and `launch.py` starts it,
again after a hang or a crash. `reference.py` computes what LAMMPS must find, `compare.py` says how
far off it is, `campaign.py` runs many draws and keeps their verdicts, and `summary.py` counts them.
`memcheck.py` runs some small draws under valgrind.
"""
