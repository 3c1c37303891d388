"""Projection of a volume's bones onto the radiograph plane, and comparison with the outlines on the radiograph."""
