"""What the scanner adds to a noise-free volume: noise, ghosts, a turned field, and the range in which it is stored."""
