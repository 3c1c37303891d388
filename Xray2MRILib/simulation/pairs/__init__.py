"""Pairs of volume and radiograph: making, storing, listing."""
