"""Finding knee joints on radiographs: boxes, the detector network, its training radiographs, and the search itself."""
