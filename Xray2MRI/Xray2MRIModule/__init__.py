"""The Slicer module without computation: background worker, jobs, MRML nodes, views, panel.

Folders import in one direction: environment, worker, scene, views, jobs, then job_calls.py, logic.py and panel. All but
the panel runs on plain MRML and is tested without Slicer's application; what needs the application goes through
``application.Application``.
"""
