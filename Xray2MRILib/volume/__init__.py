"""The product on disk and in memory: geometry, grey values, provenance, reading and writing."""
