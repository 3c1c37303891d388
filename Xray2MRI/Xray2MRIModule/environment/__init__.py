"""Which Python runs the worker, what it has, how it is installed."""
