"""The systems that Xray2MRI is compared with, and its own ablations, on the same autoencoder and data.

One file each. ``registry`` names them all. Those that denoise slices are trained by ``training/diffusion.py``
and used by ``generate`` like the model itself.
"""
