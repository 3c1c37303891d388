"""Files that appear whole or not at all, shipped resources, crash logs."""
