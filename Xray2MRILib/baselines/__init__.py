"""The systems that Xray2MRI is compared with, and its own ablations, on the same autoencoder and data.

One file each. ``registry`` names them all. Those that denoise slices are trained by ``xray2mri train diffusion --method
NAME`` and used by ``xray2mri generate --model FOLDER`` like the model itself.
"""
