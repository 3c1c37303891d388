"""Noise schedule, depth grids, and the loop that turns one radiograph into a stack of slices."""
