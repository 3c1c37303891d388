"""Work that the worker does for the scene: jobs, their results, their failures."""
