"""Simulated pairs: one deformed label map seen as an OAI-like MR volume and as a plain radiograph."""
