"""The model that was used last, in memory for the next volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .preflight import check_device_memory

if TYPE_CHECKING:
    from .volume_pipeline import VolumePipeline


class PipelineCache:
    """The last model, kept in memory for the next volume."""

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._pipeline: VolumePipeline | None = None

    def get(self, model: str, device: str, precision: str = "fp32") -> VolumePipeline:
        """The pipeline of a model on a device (names as in GenerationSettings), loaded unless it was used last.

        Raises InputError and ProcessingError as Xray2MRIPipeline.from_pretrained does.
        """
        if self._pipeline is None or self._key != (model, device):
            from .cae_pipeline import CaePipeline, is_cae
            from .pipeline import Xray2MRIPipeline

            # release the old model first: two paper-size models do not fit into memory together
            self._key = self._pipeline = None
            check_device_memory(model, device, precision)
            kind = CaePipeline if is_cae(model) else Xray2MRIPipeline
            self._pipeline = kind.from_pretrained(model, device=device)
            self._key = (model, device)
        self._pipeline.use_precision(precision)
        return self._pipeline

    def holds(self, model: str, device: str) -> bool:
        """Whether ``get`` would return without loading."""
        return self._key == (model, device)
