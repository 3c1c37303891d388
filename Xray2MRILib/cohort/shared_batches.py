"""Slices of several radiographs in one batch, where one volume leaves the batch half empty.

The U-Net takes the conditions of each slice by themselves, so that a batch may hold slices of several radiographs. The
volumes equal those of separate batches up to float32 rounding.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..diffusion.progress import SliceProgress
    from ..diffusion.radiograph_conditions import RadiographConditions
    from ..diffusion.sampling_settings import SamplingSettings
    from ..generation.settings import GenerationSettings


def shares(pipeline: Any, settings: GenerationSettings) -> bool:
    """Whether two volumes fit into one batch of this model on its device."""
    from ..diffusion.batch_size import LARGEST_BATCH

    if getattr(pipeline, "unet", None) is None or settings.samples > 1:
        return False
    return 2 * settings.num_slices <= LARGEST_BATCH.get(pipeline.device.type, 0)


@dataclass
class _Request:
    """Slices that a thread waits for."""

    slices: np.ndarray
    indices: Sequence[int]
    conditions: RadiographConditions
    sampling: SamplingSettings
    progress: SliceProgress
    notes: list[str] = field(default_factory=list)
    error: BaseException | None = None
    is_done: bool = False


class SharedBatches:
    """Computes the slices that several threads wait for together: the first one that comes does the work of all.

    Parameters
    ----------
    pipeline
        An Xray2MRIPipeline.
    most
        Largest number of radiographs at a time.

    Attributes
    ----------
    groups
        How many radiographs were computed together, each time.
    """

    def __init__(self, pipeline: Any, most: int) -> None:
        self.pipeline = pipeline
        self.groups: list[int] = []
        self._most = most
        self._waiting: list[_Request] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def as_model(self) -> Any:
        """The pipeline as a SliceModel with the method ``volume``, whose slices are computed here."""
        return _SharingModel(self)

    def fill(
        self,
        slices: np.ndarray,
        indices: Sequence[int],
        conditions: RadiographConditions,
        sampling: SamplingSettings,
        progress: SliceProgress,
        **choices: Any,
    ) -> list[str]:
        """As Xray2MRIPipeline.fill. Raises ProcessingError when memory runs out."""
        request = _Request(slices, indices, conditions, sampling, progress)
        with self._list:
            self._waiting.append(request)
        with self._turn:
            if not request.is_done:
                self._compute(self._group_of(request))
        if request.error is not None:
            raise request.error
        return request.notes

    def _group_of(self, request: _Request) -> list[_Request]:
        """The request and others that wait for slices of the same kind; they leave the list."""
        with self._list:
            others = [
                other
                for other in self._waiting
                if other is not request and other.sampling == request.sampling
                and other.conditions.vectors.keys() == request.conditions.vectors.keys()
            ]  # fmt: skip
            group = [request, *others[: self._most - 1]]
            self._waiting = [other for other in self._waiting if not any(other is one for one in group)]
        return group

    def _compute(self, group: list[_Request]) -> None:
        self.groups.append(len(group))
        try:
            if len(group) == 1:
                one = group[0]
                one.notes = self.pipeline.fill(one.slices, one.indices, one.conditions, one.sampling, one.progress)
            else:
                self._compute_together(group)
        except BaseException as error:
            for one in group:
                one.error = error
        for one in group:
            one.is_done = True

    def _compute_together(self, group: list[_Request]) -> None:
        from ..diffusion.batch_size import choose_batch_size
        from ..diffusion.radiograph_conditions import RadiographConditions
        from ..diffusion.slice_loop import slice_loop
        from ..volume.geometry import depth_positions

        pipeline = self.pipeline
        places = [(one, index) for one in group for index in one.indices]
        depths = np.concatenate([depth_positions(len(one.slices))[list(one.indices)] for one in group])
        stacked = RadiographConditions.stack([one.conditions for one in group], [len(one.indices) for one in group])
        size = choose_batch_size(
            pipeline.unet, len(places), latent_size=stacked.latent.shape[-1], precision=pipeline.precision
        )
        own = pipeline.radiograph_encoder.config.slice_size
        for one in group:
            if own < one.slices.shape[-1]:
                words = f"The model generates slices of {own} x {own} pixels; they are enlarged for the volume."
                one.notes.append(words)

        def tell_all(batch: int) -> None:
            for one in group:
                one.notes.append(f"Memory ran out; generation continued with {batch} slices at a time.")

        def step(batch: int, number: int) -> None:
            for one in group:
                one.progress.at("sample", number, group[0].sampling.num_inference_steps or 1, 0.5)

        for batch, images in slice_loop(
            pipeline.unet, pipeline.autoencoder, pipeline.scheduler, stacked, depths, group[0].sampling,
            batch_size=size, on_step=step, on_smaller_batch=tell_all, precision=pipeline.precision,
        ):  # fmt: skip
            for place, image in zip(batch, images.numpy(), strict=True):
                one, index = places[place]
                one.slices[index] = image


class _SharingModel:
    """The pipeline, apart from ``fill``."""

    def __init__(self, shared: SharedBatches) -> None:
        self._shared = shared
        self.fill: Callable[..., list[str]] = shared.fill

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shared.pipeline, name)

    def volume(self, radiograph: Any, num_slices: int, sampling: SamplingSettings, **choices: Any) -> Any:
        """As VolumePipeline.volume."""
        from ..generation.volume_sampling import sample_volume

        return sample_volume(self, radiograph, num_slices, sampling, **choices)
