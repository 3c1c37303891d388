"""Published weights of other programs as models of this one: Zero-123, Stable Diffusion, diffusers folders."""
