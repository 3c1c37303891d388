"""Simulated pairs: an OAI-like MR volume and a plain radiograph of one deformed label map."""
