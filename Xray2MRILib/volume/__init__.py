"""Pseudo-MRI volumes in memory and on disk: geometry, grey values, provenance, reading and writing."""
