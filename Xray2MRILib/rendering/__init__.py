"""Images of a volume for readers: the overview montage and the 3-D view, computed without a graphics system."""
