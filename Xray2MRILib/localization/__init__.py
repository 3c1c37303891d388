"""Finding knee joints on films: boxes, the detector network, its training films, and the search itself."""
