"""Localisation of knee joints on radiographs: boxes, the detector network and its application."""
