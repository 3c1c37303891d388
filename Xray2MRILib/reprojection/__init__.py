"""Bones of a volume projected onto the film plane and compared with the outlines on the radiograph."""
