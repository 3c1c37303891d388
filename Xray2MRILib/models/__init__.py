"""Networks: latent autoencoder, conditional U-Net, radiograph encoder, and the presets that size them."""
