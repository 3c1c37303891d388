"""Training pairs from a cohort's archive: a radiograph and the MR scan of the same knee, checked, placed and stored."""
