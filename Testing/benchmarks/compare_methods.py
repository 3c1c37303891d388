"""Train every system with one budget and make the table of them all; goes on where an earlier call broke off.

    python Testing/benchmarks/compare_methods.py --pairs runs/pairs --held-out runs/held-out \\
        --autoencoder compact -o runs/methods --jobs 2

First one depth-only network is trained for ``--base-steps``: what the published base weights are to the paper,
knowledge of slices without any of radiographs. Every system then begins from it and is trained for ``--steps`` (LDM
too, for which that is more of the same). The defaults are the reduced run of docs/comparison-of-methods.md, at half the
resolution. ``--recipe default --base-steps 2000 --steps 3500 --cae-steps 3500 --slices 50 --knees-measured 60`` is the
full one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from Xray2MRILib.baselines.registry import find_method
from Xray2MRILib.files.resources import resource_path

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("xray2mri", "x-diffusion", "cola-diff", "ldm")
ABLATIONS = (
    "without-p", "without-i", "without-adaptive-weight", "without-depth", "without-token", "without-features",
)  # fmt: skip
MORE_ABLATIONS = ("without-p-and-i", "broadcast-weight")
BASE = "ldm"
CAE = "CAE generator"


def xray2mri(*arguments: object, log: Path | None = None) -> None:
    """Run one command of this checkout to its end, its lines in ``log``; a failure ends the comparison."""
    words = [str(argument) for argument in arguments]
    print("xray2mri", *words, flush=True)
    command = [sys.executable, "-m", "Xray2MRILib", *words]
    if log is None:
        subprocess.run(command, cwd=ROOT, check=True)
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        if subprocess.run(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT).returncode:
            raise SystemExit(f"The command failed; its last words are in {log}.")


def settings(**entries: object) -> list[str]:
    """``--set`` for every entry."""
    return [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]


def config(recipe: str, network: str) -> list[str]:
    """``--config`` for a network; nothing where the set of recipes holds none for it."""
    file = resource_path("recipes") / recipe / f"{network}.json"
    return ["--config", recipe] if file.exists() else []


def parsed() -> argparse.Namespace:
    """The options; paths are absolute, because the commands run in the checkout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--pairs", type=Path, required=True)
    add("--held-out", type=Path, required=True)
    add("--autoencoder", required=True, help="folder that train autoencoder wrote, or compact: the shipped one")
    add("-o", "--output", type=Path, required=True)
    add("--recipe", default="compact-half", help="a shipped set of recipes, or default (whole resolution)")
    add("--preset", default="compact")
    add("--base-steps", type=int, default=1500, help="0: every system begins from chance")
    add("--steps", type=int, default=2500)
    add("--cae-steps", type=int, default=500, help="of four whole volumes; 0 leaves the CAE generator out")
    add("--methods", nargs="+", default=[*SYSTEMS, *ABLATIONS], choices=[*SYSTEMS, *ABLATIONS, *MORE_ABLATIONS])
    add("--knees-trained", type=int, default=0, help="0 for all")
    add("--knees-measured", type=int, default=60)
    add("--slices", type=int, choices=(8, 50), default=8)
    add("--denoising-steps", type=int, default=20)
    add("--densities", default="30,50,100,200,300,400,500")
    add("--density-knees", type=int, default=1)
    add("--latents", type=Path, help="encoded knees of an earlier run (default: in the output)")
    add("--jobs", type=int, default=1, help="trainings at a time, one thread each when there are several")
    add("--precision", default="auto", help="give one when several trainings run: a trial under load misleads")
    arguments = parser.parse_args()
    if arguments.recipe != "default" and not config(arguments.recipe, "diffusion"):
        parser.error(f"there is no shipped set of recipes named {arguments.recipe!r}")
    if arguments.autoencoder != "compact":
        arguments.autoencoder = Path(arguments.autoencoder).resolve()
    arguments.latents = arguments.latents or arguments.output / "latents"
    for name in ("pairs", "held_out", "output", "latents"):
        setattr(arguments, name, getattr(arguments, name).resolve())
    return arguments


def main() -> None:
    arguments = parsed()
    output = arguments.output
    shared = {
        "data": arguments.pairs, "held_out": arguments.held_out, "preset": arguments.preset,
        "knees": arguments.knees_trained or "null", "precision": arguments.precision,
        "threads": 1 if arguments.jobs > 1 else 0, "minutes": "null",
    }  # fmt: skip
    recipes = {network: config(arguments.recipe, network) for network in ("diffusion", "cae")}

    def train(method: str, folder: Path, steps: int, initial: Path | str) -> None:
        if not (folder / "model" / "checksums.json").exists():
            own = settings(
                **shared, autoencoder=arguments.autoencoder, latents=arguments.latents, steps=steps, initial=initial
            )
            words = ("train", "diffusion", *recipes["diffusion"], "--method", method, "-o", folder, "--resume", *own)
            xray2mri(*words, log=folder.with_suffix(".log"))

    def train_cae(folder: Path) -> None:
        if not (folder / "model" / "model_index.json").exists():
            own = settings(**shared, steps=arguments.cae_steps)
            xray2mri("train", "cae", *recipes["cae"], "-o", folder, "--resume", *own, log=folder.with_suffix(".log"))

    initial: Path | str = "null"
    if arguments.base_steps:
        initial = output / "base"
        train(BASE, initial, arguments.base_steps, "null")
    rows = {find_method(method).title: output / method for method in arguments.methods}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        work = [pool.submit(train, method, output / method, arguments.steps, initial) for method in arguments.methods]
        if arguments.cae_steps:
            rows[CAE] = output / "cae"
            work.append(pool.submit(train_cae, rows[CAE]))
        try:
            for one in as_completed(work):
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # those that run come to their ends, no other begins
            raise
    xray2mri(
        "benchmark", "-o", output / "benchmark", "--pairs", arguments.held_out, "--training", arguments.pairs,
        *(word for title, folder in rows.items() for word in ("--method", f"{title}={folder / 'model'}")),
        "--knees", arguments.knees_measured, "--slices", arguments.slices, "--steps", arguments.denoising_steps,
        "--densities", arguments.densities, "--density-knees", arguments.density_knees,
    )  # fmt: skip


if __name__ == "__main__":
    main()
