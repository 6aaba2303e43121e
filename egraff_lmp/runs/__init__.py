"""What launching a run and judging it both need: its record, LAMMPS' messages, the machine."""
