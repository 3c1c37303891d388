"""What a model must do to make a volume: two methods, whatever happens in them."""

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
    model_name, model_card, weights_sha256
        What the provenance says about it, see VolumePipeline.
    uses_grades
        Whether the grade probabilities change the slices; else nobody computes them.
    """

    model_name: str
    model_card: Mapping[str, Any]
    weights_sha256: dict[str, str]
    uses_grades: bool

    @property
    def device(self) -> torch.device:
        """Where its networks are."""

    @property
    def dtype(self) -> torch.dtype:
        """Number type of its networks."""

    def encode(self, crop: torch.Tensor, koa: KoaProbabilities) -> Any:
        """What the slices depend on besides depth and sampling, for ``fill``.

        ``crop`` is [1, 256, 256] float32 in [-1, 1] on the CPU, in right-knee space.
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
        ``should_cancel`` says so, ProcessingError when memory runs out.
        """
