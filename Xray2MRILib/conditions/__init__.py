"""Condition vectors from the radiograph: grade probabilities and grey-level distribution."""
