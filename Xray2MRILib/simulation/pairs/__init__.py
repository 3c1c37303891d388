"""Pairs of volume and radiograph: simulation, storage, listing."""
