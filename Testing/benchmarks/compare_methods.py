"""Train every system with one budget and make the table of them all; goes on where an earlier call broke off.

    python Testing/benchmarks/compare_methods.py --pairs runs/pairs --held-out runs/held-out \\
        --autoencoder runs/autoencoder/autoencoder -o runs/methods

The defaults are the reduced run of docs/comparison-of-methods.md. ``--steps 3500 --knees-trained 0 --slices 50
--knees-measured 60`` with ``--ablations`` is the full one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("xray2mri", "x-diffusion", "cola-diff", "ldm")
ABLATIONS = ("without-p", "without-i", "without-p-and-i", "without-adaptive-weight", "broadcast-weight",
             "without-depth", "without-token", "without-features")  # fmt: skip


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
    add("--steps", type=int, default=400)
    add("--knees-trained", type=int, default=120, help="0 for all")
    add("--knees-measured", type=int, default=20)
    add("--slices", type=int, choices=(8, 50), default=8)
    add("--denoising-steps", type=int, default=10)
    add("--ablations", action="store_true")
    add("--threads", type=int, default=0)
    arguments = parser.parse_args()

    paths = (arguments.pairs, arguments.held_out, arguments.autoencoder, arguments.output)
    pairs, held_out, autoencoder, output = (path.resolve() for path in paths)
    shared = {
        "data": pairs, "held_out": held_out, "preset": arguments.preset, "steps": arguments.steps,
        "knees": arguments.knees_trained or "null", "threads": arguments.threads, "variants": 1,
        "save_every": max(arguments.steps // 4, 1),
    }  # fmt: skip
    if not arguments.knees_trained:
        del shared["variants"]  # as the recipe has it
    rows = []
    for method in (*SYSTEMS, *(ABLATIONS if arguments.ablations else ())):
        folder = output / method
        rows += ["--method", f"{method}={folder / 'model'}"]
        if not (folder / "model" / "checksums.json").exists():
            own = settings(**shared, autoencoder=autoencoder, latents=output / "latents")
            xray2mri("train", "diffusion", "--method", method, "-o", folder, "--resume", *own)
    folder = output / "cae"
    rows += ["--method", f"CAE generator={folder / 'model'}"]
    if not (folder / "model" / "model_index.json").exists():
        xray2mri("train", "cae", "-o", folder, "--resume", *settings(**shared))
    xray2mri(
        "benchmark", "-o", output / "benchmark", "--pairs", held_out, "--training", pairs, *rows,
        "--knees", arguments.knees_measured, "--slices", arguments.slices, "--steps", arguments.denoising_steps,
        "--densities", "30,50,100" if arguments.slices == 8 else "30,50,100,200,300,400,500", "--density-knees", 1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
