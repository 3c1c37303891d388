"""Comparison of methods on the same held-out knees: volumes, scores, statistics, and a report page."""
