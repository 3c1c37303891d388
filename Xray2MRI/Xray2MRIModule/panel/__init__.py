"""The module's panel: one file for each of its sections, main_panel.py puts them together."""
