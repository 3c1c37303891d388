"""The simulated MR volume: tissue maps, signal, FLASH scan."""
