"""What stands behind the panel of the Slicer module: the background worker, MRML nodes, views; no computation.

Everything here runs without Qt on plain MRML, so that it can be used from Python consoles and tested without Slicer's
application. What needs the application goes through ``application.Application``.
"""
