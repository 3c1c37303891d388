"""The methods of every model: a volume, a denser volume, and a volume with the deviation over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..diffusion.precision import choose_precision, is_faster
from ..diffusion.progress import Callback
from ..diffusion.radiograph_conditions import unpack_crop
from ..diffusion.sampling_settings import SamplingSettings, choose_seed
from ..models.diffusers_parts import DiffusionPipeline
from ..volume.geometry import OAI_FIELD
from .uncertainty import sample_deviation
from .volume_sampling import choose_grades, sample_volume

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ..conditions.koa_probabilities import KoaProbabilities
    from ..preparation.joint_crop import PreparedRadiograph
    from ..volume.pseudo_mri import PseudoMRI


SLOWER_NOTE = "This processor computes bf16 more slowly than fp32: fp32 was used."


class VolumePipeline(DiffusionPipeline):
    """Base class of models; a model adds ``encode`` and ``fill`` of slice_model.SliceModel.

    Attributes
    ----------
    model_name
        The requested name: "compact", a folder's name, a hub id; "unsaved" for a model built in memory.
    model_card
        Description of the model (preset, training data, licence).
    weights_sha256
        Network -> SHA256 of its weights; empty for a model built in memory.
    model_notes
        Sentences for the user on the model's files, e.g. that they were not checked.
    precision, precision_notes
        Number format of U-Net and decoder, set by ``use_precision``; sentences for the user on that choice.
    """

    uses_grades = True

    def __init__(self) -> None:
        super().__init__()
        self.model_name = "unsaved"
        self.model_card: dict[str, Any] = {}
        self.weights_sha256: dict[str, str] = {}
        self.model_notes: list[str] = []
        self.precision = "fp32"
        self.precision_notes: list[str] = []
        self._asked: tuple[str, str] | None = None

    def use_precision(self, word: str) -> None:
        """Compute in the format of the user's word from now on: auto, fp32, bf16 or fp16.

        On a processor bf16, if it was asked for by name, is used only where a trial is faster with it than with fp32;
        auto asks which instructions the processor has. Raises InputError (code
        ``bad-option``) for a format that the device does not compute.
        """
        if self._asked == (word, str(self.device)):
            return
        self.precision, self.precision_notes = choose_precision(word, self.device), []
        tried = word == "bf16" and self.device.type == "cpu" and self.precision == "bf16"
        if tried and not is_faster("bf16", "cpu", self.trial()):
            self.precision = "fp32"
            self.precision_notes.append(SLOWER_NOTE)
        self._asked = (word, str(self.device))

    def trial(self) -> Callable[[], object]:
        """A step of the model's work on random values, to measure a precision."""
        raise NotImplementedError

    def register_modules(self, **modules: Any) -> None:
        """Keep the networks and record their classes, as diffusers does.

        Its own method asks whether a network is compiled, which loads torch's compiler.
        """
        for name, module in modules.items():
            kind = type(module)
            library = "diffusers" if kind.__module__.startswith("diffusers.") else kind.__module__
            self.register_to_config(**{name: (library, kind.__name__)})
            setattr(self, name, module)

    @property
    def condition_names(self) -> Sequence[str]:
        """Names of the conditions that the model was trained with; none by default."""
        return ()

    def __call__(
        self,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        num_slices: int = OAI_FIELD.num_slices,
        num_inference_steps: int | None = None,
        *,
        seed: int | None = 0,
        generator: torch.Generator | None = None,
        koa: KoaProbabilities | None = None,
        told: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        callback: Callback | None = None,
        should_cancel: Callable[[], bool] | None = None,
        **sampling: Any,
    ) -> PseudoMRI:
        """A volume of ``num_slices`` synthetic coronal slices.

        Parameters
        ----------
        radiograph
            A PreparedRadiograph, or [1, 256, 256] in [-1, 1] in right-knee space.
        num_slices
            Number of depths over the fixed extent of 73.5 mm, 2 to 500 (the paper's s).
        num_inference_steps
            Denoising steps per slice, 1 to 1000. None takes the number in the model's card, or else 20.
        seed, generator
            The same seed gives the same volume for any batch size, up to float32 rounding. None draws a random seed. If
            a generator is given, the seed is drawn from it.
        koa
            Grade probabilities p. None takes those of the shipped classifier; without a classifier p is uniform, and a
            note records this.
        told
            What is known of the person: ``age`` in years, ``sex`` ("woman" or "man"), ``bmi``, ``r`` (readings of the
            radiograph). A condition that the model does not know is refused.
        batch_size
            Slices denoised together, halved when memory runs out. None chooses by free memory.
        callback
            Receives {"stage", "step", "of", "fraction"} and, for each finished slice, {"stage": "slice", "depth_index",
            "file_index", "of", "u", "image"}, where image [H, W] in [0, 1] has the orientation of the volume.
        should_cancel
            Called before every denoising step; True raises Cancelled.
        sampling
            Further fields of diffusion.sampling_settings.SamplingSettings: sampler, noise, guidance_scale,
            guidance_share, noise_scale, renewed_noise.

        Raises InputError for settings out of range or an invalid crop, ProcessingError when memory runs out.
        """
        chosen = SamplingSettings(num_inference_steps, choose_seed(seed, generator), **sampling)
        return self.volume(
            radiograph, num_slices, chosen, koa=koa, told=told, batch_size=batch_size, callback=callback,
            should_cancel=should_cancel,
        )  # fmt: skip

    def volume(
        self,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        num_slices: int,
        sampling: SamplingSettings,
        **choices: Any,
    ) -> PseudoMRI:
        """The same as ``__call__`` with the sampling settings as one object; ``choices`` are its other arguments."""
        return sample_volume(self, radiograph, num_slices, sampling, **choices)

    def densify(
        self,
        volume: PseudoMRI,
        num_slices: int,
        *,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        batch_size: int | None = None,
        callback: Callback | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> PseudoMRI:
        """The volume at another number of depths; shared depths are copied and only the others are computed.

        ``radiograph`` must be the volume's own radiograph, because the volume does not contain it. All settings come
        from the volume's provenance. With 2 n - 1 slices half of the computation is saved. The result has no deviation.
        Raises InputError when radiograph or model do not belong to the volume.
        """
        return sample_volume(
            self, radiograph, num_slices, known=volume, batch_size=batch_size, callback=callback,
            should_cancel=should_cancel,
        )  # fmt: skip

    def sample_deviation(
        self,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        samples: int,
        num_slices: int = OAI_FIELD.num_slices,
        num_inference_steps: int | None = None,
        *,
        seed: int = 0,
        koa: KoaProbabilities | None = None,
        told: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        callback: Callback | None = None,
        should_cancel: Callable[[], bool] | None = None,
        **sampling: Any,
    ) -> PseudoMRI:
        """The volume of ``seed`` with the voxel-wise standard deviation over ``samples`` consecutive seeds (section 8).

        The seeds start at ``seed``; ``samples`` is 2 to 100. The other arguments are those of ``__call__``. See
        generation.uncertainty.
        """
        chosen = SamplingSettings(num_inference_steps, seed, **sampling)
        return self.volume_with_deviation(
            radiograph, num_slices, chosen, samples, koa=koa, told=told, batch_size=batch_size, callback=callback,
            should_cancel=should_cancel,
        )  # fmt: skip

    def volume_with_deviation(
        self,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        num_slices: int,
        sampling: SamplingSettings,
        samples: int,
        *,
        koa: KoaProbabilities | None = None,
        **choices: Any,
    ) -> PseudoMRI:
        """``sample_deviation`` with the sampling settings as one object."""
        notes: list[str] = []
        koa = koa or choose_grades(self, unpack_crop(radiograph)[0], notes)
        volume = sample_deviation(self, radiograph, num_slices, sampling, samples, koa=koa, **choices)
        volume.provenance["run"]["notes"] += notes
        return volume
