"""What the networks learn from: radiographs, crops, simulated pairs, their variation."""
