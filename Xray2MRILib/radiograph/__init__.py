"""The radiograph: reading files, photometric sense, orientation, side."""
