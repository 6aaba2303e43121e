"""Reference force fields that can be evaluated on any frame, and the data sets that they make."""
