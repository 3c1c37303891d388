"""What accompanies the radiograph: grade probabilities, grey-level distribution, plausibility."""
