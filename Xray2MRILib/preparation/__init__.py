"""From a radiograph to the joint crop: side, view, plausibility."""
