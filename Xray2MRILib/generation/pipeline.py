"""From a prepared radiograph to a pseudo-MRI volume: the networks, the slice loop and the volume put together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline

from ..conditions.koa_probabilities import KoaProbabilities
from ..device import choose_device
from ..diffusion.batch_size import batch_size_for
from ..diffusion.depth_grid import shared_depths
from ..diffusion.initial_noise import initial_noise
from ..diffusion.progress import Callback, LoopProgress, SliceProgress
from ..diffusion.radiograph_conditions import (
    RadiographConditions,
    encode_radiograph,
    picture_digest,
    prepared_picture,
)
from ..diffusion.sampling_settings import SamplingSettings, check_integer, chosen_seed, sampling_of_model
from ..diffusion.schedule import check_schedule
from ..diffusion.slice_loop import slice_loop
from ..errors import ProcessingError
from ..model_store.model_folder import checked_card, load_components, locate_model, notes_on, verify_model, write_model
from ..models.conditional_unet import Xray2MRIUNet
from ..models.radiograph_encoder import RadiographEncoder
from ..volume.geometry import depth_positions
from ..volume.provenance import build_provenance
from ..volume.pseudo_mri import PseudoMRI
from .settings_from_provenance import settings_from_provenance
from .uncertainty import sample_deviation

if TYPE_CHECKING:
    from ..preparation.joint_crop import PreparedRadiograph

NO_CLASSIFIER_NOTE = "No grade classifier is installed: all five grades were taken as equally likely."


class Xray2MRIPipeline(DiffusionPipeline):
    """Pseudo-MRI volumes of the knee from one radiograph (Algorithm 2 of the paper).

    Parameters
    ----------
    autoencoder, unet, radiograph_encoder, scheduler
        As ``models.presets.build_components`` makes them or ``from_pretrained`` loads them.

    Attributes
    ----------
    model_name
        How the model was asked for: "compact", a folder's name, a hub id; "unsaved" for one built in memory.
    model_card
        What the model says about itself (preset, training data, licence).
    weights_sha256
        Network -> SHA256 of its weights; empty for a model built in memory.
    model_notes
        Sentences on the model's files for the user, e.g. that they could not be checked.
    """

    def __init__(
        self,
        autoencoder: AutoencoderKL,
        unet: Xray2MRIUNet,
        radiograph_encoder: RadiographEncoder,
        scheduler: DDIMScheduler,
    ) -> None:
        super().__init__()
        check_schedule(scheduler)
        self.register_modules(
            autoencoder=autoencoder, unet=unet, radiograph_encoder=radiograph_encoder, scheduler=scheduler
        )
        self.model_name = "unsaved"
        self.model_card: dict[str, Any] = {}
        self.weights_sha256: dict[str, str] = {}
        self.model_notes: list[str] = []

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] = "compact",
        *,
        device: str = "auto",
        torch_dtype: torch.dtype = torch.float32,
    ) -> Xray2MRIPipeline:
        """Load "compact" (shipped), a model folder, or a Hugging Face hub id; safetensors only.

        ``device`` is auto, cpu, cuda or mps. Raises InputError for an unknown model or device, ProcessingError for
        missing, truncated or altered files.
        """
        device = choose_device(device)
        folder = locate_model(model)
        checksums = verify_model(folder)
        pipeline = cls(**load_components(folder, torch_dtype))
        pipeline.model_card = checked_card(folder)
        pipeline.weights_sha256 = checksums
        pipeline.model_notes = notes_on(folder)
        pipeline.model_name = folder.name if Path(model).is_dir() else os.fspath(model)
        return pipeline.on_device(device)

    def on_device(self, device: str) -> Xray2MRIPipeline:
        """Move the networks to a device, in the memory layout that suits it."""
        self.to(device)
        # float32 convolutions on a CPU take up to five times as long in the default layout
        layout = torch.channels_last if device == "cpu" else torch.contiguous_format
        for network in (self.autoencoder, self.unet, self.radiograph_encoder):
            network.to(memory_format=layout)
        return self

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        half_precision: bool = False,
        eight_bit: bool = False,
        card: dict[str, Any] | None = None,
    ) -> None:
        """Write the model in diffusers' folder layout, with checksums. ``card`` replaces the model's own card.

        Weights are stored in float32, in float16 with ``half_precision``, or in int8 with ``eight_bit``
        (model_store.eight_bit_weights).
        """
        index = {key: value for key, value in self.config.items() if not key.startswith("_")}
        index |= {"_class_name": type(self).__name__, "_diffusers_version": self.config.get("_diffusers_version")}
        names = ("autoencoder", "unet", "radiograph_encoder", "scheduler")
        components = {name: getattr(self, name) for name in names}
        card = self.model_card if card is None else card
        write_model(Path(folder), components, index, card, half_precision=half_precision, eight_bit=eight_bit)

    def __call__(
        self,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        num_slices: int = 50,
        num_inference_steps: int = 20,
        *,
        koa: KoaProbabilities | None = None,
        seed: int | None = 0,
        generator: torch.Generator | None = None,
        guidance_scale: float | None = None,
        guidance_share: float | None = None,
        noise_scale: float | None = None,
        sampler: str = "ddim",
        noise: str = "shared",
        batch_size: int | None = None,
        callback: Callback | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> PseudoMRI:
        """A volume of ``num_slices`` synthetic coronal slices.

        Parameters
        ----------
        radiograph
            A PreparedRadiograph, or [1, 256, 256] in [-1, 1] in right-knee space.
        num_slices
            Number of depths over the fixed extent of 73.5 mm, 2 to 500 (the paper's s).
        num_inference_steps
            Denoising steps per slice, 1 to 1000.
        koa
            Grade probabilities p; None asks the shipped classifier, and without one takes a uniform p and notes it.
        seed, generator
            The same seed gives the same volume, whatever the batch size, to float32 rounding. None draws one. A
            generator, when given, supplies the seed.
        guidance_scale, guidance_share, noise_scale
            Classifier-free guidance, 0 to 20, 1 is off and faster (A19); the share of the steps that it concerns;
            spread of the noise that sampling begins with (diffusion.sampling_settings). None: what the model's card
            asks for, or else as printed, 1.
        sampler
            ``ddim`` (eq. 16) or ``dpm`` (DPM-Solver++, good with few steps).
        noise
            ``shared`` by all depths (A17), ``drifting`` along the depth or ``independent``
            (diffusion.initial_noise).
        batch_size
            Slices denoised together; None chooses by free memory. Halved when memory runs out.
        callback
            Receives {"stage", "step", "of", "fraction"} and, for each finished slice, {"stage": "slice", "depth_index",
            "file_index", "of", "u", "image"}, where image [H, W] in [0, 1] lies as in the volume.
        should_cancel
            Asked before every denoising step; True raises Cancelled.

        Raises InputError for choices or pictures out of range, ProcessingError when memory runs out.
        """
        started = time.monotonic()
        own = sampling_of_model(
            self.model_card, guidance_scale=guidance_scale, guidance_share=guidance_share, noise_scale=noise_scale
        )
        sampling = SamplingSettings(num_inference_steps, chosen_seed(seed, generator), sampler, noise, **own)
        check_integer("num_slices", num_slices, 2, 500)
        check_integer("batch_size", batch_size or 1, 1, 500)
        picture, mirrored, record = prepared_picture(radiograph)
        notes: list[str] = []
        koa = koa or self._grade(picture, notes)
        progress = SliceProgress(callback, num_slices, mirrored)
        progress.at("encode", 0, 1, 0.0)
        conditions = self._encoded(picture, koa)
        progress.at("encode", 1, 1, 0.01)

        slices = self._empty_slices(num_slices, mirrored, picture)
        self._fill(slices, range(num_slices), sampling, conditions, batch_size, progress, should_cancel, notes)
        provenance = build_provenance(
            model=self._described(),
            sampling={"num_slices": num_slices, **asdict(sampling)},
            radiograph={**record, "crop_sha256": picture_digest(picture)},
            koa={"values": list(koa.values), "source": koa.source},
            plausibility=record.get("plausibility"),
        )
        provenance["run"] = self._run_record(started, notes)
        return PseudoMRI.from_depth_slices(slices, mirrored, provenance)

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
        """The volume at another number of depths; depths that it already holds are copied, only the others computed.

        ``radiograph`` must be the one that the volume was made from, since the volume does not carry it; every choice
        is taken from the volume's provenance. With 2 n - 1 slices half of the work is saved. The result has no
        deviation. Raises InputError when radiograph or model are not the volume's.
        """
        started = time.monotonic()
        check_integer("num_slices", num_slices, 2, 500)
        check_integer("batch_size", batch_size or 1, 1, 500)
        picture, _, _ = prepared_picture(radiograph)
        sampling, koa = settings_from_provenance(volume, picture_digest(picture), self.weights_sha256)
        notes: list[str] = []
        progress = SliceProgress(callback, num_slices, volume.mirrored)
        progress.at("encode", 0, 1, 0.0)
        conditions = self._encoded(picture, koa)
        progress.at("encode", 1, 1, 0.01)
        slices = self._empty_slices(num_slices, volume.mirrored, picture)
        kept = shared_depths(depth_positions(volume.num_slices), depth_positions(num_slices))
        earlier = volume.depth_slices()
        for index, place in kept.items():
            slices[index] = earlier[place]
            progress.slice(index, slices[index])
        new = [index for index in range(num_slices) if index not in kept]
        self._fill(slices, new, sampling, conditions, batch_size, progress, should_cancel, notes)
        provenance = {
            **volume.provenance,
            "sampling": {"num_slices": num_slices, **asdict(sampling)},
            "run": {**self._run_record(started, notes), "slices_taken_over": len(kept)},
        }
        return PseudoMRI.from_depth_slices(slices, volume.mirrored, provenance)

    def sample_deviation(
        self,
        radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
        samples: int,
        *,
        seed: int = 0,
        koa: KoaProbabilities | None = None,
        callback: Callback | None = None,
        **choices: Any,
    ) -> PseudoMRI:
        """The volume of ``seed`` with the voxel-wise standard deviation over ``samples`` seeds from it on (section 8).

        ``samples`` is 2 to 100; ``choices`` are those of a call; see generation.uncertainty.
        """
        notes: list[str] = []
        koa = koa or self._grade(prepared_picture(radiograph)[0], notes)
        volume = sample_deviation(self, radiograph, samples, seed=seed, koa=koa, callback=callback, **choices)
        volume.provenance["run"]["notes"] += notes
        return volume

    def _fill(
        self,
        slices: np.ndarray,
        indices: Sequence[int],
        sampling: SamplingSettings,
        conditions: RadiographConditions,
        batch_size: int | None,
        progress: SliceProgress,
        should_cancel: Callable[[], bool] | None,
        notes: list[str],
    ) -> None:
        """Compute the slices [S, H, W] of the given depth indices in place."""
        if not indices:
            return
        depths = depth_positions(len(slices))[list(indices)]
        of_latent = conditions.latent.shape[-1]
        size = self.radiograph_encoder.config.slice_size
        if size < slices.shape[-1]:
            notes.append(f"The model draws slices of {size} x {size} pixels; the volume holds them enlarged.")
        loop = LoopProgress(progress, len(indices), sampling.steps)
        for batch, images in slice_loop(
            self.unet,
            self.autoencoder,
            self.scheduler,
            conditions,
            depths,
            sampling.noise_scale
            * initial_noise(depths, sampling.seed, sampling.noise, self.unet.config.out_channels, of_latent),
            num_inference_steps=sampling.steps,
            batch_size=batch_size or batch_size_for(self.unet, len(indices), latent_size=of_latent),
            sampler=sampling.sampler,
            guidance_scale=sampling.guidance_scale,
            guidance_share=sampling.guidance_share,
            on_step=loop.step,
            on_smaller_batch=lambda size: notes.append(
                f"Memory ran out; the work went on with {size} slice{'s' if size > 1 else ''} at a time."
            ),
            should_cancel=should_cancel or (lambda: False),
        ):
            for place, image in zip(batch, images.numpy(), strict=True):
                slices[indices[place]] = image
                progress.slice(indices[place], image)
            loop.batch_over(len(batch))

    def _encoded(self, picture: torch.Tensor, koa: KoaProbabilities) -> RadiographConditions:
        from ..conditions.intensity_histogram import intensity_histogram

        sizes = dict(zip(self.unet.config.condition_names, self.unet.config.condition_sizes, strict=True))
        known = {
            "p": lambda size: torch.tensor(koa.values, dtype=torch.float32),
            "i": lambda size: torch.as_tensor(intensity_histogram(picture.numpy(), bins=size), dtype=torch.float32),
        }
        unknown = sorted(set(sizes) - set(known))
        if unknown:
            raise ProcessingError(
                f"The model asks for the condition {unknown[0]!r}, which cannot be computed from a radiograph.",
                code="unknown-condition",
                hint="Use another model.",
            )
        vectors = {name: known[name](size) for name, size in sizes.items()}
        return encode_radiograph(self.autoencoder, self.radiograph_encoder, picture, vectors)

    def _grade(self, picture: torch.Tensor, notes: list[str]) -> KoaProbabilities:
        from ..conditions.koa_classifier import classify_koa

        try:
            return classify_koa(picture.numpy())
        except ProcessingError as error:
            if error.code != "missing-resource":
                raise
        notes.append(NO_CLASSIFIER_NOTE)
        return KoaProbabilities.uniform()

    def _empty_slices(self, num_slices: int, mirrored: bool, picture: torch.Tensor) -> np.ndarray:
        """[S, H, W] in depth order and right-knee space: a view whose reordering into the file's order is contiguous,
        so that the volume takes the memory over instead of copying it."""
        array = np.zeros((num_slices, *picture.shape[-2:]), np.float32)
        return array[::-1, :, ::-1] if mirrored else array[::-1]

    def _described(self) -> dict[str, Any]:
        return {**self.model_card, "name": self.model_name, "weights_sha256": self.weights_sha256}

    def _run_record(self, started: float, notes: list[str]) -> dict[str, Any]:
        return {
            "device": self.unet.device.type,
            "dtype": str(self.unet.dtype).removeprefix("torch."),
            "seconds": round(time.monotonic() - started, 3),
            "notes": [*self.model_notes, *notes],
        }
