"""The simulated knee: templates, label maps, shape, pose, disease."""
