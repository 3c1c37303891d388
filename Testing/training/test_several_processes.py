"""Several processes train as one does, on another number of them too, and end together when one is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_runs import diffusion_recipe, options

from Xray2MRILib.cli import main
from Xray2MRILib.training.recipe_files import chosen_recipe

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
needs_accelerate = pytest.mark.skipif(importlib.util.find_spec("accelerate") is None, reason="needs accelerate")


def command(recipe: dict, output: Path, *more: str) -> list[str]:
    return [sys.executable, "-u", "-m", "Xray2MRILib", "train", "diffusion", *options(recipe), "-o", str(output), *more]


def run(words: list[str]) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def weights(output: Path) -> dict:
    parts = [
        load_file(output / part / "diffusion_pytorch_model.safetensors") for part in ("unet", "radiograph_encoder")
    ]
    return {f"{k}.{name}": tensor for k, part in enumerate(parts) for name, tensor in part.items()}


def difference(one: Path, other: Path) -> float:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.fixture(scope="module")
def recipe(pairs: Path, untrained_autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Four steps of five knees, which two processes cannot halve; the rate is the paper's for added parts.

    No group of a normalisation has a single channel: the bias before it would have a gradient of rounding errors alone,
    which AdamW makes as long as any other.
    """
    changes = {"unet": {"in_channels": 24}, "radiograph_encoder": {"width": 16, "feature_channels": 16}}
    return diffusion_recipe(
        pairs, untrained_autoencoder, steps=4, save_every=4, log_every=1, knees_per_batch=5, variants=1,
        learning_rate=1e-5, latents=str(tmp_path_factory.mktemp("latents")),
        changes=chosen_recipe("diffusion")["changes"] | changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone(recipe: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one process."""
    output = tmp_path_factory.mktemp("alone")
    done = run(command(recipe, output))
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.slow
def test_parts_of_a_batch_add_up_to_the_whole(recipe: dict, alone: Path, tmp_path: Path) -> None:
    from Xray2MRILib.training.diffusion import train

    train(recipe | {"accumulation": 3}, tmp_path)
    assert difference(alone, tmp_path) < 1e-6
    moved = difference(alone, _untrained(recipe, tmp_path / "untrained"))
    assert moved > 1e-5


def _untrained(recipe: dict, output: Path) -> Path:
    """The networks before the first step."""
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(recipe["seed"])
    parts = build_components(recipe["preset"], method=recipe["method"], **recipe["changes"])
    for name in ("unet", "radiograph_encoder"):
        parts[name].save_pretrained(output / name)
    return output


@pytest.mark.slow
@needs_accelerate
def test_two_processes_then_one_equal_one(recipe: dict, alone: Path, tmp_path: Path) -> None:
    """A piece of two processes, resumed in one, and a whole run of two: the same weights to 1e-6."""
    stopped = run(command(recipe | {"minutes": 1e-6}, tmp_path / "pieces", "--processes", "2"))
    assert stopped.returncode == 0, stopped.stderr
    assert "at step 1 of 4" in stopped.stderr
    assert run(command(recipe, tmp_path / "pieces", "--resume")).returncode == 0
    assert difference(alone, tmp_path / "pieces") < 1e-6

    whole = run(command(recipe | {"accumulation": 2}, tmp_path / "whole", "--processes", "2", "--json"))
    assert whole.returncode == 0, whole.stderr
    assert difference(alone, tmp_path / "whole") < 1e-6
    told = json.loads(whole.stdout)["metrics"]
    expected = json.loads((alone / "diffusion_metrics.json").read_text(encoding="utf-8"))
    assert told["step"] == expected["step"] == 4
    assert told["held_out_loss"] == pytest.approx(expected["held_out_loss"], rel=1e-6)
    assert whole.stderr.count("step 4 held out") == 1  # the first process speaks for both
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == sorted(p.name for p in alone.iterdir())


@pytest.mark.slow
@needs_accelerate
@pytest.mark.parametrize(
    "launcher",
    [
        ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no",
         "--dynamo_backend=no"],
        ["torch.distributed.run", "--nproc_per_node=2", "--standalone"],
    ],
)  # fmt: skip
def test_launchers_of_others_start_the_same_training(
    launcher: list[str], recipe: dict, alone: Path, tmp_path: Path
) -> None:
    """``accelerate launch -m Xray2MRILib train ...`` and ``torchrun -m``: they start processes, we find the others."""
    program, *arguments = command(recipe, tmp_path)
    done = run([program, "-m", *launcher, *arguments[arguments.index("-m") :]])
    assert done.returncode == 0, done.stderr[-3000:]
    assert difference(alone, tmp_path) < 1e-6
    assert (done.stdout + done.stderr).count("step 4 held out") == 1


def _children(parent: int) -> list[int]:
    """The training processes of a command, the first one first."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
            words = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"spawn_main" in words:
            found.append(int(status.parent.name))
    return sorted(found)


@pytest.mark.slow
@needs_accelerate
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_run_in_a_sentence(victim: int, recipe: dict, alone: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        command(recipe | {"save_every": 1}, tmp_path, "--processes", "2"), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("step 2 held out"):
                children = _children(process.pid)
                assert len(children) == 2
                os.kill(children[victim], signal.SIGKILL)
        process.wait(60)
    assert process.returncode == 1
    assert said[-1] == (
        f"xray2mri: Training process {victim + 1} of 2 ended unexpectedly (SIGKILL), and the others were stopped. The "
        "last checkpoint is complete: resume the training from it. Option: --resume.\n"
    )
    assert not any("Traceback" in line for line in said)
    time.sleep(0.2)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (tmp_path / "model").exists()
    done = run(command(recipe | {"save_every": 1}, tmp_path, "--resume"))
    assert done.returncode == 0, done.stderr
    assert difference(alone, tmp_path) < 1e-6


@pytest.mark.slow
@needs_accelerate
def test_a_fault_of_the_input_is_told_once(recipe: dict, tmp_path: Path) -> None:
    done = run(
        command(recipe | {"data": str(tmp_path / "nowhere"), "latents": None}, tmp_path / "run", "--processes", "2")
    )
    assert done.returncode == 2
    assert done.stderr.count("The folder nowhere holds no pairs.") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["diffusion", "--processes", "0"], "--processes cannot be 0"),
        (["autoencoder", "--processes", "2"], "Several processes do not apply to autoencoder"),
        (["diffusion", "--set", "accumulation=5"], "The 4 knees of a batch cannot be divided in 5 parts."),
        (["diffusion", "--set", "optimiser=adamw-8bit", "--set", "preset=tiny", "--set", "autoencoder=compact"],
         "adamw-8bit needs the package bitsandbytes"),
    ],
)  # fmt: skip
def test_refusals(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bitsandbytes", "bitsandbytes.optim"):  # a part that was imported before is found without the whole
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["train", *words, "--set", "device=cpu", "-o", str(tmp_path / "run")]) == 2
    assert sentence in capsys.readouterr().err


def test_without_accelerate_one_process_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["train", "diffusion", "--processes", "2", "-o", str(tmp_path / "run")]) == 2
    assert "needs the package accelerate, which is not installed" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@needs_accelerate
def test_more_processes_than_gpus_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "diffusion", "--processes", "2", "--set", "device=cuda", "-o", str(tmp_path / "run")]) == 2
    assert "This machine has 0 GPUs, fewer than the 2 processes." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
