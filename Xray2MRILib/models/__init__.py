"""Networks: latent autoencoder, conditional U-Net, radiograph encoder, and presets of their sizes."""
