"""Bones of a volume projected onto the radiograph plane and compared with the outlines on the radiograph."""
