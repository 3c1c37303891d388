"""Jobs: their requests to the worker, their state, their results in the scene."""
