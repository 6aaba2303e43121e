"""The checks, one file for each or for a small family; `egraff_lmp.verify.table` lists them."""
