"""Scanner noise on a generated volume: what a viewer sees; measurements use the noise-free voxels.

Decoded slices are smooth, those of a scanner are not. The acquisition model adds its measured noise and ghosts after
the decoder. The level they are relative to is fixed, so that a slice is final as soon as it is decoded, and so that
another number of slices repeats the noise at the depths that both volumes have. Fields are not turned, because the
slices must stay where the radiograph is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diffusion.depth_grid import shared_depths

if TYPE_CHECKING:
    from ..acquisition.acquisition_model import Acquisition
    from ..volume.pseudo_mri import PseudoMRI

# grey value that stands for the clip level of a scan: generated and simulated volumes have 0.61 to 0.96
LEVEL = 0.75
SECTION = "acquisition"  # of the provenance
_AT_ONCE = 50  # slices that get their noise together, which takes four times their memory


def acquisition_record(strength: float, seed: int, crop_sha256: str) -> dict[str, Any]:
    """The section ``acquisition`` of the provenance.

    ``strength`` is relative to the measured noise, 0 is none. The seed of the noise comes from the seed of the volume
    and the crop, so that two knees with one seed do not share their noise.
    """
    if strength == 0:
        return {"scanner_noise": 0.0}
    from ..acquisition.acquisition_model import Acquisition

    mixed = hashlib.sha256(f"{seed} {crop_sha256}".encode("ascii")).digest()
    own = int.from_bytes(mixed[:4], "big") >> 1
    chosen = Acquisition(noise=Acquisition.noise * strength, clip_share=None, seed=own, level=LEVEL)
    kept = {name: value for name, value in chosen.record().items() if name in ("noise", "ghosts", "seed", "level")}
    return {"scanner_noise": float(strength), **kept}


def recorded_acquisition(provenance: Mapping[str, Any]) -> Acquisition | None:
    """The acquisition that a provenance records; None without noise, or in volumes from before it was a step."""
    record = provenance.get(SECTION) or {}
    if not record.get("scanner_noise"):
        return None
    from ..acquisition.acquisition_model import Acquisition

    return Acquisition(
        noise=float(record["noise"]), ghosts=float(record["ghosts"]), clip_share=None, seed=int(record["seed"]),
        level=float(record["level"]),
    )  # fmt: skip


def noisy_slices(slices: np.ndarray, acquisition: Acquisition, depths: np.ndarray) -> np.ndarray:
    """[S, H, W] float32 in [0, 1]: noise-free slices at depths u [S] as a scanner would show them.

    Always on the CPU, because generators of other devices draw other numbers from the same seed.
    """
    from ..acquisition.acquisition_model import acquire

    return acquire(np.ascontiguousarray(slices), acquisition, depths).clamp_(0, 1).numpy()


def add_scanner_noise(volume: PseudoMRI) -> None:
    """Set ``acquired`` of a noise-free volume by its own provenance; None where that records no noise."""
    acquisition = recorded_acquisition(volume.provenance)
    if acquisition is None:
        volume.acquired = None
        return
    shown = np.empty(volume.array.shape, np.float32)
    for first in range(0, len(shown), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        shown[part] = noisy_slices(volume.array[part], acquisition, volume.depth_positions[part])
    volume.acquired = shown


def keep_shown_slices(volume: PseudoMRI, earlier: PseudoMRI) -> None:
    """At shared depths show what an ``earlier`` volume of the same acquisition shows.

    The noise is the same in any case; this saves the rounding of noise-free slices that were stored or computed again.
    """
    if volume.acquired is None:
        return
    for index, place in shared_depths(earlier.depth_positions, volume.depth_positions).items():
        volume.acquired[index] = earlier.shown[place]


class ShownSlices:
    """The slices as they are shown while a volume is computed, kept so that its noise is not computed twice."""

    def __init__(self, acquisition: Acquisition | None) -> None:
        self._acquisition = acquisition
        self._kept: np.ndarray | None = None
        self._there: set[int] = set()

    def receiver(self, on_slice: Callable[[dict[str, Any]], None] | None) -> Callable[[dict[str, Any]], None] | None:
        """A receiver of slice events that hands their images on as the finished volume will show them."""
        if on_slice is None or self._acquisition is None:
            return on_slice
        acquisition, shown_to = self._acquisition, on_slice

        def receive(event: dict[str, Any]) -> None:
            image = noisy_slices(event["image"][None], acquisition, np.array([event["u"]]))[0]
            if self._kept is None:
                self._kept = np.empty((event["of"], *image.shape), np.float32)
            self._kept[event["file_index"]] = image
            self._there.add(event["file_index"])
            shown_to({**event, "image": image})

        return receive

    def add_to(self, volume: PseudoMRI) -> None:
        """Set ``acquired`` of the noise-free volume whose slices these are; what was not shown is computed."""
        if self._acquisition is None or self._kept is None or self._kept.shape != volume.array.shape:
            add_scanner_noise(volume)
            return
        missing = [index for index in range(volume.num_slices) if index not in self._there]
        if missing:
            depths = volume.depth_positions[missing]
            self._kept[missing] = noisy_slices(volume.array[missing], self._acquisition, depths)
        volume.acquired = self._kept
