"""Runs in pieces, stopped by themselves or killed in real processes, end with the weights of an uninterrupted one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import autoencoder_recipe, diffusion_recipe, options

from Xray2MRILib.cli import main

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "diffusion_pytorch_model.safetensors")


def assert_equal_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.slow
@pytest.mark.parametrize("network", ["autoencoder", "diffusion"])
def test_pieces_of_a_few_minutes(
    network: str, pairs: Path, untrained_autoencoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command succeeds after each piece and says how to continue; the last piece writes the result."""
    result = {"autoencoder": "autoencoder", "diffusion": "unet"}[network]
    recipe = autoencoder_recipe(pairs) if network == "autoencoder" else diffusion_recipe(pairs, untrained_autoencoder)
    recipe |= {"steps": 3, "save_every": 2, "variants": 1} if network == "diffusion" else {"steps": 3, "save_every": 2}

    def piece(run: str, *more: str) -> dict:
        arguments = ["train", network, "-o", str(tmp_path / run), "--json", *options(recipe), *more]
        assert main(arguments) == 0
        return json.loads(capsys.readouterr().out)["metrics"]

    whole = piece("whole")
    short = ["--set", "minutes=0.000001", "--resume"]
    assert piece("pieces", *short) == {"step": 1, "steps": 3}
    assert not (tmp_path / "pieces" / result).exists()
    assert main(["train", network, "-o", str(tmp_path / "pieces"), *options(recipe), *short]) == 0
    said = capsys.readouterr().err
    assert "Stopped after 1e-06 minutes at step 2 of 3" in said
    assert "--resume to continue" in said
    assert piece("pieces", *short) == whole
    assert_equal_weights(tmp_path / "whole" / result, tmp_path / "pieces" / result)
    assert piece("pieces", *short) == whole  # and once more, when there is nothing left to do


@pytest.mark.slow
def test_a_run_killed_again_and_again(pairs: Path, untrained_autoencoder: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments: while it computes, measures, writes the network or a checkpoint (at every step)."""
    steps, chance = 6, random.Random(os.environ.get("KILL_SEED", "1"))
    recipe = diffusion_recipe(
        pairs, untrained_autoencoder, steps=steps, save_every=1, log_every=1, variants=1, keep="best",
        latents=str(tmp_path / "latents"),
    )  # fmt: skip
    command = [sys.executable, "-u", "-m", "Xray2MRILib", "train", "diffusion", *options(recipe)]
    subprocess.run([*command, "-o", str(tmp_path / "whole")], cwd=ROOT, check=True, capture_output=True)

    killed = 0
    for attempt in range(4):
        with subprocess.Popen(
            [*command, "-o", str(tmp_path / "killed"), "--resume"], cwd=ROOT, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            lines = chance.randint(1, 3)
            for line in process.stderr:
                lines -= line.startswith("step ")
                if lines == 0 and attempt < 3:
                    try:
                        process.wait(timeout=chance.random() * 0.4)
                    except subprocess.TimeoutExpired:
                        process.send_signal(signal.SIGKILL)
                    break
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 2
    assert process.returncode == 0
    assert_equal_weights(tmp_path / "whole" / "unet", tmp_path / "killed" / "unet")
    one, other = (
        json.loads((tmp_path / run / "diffusion_metrics.json").read_text(encoding="utf-8"))
        for run in ("whole", "killed")
    )
    assert one == other
    assert (tmp_path / "killed" / "model" / "model_card.json").exists()
