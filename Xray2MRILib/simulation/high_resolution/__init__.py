"""Isotropic volumes of simulated knees: what a finer scanner sees, as targets of super-resolution."""
