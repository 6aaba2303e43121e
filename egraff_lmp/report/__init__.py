"""The HTML page of a benchmark: records of numbers in, one self-contained page out."""
