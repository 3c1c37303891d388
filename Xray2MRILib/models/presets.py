"""Sizes of the model: ``paper`` (from the published table), ``compact`` (shipped) and ``tiny`` (for tests)."""

from __future__ import annotations

from typing import Any

from ..volume.geometry import CROP_FRAME, OAI_FIELD

PRESETS = ("compact", "paper", "tiny")

AUTOENCODER: dict[str, dict[str, Any]] = {
    # the KL-f8 autoencoder of Stable Diffusion: 83.65 M parameters, latent 4 x 32 x 32
    "paper": {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "sample_size": OAI_FIELD.pixels,
        "scaling_factor": 0.18215,
    },
    # factor 4 after space-to-depth: factor 8 in total, without the full-resolution stage, the slowest one on a CPU
    "compact": {
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (32, 64, 128),
        "layers_per_block": 1,
        "latent_channels": 16,
        "norm_num_groups": 8,
        "mid_block_add_attention": False,
        "sample_size": OAI_FIELD.pixels // 2,
        "scaling_factor": 1.0,
    },
    "tiny": {
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (4, 4, 8),
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 2,
        "mid_block_add_attention": False,
        "sample_size": OAI_FIELD.pixels // 2,
        "scaling_factor": 1.0,
    },
}

UNET: dict[str, dict[str, Any]] = {
    "paper": {
        "block_out_channels": (320, 640, 1280, 1280),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "layers_per_block": 2,
        "attention_heads": 8,
        "cross_attention_dim": 768,
        "norm_num_groups": 32,
    },
    # width chosen so that all shipped weights together stay under 25 MB in half precision
    "compact": {
        "in_channels": 16 + 16 + 48,  # noisy latent, radiograph latent, radiograph features
        "out_channels": 16,
        "block_out_channels": (40, 80, 160),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "attention_heads": 4,
        "cross_attention_dim": 128,
        "norm_num_groups": 8,
    },
    "tiny": {
        "in_channels": 4 + 4 + 8,
        "block_out_channels": (8, 8, 8),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "attention_heads": 2,
        "cross_attention_dim": 8,
        "norm_num_groups": 4,
        "depth_frequencies": 4,
    },
}

RADIOGRAPH_ENCODER: dict[str, dict[str, Any]] = {
    "paper": {
        "token_encoder": "clip",
        "token_width": 768,
        "field_placement": False,
        "local_normalisation": False,
        "radiograph_latent_scale": 1.0,
    },
    "compact": {
        "token_encoder": "features",
        "token_width": 128,
        "feature_channels": 48,
        # the frame of the simulated pairs, see simulation.pairs.crop_frame
        "span_mm": CROP_FRAME.span_mm,
        "centre_row": CROP_FRAME.centre[0],
        "centre_column": CROP_FRAME.centre[1],
    },
    "tiny": {"token_encoder": "features", "token_width": 8, "width": 8, "feature_channels": 8},
}


def latent_channels(preset: str) -> int:
    """Channels of a latent slice."""
    return AUTOENCODER[preset]["latent_channels"]
