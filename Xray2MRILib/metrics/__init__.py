"""Similarity of a volume to a reference: one metric per file, arrays in, numbers out.

Volumes are [S, H, W] with coronal slices and rows from superior to inferior. Grey values are in [0, 1], with one
mapping per volume (intensity_range.py). Every metric is computed in double precision and returns one value per slice.
NaN means that the metric is undefined for the slice; summary.py counts these slices instead of ignoring them.
"""
