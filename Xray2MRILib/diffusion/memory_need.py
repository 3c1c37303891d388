"""How much memory the U-Net needs, from figures in its configuration alone. Needs no package."""

from __future__ import annotations

# working memory in units of the first feature map: upper bound over the presets, measured (test_memory_need)
FEATURE_MAPS = 100
# under autocast normalisations stay in float32, so less than half is saved
BYTES_PER_NUMBER = {"fp32": 4, "bf16": 3, "fp16": 3}
BYTES_PER_WEIGHT = 4
# autocast keeps a short copy of every weight while a batch is computed
BYTES_PER_COPIED_WEIGHT = {"fp32": 0, "bf16": 2, "fp16": 2}


def bytes_of_slice(first_channels: int, latent_size: int = 32, bytes_per_number: int = 4) -> int:
    """Rough upper bound of the working memory in bytes for denoising one slice."""
    return FEATURE_MAPS * first_channels * latent_size**2 * bytes_per_number


def bytes_of_weights(parameters: int, precision: str) -> int:
    """Memory of loaded weights and of their copies under autocast; ``auto`` counts as the larger case."""
    return parameters * (BYTES_PER_WEIGHT + BYTES_PER_COPIED_WEIGHT.get(precision, 2))
