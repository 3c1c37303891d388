"""How close a volume is to a reference: one measure a file, arrays in, numbers out.

Volumes are [S, H, W] with grey values in [0, 1] by one mapping per volume (intensity_range.py), slices coronal, rows
from superior to inferior. Every measure works in double precision and returns one value per slice; NaN means
that the measure is not defined there; summary.py counts those instead of passing over them.
"""
