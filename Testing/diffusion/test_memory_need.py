"""The estimate of working memory bounds what the U-Net of every preset holds at once, counted without computing."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from Xray2MRILib.diffusion.batch_size import bytes_of_copies, bytes_per_slice, choose_batch_size  # noqa: E402
from Xray2MRILib.diffusion.memory_need import bytes_of_slice, bytes_of_weights  # noqa: E402
from Xray2MRILib.models.conditional_unet import Xray2MRIUNet  # noqa: E402
from Xray2MRILib.models.presets import PRESETS, UNET  # noqa: E402


class LargestMemory(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make and that still live."""

    def __init__(self) -> None:
        super().__init__()
        self._now = self.largest = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self._known:
                storage = tensor.untyped_storage()
                self._known.add(storage._cdata)
                self._now += storage.nbytes()
                self.largest = max(self.largest, self._now)
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        return result

    def _gone(self, name: int, size: int) -> None:
        self._known.discard(name)
        self._now -= size


def largest_memory(unet: Xray2MRIUNet, slices: int) -> int:
    c = unet.config
    with torch.inference_mode(), torch.device("meta"):
        vectors = {
            name: torch.empty(slices, size) for name, size in zip(c.condition_names, c.condition_sizes, strict=True)
        }
        given = (torch.empty(slices, c.in_channels, 32, 32), torch.empty(slices), torch.empty(slices), vectors,
                 torch.empty(slices, 1, c.cross_attention_dim))  # fmt: skip
        with LargestMemory() as counted:
            unet(*given)
    return counted.largest


@pytest.mark.parametrize("preset", PRESETS)
def test_the_estimate_bounds_the_tensors_of_a_step(preset: str) -> None:
    with torch.device("meta"):
        unet = Xray2MRIUNet(**UNET[preset])
    for slices in (1, 3):
        largest = largest_memory(unet, slices)
        assert 0.1 * slices * bytes_per_slice(unet) < largest < slices * bytes_per_slice(unet)


def test_the_paper_preset_needs_what_its_size_says() -> None:
    with torch.device("meta"):
        unet = Xray2MRIUNet(**UNET["paper"])
    parameters = sum(weight.numel() for weight in unet.parameters())
    assert parameters == pytest.approx(885e6, rel=0.01)
    assert bytes_of_weights(parameters, "fp32") == 4 * parameters
    assert bytes_of_weights(parameters, "bf16") == bytes_of_weights(parameters, "auto") == 6 * parameters
    assert bytes_of_copies(unet, "bf16") == 2 * parameters
    assert bytes_of_copies(unet, "fp32") == 0
    assert bytes_of_slice(320) == 100 * 320 * 32 * 32 * 4


def test_shorter_numbers_let_more_slices_into_the_same_memory() -> None:
    unet = Xray2MRIUNet(**UNET["tiny"])
    budget = 6 * bytes_per_slice(unet) + bytes_of_copies(unet, "bf16")
    assert choose_batch_size(unet, 8, budget) == 4  # two batches of equal size
    assert choose_batch_size(unet, 8, budget, precision="bf16") == 8
    assert choose_batch_size(unet, 8, 0, precision="bf16") == 1
