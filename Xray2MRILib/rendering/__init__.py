"""Pictures of a volume for people: the overview montage and the 3-D rendering, without a graphics system."""
