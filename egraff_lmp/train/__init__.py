"""The trainer: config, energy references, graphs, the Lightning module, the run, and deployment."""
