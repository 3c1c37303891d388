"""``xray2mri info``: description of a model, its training data and its speed on this machine."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from ..volume.geometry import CROP_FRAME, OAI_FIELD
from .radiograph_arguments import add_json_argument
from .setting_options import add_setting
from .terminal import Terminal

if TYPE_CHECKING:
    from ..generation.volume_pipeline import VolumePipeline

_TIMED_STEPS = (2, 4)  # even, so that half of them can be guided


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_setting(parser, "model", positional=True)
    add_setting(parser, "device", help="compute device for the speed measurement")
    parser.add_argument("--no-timing", action="store_true", help="skip the speed measurement")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Print the description; the speed measurement takes a few seconds."""
    from ..device import describe_device
    from ..generation.pipeline_cache import PipelineCache
    from ..model_store.model_folder import locate_model
    from ..volume.provenance import notice, plain

    folder = locate_model(options.model)
    pipeline = PipelineCache().get(options.model, options.device)
    device = pipeline.device.type
    description: dict[str, Any] = {
        "model": pipeline.model_name,
        "size_mb": round(sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1e6, 2),
        "parameters": _parameters(pipeline),
        "card": plain(pipeline.model_card),
        "weights_sha256": pipeline.weights_sha256,
        "device": device,
        "device_name": describe_device(device),
        "speed": None if options.no_timing else measure_speed(pipeline),
        "notice": notice(),
    }
    if options.json:
        terminal.print_json(description)
        return
    for name, value in _lines(description):
        terminal.print(f"{name:<28} {value}")


def _parameters(pipeline: VolumePipeline) -> dict[str, int]:
    networks = {name: part for name, part in pipeline.components.items() if hasattr(part, "parameters")}
    return {name: sum(part.numel() for part in network.parameters()) for name, network in networks.items()}


def measure_speed(pipeline: VolumePipeline) -> dict[str, Any]:
    """Seconds per slice and step, per slice for the rest, and for 50 slices as calculated from these."""
    import numpy as np

    from ..conditions.koa_probabilities import KoaProbabilities
    from ..diffusion.batch_size import LARGEST_BATCH
    from ..diffusion.sampling_settings import SamplingSettings

    slices = LARGEST_BATCH.get(pipeline.device.type, 10)
    crop = np.zeros(CROP_FRAME.shape, np.float32)

    def seconds(steps: int) -> float:
        started = time.perf_counter()
        pipeline(crop, num_slices=slices, num_inference_steps=steps, koa=KoaProbabilities.uniform())
        return time.perf_counter() - started

    own = SamplingSettings().for_model(pipeline.model_card).num_inference_steps or 20
    seconds(1)  # first use: memory, kernels
    few, many = (seconds(steps) for steps in _TIMED_STEPS)
    per_step = max(many - few, 0.0) / (_TIMED_STEPS[1] - _TIMED_STEPS[0]) / slices
    rest = max(few / slices - per_step * _TIMED_STEPS[0], 0.0)
    return {
        "seconds_per_slice_and_step": round(per_step, 5),
        "seconds_per_slice_besides": round(rest, 5),
        "seconds_for_50_slices_at_20_steps": round(OAI_FIELD.num_slices * (20 * per_step + rest), 1),
        "seconds_for_50_slices_at_the_models_steps": round(OAI_FIELD.num_slices * (own * per_step + rest), 1),
    }


def _lines(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Nested dictionaries as (name, value) lines with names like ``outer inner``; lists become one line."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _lines(item, f"{name} {key}".strip().replace("_", " "))]
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return [] if value is None else [(name, f"{value:,}" if isinstance(value, int) else value)]
