"""The simulated radiograph: projection, frame, appearance."""
