"""Speed and memory of the paper's model on a GPU: steps of the U-Net in bfloat16, with and without torch.compile, and
whole volumes.

    python Testing/benchmarks/paper_preset_gpu.py -o paper_preset.json

Weights are random: speed does not depend on their values. On a processor it rehearses the same steps at the size
``tiny``. The JSON names the card; a figure that was not measured is null.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities  # noqa: E402
from Xray2MRILib.device import choose_device, describe_device  # noqa: E402
from Xray2MRILib.diffusion.precision import autocast, choose_precision  # noqa: E402
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline  # noqa: E402
from Xray2MRILib.model_store.assembly import build_components  # noqa: E402
from Xray2MRILib.models.conditional_unet import Xray2MRIUNet  # noqa: E402
from Xray2MRILib.models.presets import PRESETS, UNET  # noqa: E402

# dense bfloat16 tensor throughput in TFLOP/s by the makers' data sheets; a part of the card's name
PEAK_TFLOPS = {"H200": 989.0, "H100 PCIe": 756.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.0}
LATENT = 32
STEPS = (4, 20)


@dataclass
class Bench:
    """Where and how large."""

    device: str
    precision: str
    preset: str
    repeats: int
    peak_tflops: float | None

    def timed(self, step: Callable[[], object], repeats: int | None = None) -> dict[str, Any]:
        """Median seconds of ``step`` after warming up, and the largest memory of the device meanwhile in GB."""
        for _ in range(2):
            step()
        self._wait()
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.device)
        runs = []
        for _ in range(repeats or self.repeats):
            began = time.perf_counter()
            step()
            self._wait()
            runs.append(time.perf_counter() - began)
        memory = torch.cuda.max_memory_allocated(self.device) / 1e9 if self.device.startswith("cuda") else None
        return {"seconds": statistics.median(runs), "largest_memory_gb": memory}

    def share_of_peak(self, found: dict[str, Any], flops: int) -> dict[str, Any]:
        """``found`` with the arithmetic of a step and its share of the card's peak."""
        tflops = flops / found["seconds"] / 1e12
        share = None if self.peak_tflops is None else tflops / self.peak_tflops
        return {**found, "tflop_of_step": flops / 1e12, "tflops": tflops, "share_of_peak": share}

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)


def unet_inputs(unet: Xray2MRIUNet, slices: int, device: str) -> tuple[Any, ...]:
    """Random arguments of the U-Net for a batch of slices."""
    c = unet.config
    vectors = {
        n: torch.rand(slices, s, device=device) for n, s in zip(c.condition_names, c.condition_sizes, strict=True)
    }
    return (
        torch.randn(slices, c.in_channels, LATENT, LATENT, device=device),
        torch.full((slices,), 500, device=device),
        torch.linspace(-1, 1, slices, device=device),
        vectors,
        torch.randn(slices, 1, c.cross_attention_dim, device=device),
    )


def drawn_unet(bench: Bench) -> Xray2MRIUNet:
    """The U-Net with random weights, drawn on the device itself, which takes a moment instead of many seconds."""
    with torch.device(bench.device):
        return Xray2MRIUNet(**UNET[bench.preset])


def forward_step(bench: Bench, slices: int, compiled: bool) -> dict[str, Any]:
    """One pass of the U-Net over a batch, as in one denoising step without guidance."""
    unet = drawn_unet(bench).eval()
    given = unet_inputs(unet, slices, bench.device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        unet(*given)
    network: Callable[..., torch.Tensor] = torch.compile(unet) if compiled else unet

    # no_grad, not inference_mode: a compiled network keeps its guards on parameters
    @torch.no_grad()
    def step() -> None:
        with autocast(bench.precision, bench.device):
            network(*given)

    return {"slices": slices, **bench.share_of_peak(bench.timed(step), counter.get_total_flops())}


def training_step(bench: Bench, slices: int, compiled: bool) -> dict[str, Any]:
    """Forward, backward, clipping and AdamW of the U-Net alone; latents and tokens are kept by training."""
    unet = drawn_unet(bench).train()
    given = unet_inputs(unet, slices, bench.device)
    target = torch.randn(slices, unet.config.out_channels, LATENT, LATENT, device=bench.device)
    optimiser = torch.optim.AdamW(unet.parameters(), 1e-6, fused=bench.device.startswith("cuda"))
    with FlopCounterMode(display=False) as counter:
        unet(*given).square().mean().backward()
    optimiser.zero_grad()
    network: Callable[..., torch.Tensor] = torch.compile(unet) if compiled else unet

    def step() -> None:
        with autocast(bench.precision, bench.device):
            prediction = network(*given)
        torch.nn.functional.mse_loss(prediction.float(), target).backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return {"slices": slices, **bench.share_of_peak(bench.timed(step), counter.get_total_flops())}


def volumes(bench: Bench, slices: int) -> dict[str, Any]:
    """Seconds of a whole volume at few and at the usual number of steps, decoding included."""
    changes = {"radiograph_encoder": {"token_encoder": "none"}}  # CLIP's tower is no part of these steps
    pipeline = Xray2MRIPipeline(**build_components(bench.preset, **changes)).on_device(bench.device)
    pipeline.precision = bench.precision  # also where a trial would choose another one
    crop = torch.zeros(1, 256, 256)
    found = {}
    for steps in STEPS:
        found[f"{steps} steps"] = bench.timed(
            lambda steps=steps: pipeline(crop, slices, steps, koa=KoaProbabilities.uniform(), guidance_scale=1.0),
            repeats=1,
        )
    return {"slices": slices, **found}


@contextlib.contextmanager
def freed(bench: Bench) -> Iterator[None]:
    """Gives the memory of one measurement back before the next."""
    yield
    if bench.device.startswith("cuda"):
        torch.cuda.empty_cache()


def measure(
    bench: Bench, slices: int, batch: int, compile_too: bool, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """All figures as plain values. What fails is named in its place; the other figures are kept.

    ``keep`` gets what there is after every figure, so that a run that is cut off loses only the figure it was at. What
    is compiled comes last, since compiling takes minutes.
    """
    result: dict[str, Any] = {
        "card": describe_device(bench.device),
        "device": bench.device,
        "preset": bench.preset,
        "precision": bench.precision,
        "peak_tflops": bench.peak_tflops,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "measured_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    jobs: dict[str, Callable[[], dict[str, Any]]] = {}
    jobs["forward_step"] = lambda: forward_step(bench, slices, False)
    jobs["training_step"] = lambda: training_step(bench, batch, False)
    jobs["volume"] = lambda: volumes(bench, slices)
    if compile_too:
        jobs["forward_step_compiled"] = lambda: forward_step(bench, slices, True)
        jobs["training_step_compiled"] = lambda: training_step(bench, batch, True)
    for name, job in jobs.items():
        with freed(bench):
            try:
                result[name] = job()
            except Exception as error:
                result[name] = {
                    "failed": f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
                }
        print(f"{name}: {json.dumps(result[name])}", file=sys.stderr, flush=True)
        keep(result)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--preset", choices=PRESETS, help="default: paper on a GPU, tiny elsewhere")
    add("--device", default="auto")
    add("--precision", default="bf16", choices=("fp32", "bf16", "fp16"))
    add("--slices", type=int, default=50, help="slices of a volume and of a forward step (default: 50)")
    add("--batch", type=int, default=16, help="slices of a training step (default: 16)")
    add("--repeats", type=int, default=10, help="timed runs of a step (default: 10)")
    add("--no-compile", action="store_true", help="leave torch.compile out")
    add("--peak-tflops", type=float, help="dense throughput of the card in this format, where its name is unknown")
    add("-o", "--output", type=Path, help="file for the JSON; default: stdout")
    options = parser.parse_args(arguments)
    device = choose_device(options.device)
    card = describe_device(device)
    known = (
        next((peak for name, peak in PEAK_TFLOPS.items() if name in card), None)
        if options.precision != "fp32"
        else None
    )
    bench = Bench(
        device,
        choose_precision(options.precision, device),
        options.preset or ("paper" if device.startswith("cuda") else "tiny"),
        options.repeats,
        options.peak_tflops or known,
    )
    torch.manual_seed(0)

    def keep(result: dict[str, Any]) -> None:
        if options.output is not None:
            unfinished = options.output.with_name(options.output.name + ".tmp")
            unfinished.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            unfinished.replace(options.output)

    result = measure(bench, options.slices, options.batch, not options.no_compile, keep)
    if options.output is None:
        print(json.dumps(result, indent=1))
    return 1 if '"failed"' in json.dumps(result) else 0


if __name__ == "__main__":
    sys.exit(main())
