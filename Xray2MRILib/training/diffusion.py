"""Train U and the radiograph encoder on the latents of simulated pairs (paper Algorithm 1).

The loss is in ``denoising_loss.py``, the recipe in ``recipes/diffusion.py``. E1 is frozen, so every knee is encoded
once (``latent_cache.py``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..diffusion.sampling_settings import check_sampling
from ..errors import InputError
from ..model_store.assembly import build_components
from ..model_store.clip_weights import load_clip_weights
from ..model_store.network_folder import load_network
from ..models.clip_tower import has_published_size
from ..models.diffusers_parts import AutoencoderKL
from .accumulation import accumulate_gradients, check_parts
from .data_origin import describe_pairs, describe_training_data
from .denoising_loss import Denoiser, batch_loss, drawn_batch, latent_scaling
from .export_model import assemble_model, origins
from .growing_latents import GrowingLatents
from .held_out_measures import held_out_losses, held_out_reconstruction, sampled_sheet
from .latent_cache import encode_held_out, encode_knees
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .memory_estimate import check_memory, estimate_memory
from .optimiser import rate_groups
from .precision import autocast
from .processes import Processes, join_processes
from .recipe import refuse
from .recipes.diffusion import DiffusionRecipe
from .run_setup import prepare_run
from .told_conditions import changes_with_told, check_told
from .warm_start import autoencoder_folder, holds_clip_tower, load_matching_weights, model_part


def train(recipe: DiffusionRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe; writes ``output``/unet, ``radiograph_encoder`` and ``scheduler`` in diffusers' layout.

    At the end it writes the whole model in half precision as ``output``/model. Returns {"held_out_loss",
    "other_film_loss"} on held-out knees at fixed noise and steps, with averaged weights, and their "step"; a run that
    ``minutes`` ended returns {"step", "steps"}. Raises InputError for an unusable recipe, pairs, autoencoder or
    checkpoint.
    """
    recipe = DiffusionRecipe.from_json(recipe)
    _check_sampling(recipe)
    processes = join_processes(recipe.device)
    if recipe.growing and processes.count > 1:
        raise refuse("growing", True, "false for several processes")
    check_parts(recipe.knees_per_batch, recipe.accumulation, processes.count)
    _tell_memory(recipe, processes)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=str(processes.device))
    parts = build_components(recipe.preset, method=recipe.method, **changes_with_told(recipe))
    autoencoder = autoencoder_folder(recipe.autoencoder)
    vae = load_autoencoder(autoencoder).to(device, memory_format=torch.channels_last).eval()
    encoder, scheduler = parts["radiograph_encoder"], parts["scheduler"]
    network = Denoiser(parts["unet"], encoder)
    _begin(network, recipe)
    tower = encoder.take_tower()  # frozen: it is needed to encode the radiographs and in the finished model
    network = network.to(device, memory_format=torch.channels_last)
    trainer = EmaTrainer(
        network, LoopSettings.of(recipe), output, resume=resume, parameter_groups=_groups(network, recipe),
        processes=processes,
    )  # fmt: skip
    # recorded now: the files may be others when the training ends
    trained_from = trainer.progress.setdefault("trained_from", origins(autoencoder, recipe.initial))
    origin = describe_training_data(describe_pairs(Path(recipe.data)), autoencoder, recipe.initial)
    learnt = trainer.progress.setdefault("training_data", {"training_data": origin.text, "licence": origin.licence})
    precision = trainer.precision(_trial(network, device))
    cast = partial(autocast, device, precision)
    with encoder.with_tower(tower), processes.first_one_first():
        encoding: dict[str, Any] = {"vae": vae, "encoder": encoder, "cast": cast, "device": device}
        growing = GrowingLatents(recipe, output, **encoding) if recipe.growing else None
        if growing is not None:
            knees, held_out = growing.current(), encode_held_out(recipe, output, **encoding)
        else:
            knees, held_out = encode_knees(recipe, output, **encoding)
    check_told(recipe, knees, held_out)
    print(f"{len(knees)} knees, {precision} on {device}", flush=True)
    if recipe.gradient_checkpointing:
        network.unet.enable_gradient_checkpointing()
    if recipe.compile:
        network.unet.compile()
    schedule = {"scheduler": scheduler, "scaled": latent_scaling(vae.config, device)}
    loss_of = partial(batch_loss, min_snr_gamma=recipe.min_snr_gamma, **schedule)
    draw_of = partial(drawn_batch, scheduler=scheduler, recipe=recipe)
    draw_held_out = partial(draw_of, held_out)

    def measure() -> dict[str, float]:
        found = held_out_losses(network, loss_of, draw_held_out, cast)
        if recipe.monitor_reconstruction:
            found |= held_out_reconstruction(network, vae, draw_held_out, cast, **schedule)
        return found

    shared = processes.shared(network)
    log = TrainingLog(output, recipe.log_every, recipe.steps, writes=processes.is_first)
    with log, growing or contextlib.nullcontext():
        for step in trainer.steps():
            if growing is not None:
                knees = growing.current()
            batch = draw_of(knees, generator=step_generator(recipe.seed, step, device))
            loss = accumulate_gradients(loss_of, shared, batch, recipe.accumulation, processes, cast)
            trainer.update()
            log.loss(step + 1, loss)
            if trainer.save_due:
                if processes.is_first:
                    with trainer.averaged():
                        metrics = measure()
                        log.scalars(step + 1, metrics)
                        sheet = sampled_sheet(network, vae, scheduler, held_out, cast, device)
                        log.picture(step + 1, "held-out", sheet)
                        if trainer.record_validation(metrics["held_out_loss"]):
                            _write(network, tower, scheduler, output, {"step": step + 1, **metrics})
                    print(f"step {step + 1} held out {json.dumps(metrics)}", flush=True)
                trainer.save()
    if growing is not None:
        growing.save()
    if not trainer.finished:
        if growing is not None:  # on a machine that is lent, this piece may be the last one
            with trainer.averaged():
                _write(network, tower, scheduler, output, {"step": trainer.progress["step"]})
        return trainer.report_stop()
    if not processes.is_first:
        return {}
    # Measured and written once more, since a run may have been killed between its last checkpoint and this line.
    metrics = {"step": trainer.load_best(), **measure()}
    _write(network, tower, scheduler, output, metrics)
    assemble_model(autoencoder, output, output / "model", recipe, trained_from, learnt)
    return metrics


def _tell_memory(recipe: DiffusionRecipe, processes: Processes) -> None:
    """Print what the training needs at least, and refuse it where that is not there."""
    with torch.device("meta"):
        parts = build_components(recipe.preset, method=recipe.method, **changes_with_told(recipe))
    estimate = estimate_memory(
        parts, optimiser=recipe.optimiser, ema_on_host=recipe.ema_on_host, processes=processes.count
    )
    print(estimate.sentence(), flush=True)
    check_memory(estimate, processes.device, processes.count)


def _groups(network: Denoiser, recipe: DiffusionRecipe) -> list[dict[str, Any]] | None:
    """The parameters in two groups when the recipe gives the added parts a rate of their own (A14)."""
    if recipe.added_learning_rate is None:
        return None
    factor = recipe.added_learning_rate / recipe.learning_rate
    return rate_groups(network, factor, recipe.initial is not None and holds_clip_tower(recipe.initial))


def _begin(network: Denoiser, recipe: DiffusionRecipe) -> None:
    """Load the weights that the training begins from: the initial model's and CLIP's published ones."""
    if recipe.initial:
        copied = load_matching_weights(network.unet, model_part(recipe.initial, "unet"))
        copied += load_matching_weights(network.encoder, model_part(recipe.initial, "radiograph_encoder"))
        print(f"{copied} of {len(network.state_dict())} tensors copied", flush=True)
    if network.encoder.config.token_encoder == "clip" and not (recipe.initial and holds_clip_tower(recipe.initial)):
        if has_published_size(network.encoder.clip_visual):
            load_clip_weights(network.encoder.clip_visual, Path(recipe.clip_weights) if recipe.clip_weights else None)


def _check_sampling(recipe: DiffusionRecipe) -> None:
    try:
        check_sampling(recipe.sampling)
    except InputError as error:
        raise InputError(
            f"The entry sampling of the recipe cannot be used: {error}",
            code="bad-recipe",
            hint="Give null or other values.",
            field="sampling",
        ) from error


def _trial(network: Denoiser, device: torch.device) -> Callable[[], Tensor]:
    """A forward pass of U on eight slices, to compare precisions."""
    places = network.encoder.config.slice_size // 8
    probe = torch.zeros(8, network.unet.config.in_channels, places, places, device=device)
    probe = probe.to(memory_format=torch.channels_last)
    config = network.unet.config
    sizes = zip(config.condition_names, config.condition_sizes, strict=True)
    uniform = {name: torch.full((8, size), 1 / size, device=device) for name, size in sizes}
    return partial(network.unet, probe, 10, torch.zeros(8, device=device), uniform)


def load_autoencoder(folder: Path) -> AutoencoderKL:
    """What ``train autoencoder`` wrote. Raises InputError when the folder does not hold it."""
    try:
        return load_network(AutoencoderKL, folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"The folder {folder.name} holds no autoencoder.",
            code="bad-recipe",
            hint="Train an autoencoder first and give its folder, or compact for the shipped one.",
            field="autoencoder",
        ) from error


def _write(network: Denoiser, tower: nn.Module | None, scheduler: Any, output: Path, metrics: dict[str, Any]) -> None:
    network.unet.save_pretrained(output / "unet", safe_serialization=True)
    with network.encoder.with_tower(tower):
        network.encoder.save_pretrained(output / "radiograph_encoder", safe_serialization=True)
    scheduler.save_pretrained(output / "scheduler")
    (output / "diffusion_metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
