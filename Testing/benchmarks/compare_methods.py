"""Train every system with one budget and make the table of them all; goes on where an earlier call broke off.

    python Testing/benchmarks/compare_methods.py --pairs runs/pairs --held-out runs/held-out \\
        --autoencoder runs/autoencoder/autoencoder -o runs/methods

First one depth-only network is trained for ``--base-steps``: what the published base weights are to the paper,
knowledge of slices without any of radiographs. Every system then begins from it and is trained for ``--steps`` (LDM
too, for which that is more of the same). The defaults are the reduced run of docs/comparison-of-methods.md.
``--steps 3500 --base-steps 2000 --variants 2 --slices 50 --knees-measured 60`` is the full one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from Xray2MRILib.methods.registry import method_named

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("xray2mri", "x-diffusion", "cola-diff", "ldm")
ABLATIONS = ("without-p", "without-i", "without-adaptive-weight", "without-depth", "without-token")
MORE_ABLATIONS = ("without-p-and-i", "broadcast-weight", "without-features")
BASE = "ldm"
KNEES, DEPTHS = 4, 4  # of one step: films cost as much as slices, so that few of them with more slices learn faster


def xray2mri(*arguments: object) -> None:
    """Run one command of this checkout to its end; a failure ends the comparison."""
    words = [str(argument) for argument in arguments]
    print("xray2mri", *words, flush=True)
    subprocess.run([sys.executable, "-m", "Xray2MRILib", *words], cwd=ROOT, check=True)


def settings(**entries: object) -> list[str]:
    """``--set`` for every entry."""
    return [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--pairs", type=Path, required=True)
    add("--held-out", type=Path, required=True)
    add("--autoencoder", type=Path, required=True)
    add("-o", "--output", type=Path, required=True)
    add("--preset", default="compact")
    add("--base-steps", type=int, default=600, help="0: every system begins from chance")
    add("--steps", type=int, default=300)
    add("--knees-trained", type=int, default=0, help="0 for all")
    add("--variants", type=int, default=1, help="bent versions of each knee")
    add("--knees-measured", type=int, default=20)
    add("--slices", type=int, choices=(8, 50), default=8)
    add("--denoising-steps", type=int, default=10)
    add("--ablations", choices=("none", "paper", "all"), default="paper")
    add("--latents", type=Path, help="encoded knees of an earlier run (default: in the output)")
    add("--threads", type=int, default=0)
    arguments = parser.parse_args()

    paths = (arguments.pairs, arguments.held_out, arguments.autoencoder, arguments.output)
    pairs, held_out, autoencoder, output = (path.resolve() for path in paths)
    shared = {
        "data": pairs, "held_out": held_out, "preset": arguments.preset, "threads": arguments.threads,
        "knees": arguments.knees_trained or "null", "variants": arguments.variants,
    }  # fmt: skip
    latents = (arguments.latents or output / "latents").resolve()

    def train(method: str, folder: Path, steps: int, initial: Path | str) -> None:
        if not (folder / "model" / "checksums.json").exists():
            every = max(steps // 4, 1)
            own = settings(
                **shared, autoencoder=autoencoder, latents=latents, steps=steps, save_every=every, initial=initial,
                knees_per_batch=KNEES, depths_per_knee=DEPTHS, warm_up_steps=50,
            )  # fmt: skip
            xray2mri("train", "diffusion", "--method", method, "-o", folder, "--resume", *own)

    initial: Path | str = "null"
    if arguments.base_steps:
        initial = output / "base"
        train(BASE, initial, arguments.base_steps, "null")
    chosen = {"none": (), "paper": ABLATIONS, "all": ABLATIONS + MORE_ABLATIONS}[arguments.ablations]
    rows = []
    for method in (*SYSTEMS, *chosen):
        train(method, output / method, arguments.steps, initial)
        rows += ["--method", f"{method_named(method).title}={output / method / 'model'}"]
    folder = output / "cae"
    rows += ["--method", f"CAE generator={folder / 'model'}"]
    if not (folder / "model" / "model_index.json").exists():
        # as many steps and knees a step as the others have in all; but of each knee it sees all fifty slices
        own = settings(**shared, steps=arguments.base_steps + arguments.steps, save_every=250, batch_size=KNEES)
        xray2mri("train", "cae", "-o", folder, "--resume", *own)
    xray2mri(
        "benchmark", "-o", output / "benchmark", "--pairs", held_out, "--training", pairs, *rows,
        "--knees", arguments.knees_measured, "--slices", arguments.slices, "--steps", arguments.denoising_steps,
        "--densities", "30,50,100" if arguments.slices == 8 else "30,50,100,200,300,400,500", "--density-knees", 1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
