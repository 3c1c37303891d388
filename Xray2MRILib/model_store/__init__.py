"""Models as folders: assembly from presets, reading, checksums, writing."""
