"""Training of every network that ships: one readable loop per file, resumable, configured by a recipe in Resources."""
