"""The Python of the worker: which one, its packages and devices, installation."""
