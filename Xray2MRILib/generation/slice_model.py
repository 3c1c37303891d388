"""The interface of a model that generates volumes: ``encode`` and ``fill``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ..conditions.koa_probabilities import KoaProbabilities
    from ..diffusion.progress import SliceProgress
    from ..diffusion.sampling_settings import SamplingSettings


class SliceModel(Protocol):
    """A model that turns a radiograph into slices.

    Attributes
    ----------
    model_name, model_card, weights_sha256, model_notes
        Its description in the provenance, see VolumePipeline.
    precision, precision_notes
        Number format of its arithmetic: fp32, bf16 or fp16; sentences for the user on that choice.
    uses_grades
        Whether the grade probabilities affect the slices; if not, they are not computed.
    """

    model_name: str
    model_card: Mapping[str, Any]
    weights_sha256: dict[str, str]
    model_notes: list[str]
    precision: str
    precision_notes: list[str]
    uses_grades: bool

    @property
    def device(self) -> torch.device:
        """Device of its networks."""

    @property
    def dtype(self) -> torch.dtype:
        """Number type of its networks."""

    @property
    def condition_names(self) -> Sequence[str]:
        """Names of the conditions that the model was trained with (``conditions.registry``)."""

    def encode(self, crop: torch.Tensor, koa: KoaProbabilities, told: Mapping[str, Any] | None = None) -> Any:
        """The conditions of the slices, apart from depth and sampling, as an argument for ``fill``.

        ``told`` holds what the user tells of the person, of conditions that the model knows. ``crop`` is [1, 256, 256]
        float32 in [-1, 1] on the CPU, in right-knee space.
        """

    def fill(
        self,
        slices: np.ndarray,
        indices: Sequence[int],
        conditions: Any,
        sampling: SamplingSettings,
        progress: SliceProgress,
        *,
        batch_size: int | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Compute the slices of the given depth indices in place and report each; returns notes for the provenance.

        ``slices`` is [S, 256, 256] float32 in [0, 1] in depth order and right-knee space. Raises Cancelled when
        ``should_cancel`` returns True, ProcessingError when memory runs out.
        """
