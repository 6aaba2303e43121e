"""Random decks: draws, the files and commands of each, the ranks that run them, and Python's side.

`draw.py` makes a draw from a seed and an index, `systems.py`, `settings.py` and `histories.py` its
parts, `deck.py` the text of it. `worker.py` runs decks on MPI ranks, `launch.py` starts it and
starts it again after a hang or a crash, `reference.py` computes what LAMMPS must find, `compare.py`
says how far off it is, `summary.py` counts, and `campaign.py` puts all of it together.
"""
