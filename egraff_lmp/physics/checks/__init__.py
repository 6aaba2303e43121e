"""The checks, one file each: `judge(subject)` gives findings and panels."""
