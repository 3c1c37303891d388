"""How many slices are denoised together, and how out-of-memory errors are recognised."""

from __future__ import annotations

import math

import torch

from ..device import free_memory_bytes
from ..models.conditional_unet import Xray2MRIUNet
from .memory_need import BYTES_PER_COPIED_WEIGHT, BYTES_PER_NUMBER, bytes_of_slice

# measured: more than ten slices do not speed a CPU up, and the first slice would only appear later
LARGEST_BATCH = {"cpu": 10, "cuda": 50, "mps": 25}
_SHARE_OF_FREE_MEMORY = 0.5


def bytes_per_slice(unet: Xray2MRIUNet, latent_size: int = 32, precision: str = "fp32") -> int:
    """Rough upper bound of the memory in bytes for denoising one slice."""
    number = min(unet.dtype.itemsize, BYTES_PER_NUMBER[precision])
    return bytes_of_slice(unet.config.block_out_channels[0], latent_size, number)


def bytes_of_copies(unet: Xray2MRIUNet, precision: str) -> int:
    """Memory of the copies of the weights that autocast keeps during a batch."""
    copied = BYTES_PER_COPIED_WEIGHT[precision]
    return copied * sum(weight.numel() for weight in unet.parameters()) if copied else 0


def choose_batch_size(
    unet: Xray2MRIUNet,
    num_slices: int,
    budget_bytes: int | None = None,
    *,
    latent_size: int = 32,
    precision: str = "fp32",
) -> int:
    """Slices per batch within the memory budget, in batches of similar size.

    By default the budget is half of the device's free memory.
    """
    kind = unet.device.type
    if budget_bytes is None:
        free = free_memory_bytes(str(unet.device))
        budget_bytes = int(free * _SHARE_OF_FREE_MEMORY) if free is not None else 1 << 30
    budget_bytes -= bytes_of_copies(unet, precision)
    fitting = budget_bytes // bytes_per_slice(unet, latent_size, precision)
    largest = max(1, min(LARGEST_BATCH.get(kind, 10), fitting))
    return math.ceil(num_slices / math.ceil(num_slices / largest))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device (or the machine) had no memory left."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        phrase in text for phrase in ("out of memory", "not enough memory", "can't allocate memory")
    )


def release_cached_memory(device: torch.device) -> None:
    """Release the device's cached memory, so that a smaller batch can allocate contiguous blocks."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
