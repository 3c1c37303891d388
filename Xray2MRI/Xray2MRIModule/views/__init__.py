"""Layouts, annotations, overlays and charts."""
