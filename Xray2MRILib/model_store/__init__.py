"""Model folders: assembly from presets, reading, checksums, writing."""
