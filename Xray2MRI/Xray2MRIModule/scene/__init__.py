"""MRML nodes: radiographs, volumes, comparisons."""
