"""Super-resolution of knee MRI: finer voxels that explain the measured ones."""
