"""Images of a volume for readers: the overview montage and the 3-D rendering, computed without a graphics system."""
