"""What the pages take from the package at build time: commands, configs, metrics, other files."""
