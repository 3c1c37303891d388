"""Times of the sampling itself, with the model already loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from measurement import Bench, Measurement

from Xray2MRILib.conditions.koa_classifier import classify_koa
from Xray2MRILib.diffusion.initial_noise import initial_noise
from Xray2MRILib.diffusion.radiograph_conditions import unpack_crop
from Xray2MRILib.diffusion.sampling_settings import PAPER_DEFAULTS
from Xray2MRILib.diffusion.slice_loop import slice_loop_as_printed
from Xray2MRILib.volume.geometry import depth_positions


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def volume_time(bench: Bench) -> Iterator[Measurement]:
    """Algorithm 2 as printed (slice by slice, classifier and encoders anew for each) against the batched loop."""
    pipeline = bench.pipeline
    picture, _, _ = unpack_crop(bench.picture)
    depths = depth_positions(bench.slices)

    def as_printed() -> int:
        slices = slice_loop_as_printed(
            pipeline.unet,
            pipeline.autoencoder,
            pipeline.scheduler,
            lambda: pipeline.encode(picture, classify_koa(picture.numpy())),
            depths,
            initial_noise(depths, seed=0, noise="shared", channels=pipeline.unet.config.out_channels),
            num_inference_steps=bench.steps,
        )
        return sum(1 for _ in slices)

    batched, _ = _timed(lambda: pipeline(bench.picture, bench.slices, bench.steps))
    unguided, _ = _timed(lambda: pipeline(bench.picture, bench.slices, bench.steps, **PAPER_DEFAULTS))
    printed, count = _timed(as_printed)
    assert count == bench.slices
    size = f"{bench.slices} slices, {bench.steps} steps"
    yield Measurement(f"volume, {size}, batched", f"{batched:.1f} s", "under 30 s on two cores")
    yield Measurement(f"volume, {size}, batched, without guidance", f"{unguided:.1f} s")
    yield Measurement(f"volume, {size}, the paper's loop as printed", f"{printed:.1f} s")
    yield Measurement("ratio, the loop as printed to batched", f"{printed / unguided:.2f}", "above 1")


def first_slice(bench: Bench) -> Iterator[Measurement]:
    """From the call to the first final slice."""
    at: list[float] = []
    started = time.perf_counter()

    def listen(event: dict[str, Any]) -> None:
        if event["stage"] == "slice" and not at:
            at.append(time.perf_counter() - started)

    bench.pipeline(bench.picture, bench.slices, bench.steps, callback=listen)
    whole = time.perf_counter() - started
    yield Measurement("first slice shown", f"{at[0]:.1f} s")
    yield Measurement("ratio, first slice to whole volume", f"{at[0] / whole:.2f}", "below 1")


def densify_cost(bench: Bench) -> Iterator[Measurement]:
    """50 slices made denser to 99 against 99 slices generated."""
    few, many = bench.slices, 2 * bench.slices - 1
    coarse = bench.pipeline(bench.picture, few, bench.steps)
    denser, _ = _timed(lambda: bench.pipeline.densify(coarse, many, radiograph=bench.picture))
    anew, _ = _timed(lambda: bench.pipeline(bench.picture, many, bench.steps))
    yield Measurement(f"densify {few} to {many} slices", f"{denser:.1f} s")
    yield Measurement(f"generate {many} slices", f"{anew:.1f} s")
    yield Measurement("ratio, densify to generating", f"{denser / anew:.2f}", "about 0.5")
