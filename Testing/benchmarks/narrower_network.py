"""Would a U-Net of half the channels pay beside four steps? Shares of a warm volume, and an untrained one in its place.

    python Testing/benchmarks/narrower_network.py -o docs/results/narrower_network.json

One process generates a volume with the model's own steps once to warm up, then as the model is and with an untrained
U-Net of half the channels, in turn. Processor seconds of one thread, medians over the rounds: other programs on the
machine change them less than the clock's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from result_file import write_result
from torch import nn

from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.generation.volume_from_radiograph import PipelineCache, generate
from Xray2MRILib.models.conditional_unet import Xray2MRIUNet

ROOT = Path(__file__).resolve().parents[2]


class _Watch:
    """Processor seconds within one method of a network."""

    def __init__(self, network: nn.Module, name: str) -> None:
        self.seconds, self.calls = 0.0, 0
        method: Callable[..., Any] = getattr(network, name)

        def timed(*values: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return method(*values, **named)
            finally:
                self.seconds += time.process_time() - began
                self.calls += 1

        setattr(network, name, timed)


def half_as_wide(unet: Xray2MRIUNet) -> Xray2MRIUNet:
    """An untrained U-Net with half the channels at every level."""
    config = {name: value for name, value in unet.config.items() if not name.startswith("_")}
    config["block_out_channels"] = tuple(channels // 2 for channels in config["block_out_channels"])
    config["norm_num_groups"] = max(config["norm_num_groups"] // 2, 1)
    return Xray2MRIUNet(**config).to(unet.device, unet.dtype).eval()


def seconds_of_parts(radiograph: Path, settings: GenerationSettings, pipelines: PipelineCache) -> dict[str, float]:
    """Processor seconds of one warm volume: in all, in the U-Net, in the decoder, and the rest."""
    pipeline = pipelines.get(settings.model, settings.device, settings.precision)
    unet, decoder = _Watch(pipeline.unet, "forward"), _Watch(pipeline.autoencoder, "decode")
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        generate(radiograph, Path(folder) / "knee.nrrd", settings, pipelines=pipelines)
        total = time.process_time() - began
    for network, name in ((pipeline.unet, "forward"), (pipeline.autoencoder, "decode")):
        delattr(network, name)  # the class's own again
    rest = total - unet.seconds - decoder.seconds
    return {"total": total, "unet": unet.seconds, "decoder": decoder.seconds, "rest": rest, "unet calls": unet.calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--radiograph", type=Path, default=ROOT / "Resources/samples/knee_single.webp")
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings, pipelines = GenerationSettings(num_slices=arguments.slices), PipelineCache()
    pipeline = pipelines.get(settings.model, settings.device, settings.precision)
    networks = {"as it is": pipeline.unet, "half the channels, untrained": half_as_wide(pipeline.unet)}
    seconds_of_parts(arguments.radiograph, settings, pipelines)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in networks}
    for _ in range(arguments.rounds):
        for name, network in networks.items():
            pipeline.register_modules(unet=network)
            found[name].append(seconds_of_parts(arguments.radiograph, settings, pipelines))
    figures: dict[str, Any] = {
        name: {part: round(median(run[part] for run in runs), 3) for part in runs[0]} for name, runs in found.items()
    }
    for name, network in networks.items():
        figures[name]["weights"] = sum(weight.numel() for weight in network.parameters())
    print(json.dumps(figures, indent=1))
    if arguments.output:
        write_result(
            arguments.output, command="python Testing/benchmarks/narrower_network.py -o FILE",
            settings={"slices": arguments.slices, "steps": "the model's own", "rounds": arguments.rounds,
                      "precision": str(pipeline.unet.dtype).removeprefix("torch."), "threads": 1}, figures=figures,
        )  # fmt: skip


if __name__ == "__main__":
    main()
