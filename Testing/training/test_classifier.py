"""Training of the grade classifier: losses and figures against independent arithmetic, radiograph variation,
resuming."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.training_utils import EMAModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from skimage.io import imsave
from torch import nn
from torch.nn import functional

from Xray2MRILib.conditions.koa_classifier import load_classifier
from Xray2MRILib.errors import InputError
from Xray2MRILib.training.checkpoint import load_checkpoint, save_checkpoint
from Xray2MRILib.training.classifier import learning_rate, ordinal_loss, train
from Xray2MRILib.training.data.augmentation import Augmentation, vary_appearance, vary_pose
from Xray2MRILib.training.data.graded_radiographs import load_graded_radiographs
from Xray2MRILib.training.grade_agreement import expected_calibration_error, grade_agreement, quadratic_kappa
from Xray2MRILib.training.loop import learning_rate_factor
from Xray2MRILib.training.recipe_files import chosen_recipe
from Xray2MRILib.training.recipes.classifier import Cycle

STILL = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def test_kappa_against_all_pairs_of_readings() -> None:
    """Kappa is one minus observed over chance squared distance, chance being every pairing of the two readings."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 200)
    found = np.clip(truth + rng.integers(-1, 3, 200), 0, 4)
    chance = np.mean([(a - b) ** 2 for a in truth for b in found])
    table = np.zeros((5, 5), int)
    for a, b in zip(truth, found, strict=True):
        table[a, b] += 1
    assert quadratic_kappa(table) == pytest.approx(1 - np.mean((truth - found) ** 2) / chance, abs=1e-12)
    assert quadratic_kappa(np.diag([3, 4, 5, 1, 2])) == 1


def test_figures_of_a_hand_made_case() -> None:
    probabilities = np.eye(5)[[0, 0, 1, 4, 3]] * 0.6 + 0.08
    found = grade_agreement(np.array([0, 0, 0, 4, 1]), probabilities)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)  # grades 2 and 3 do not occur
    assert found["mean_absolute_error"] == pytest.approx(3 / 5)
    assert found["within_one_grade"] == pytest.approx(4 / 5)
    assert found["log_loss"] == pytest.approx(-(3 * np.log(0.68) + 2 * np.log(0.08)) / 5)
    assert found["confusion"][1] == [0, 0, 0, 1, 0]
    assert expected_calibration_error(np.array([0, 0, 0, 4, 1]), probabilities) == pytest.approx(0.08)
    with pytest.raises(ValueError, match=r"probabilities \[2"):
        grade_agreement(np.array([0, 1]), np.ones((3, 5)) / 5)


def test_loss_against_its_definition() -> None:
    rng = np.random.default_rng(1)
    logits, grade, smoothing = rng.normal(size=5), 3, 0.1
    weights = np.array([smoothing ** abs(k - grade) for k in range(5)])
    target, p = weights / weights.sum(), np.exp(logits) / np.exp(logits).sum()
    expected = -(target * np.log(p)).sum() + 2.0 * ((np.cumsum(p) - np.cumsum(target)) ** 2).sum()
    tensor = torch.tensor(logits[None], dtype=torch.float32)
    found = ordinal_loss(tensor, torch.tensor([grade]), smoothing=smoothing, emd_weight=2.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    one_hot = ordinal_loss(tensor, torch.tensor([grade]), smoothing=0.0, emd_weight=0.0)
    assert one_hot.item() == pytest.approx(-np.log(p[grade]), rel=1e-5)


def test_a_miss_by_two_grades_costs_more_than_by_one() -> None:
    near, far = (torch.full((1, 5), -4.0).index_fill(1, torch.tensor(k), 4.0) for k in (1, 2))
    losses = [ordinal_loss(x, torch.tensor([0]), smoothing=0.1, emd_weight=1.0) for x in (near, far)]
    assert losses[1] > losses[0] + 0.5


def test_no_variation_changes_nothing_but_the_size() -> None:
    images = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 1.9 - 0.95
    generator = torch.Generator().manual_seed(0)
    mirror = torch.tensor([False, True, False, True])
    moved = vary_pose(images, STILL, generator, size=32, mirror=mirror)
    resized = functional.interpolate(images, size=(32, 32), mode="bilinear", align_corners=False)
    assert torch.allclose(moved[0], resized[0], atol=1e-5)
    assert torch.allclose(moved[1], resized[1].flip(-1), atol=1e-5)
    assert torch.allclose(vary_appearance(images, STILL, generator), images, atol=2e-3)


def test_short_radiographs_repeat_their_last_row() -> None:
    images = torch.rand(16, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    variation = Augmentation(**{**vars(STILL), "short_radiograph": 1.0, "cut": 0.3})
    cut = vary_pose(images, variation, torch.Generator().manual_seed(2), size=64, mirror=torch.zeros(16, dtype=bool))
    steps = (cut.diff(dim=2).abs().amax(dim=(1, 3)) < 1e-6).float()  # rows equal to the one above
    assert 0 < steps.sum(dim=1).min()
    assert steps.sum(dim=1).max() <= 2 * 0.3 * 64 + 1
    assert steps[:, 25:38].sum() == 0  # the joint itself stays


def test_variation_is_reproducible_and_bounded() -> None:
    images = torch.rand(6, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    variation = Augmentation.from_json(chosen_recipe("classifier")["variation"])
    first, second = (vary_appearance(images, variation, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.min() >= -1
    assert first.max() <= 1
    assert (first - images).abs().mean() > 0.02


def test_learning_rate_warms_up_and_ends_at_zero() -> None:
    assert learning_rate_factor(0, 10, 100) == pytest.approx(0.1)
    assert learning_rate_factor(9, 10, 100) == 1
    assert learning_rate_factor(55, 10, 100) == pytest.approx(0.5)
    assert learning_rate_factor(100, 10, 100) == pytest.approx(0, abs=1e-12)


def test_learning_rate_restarts_with_each_cycle() -> None:
    cycles = (Cycle(epochs=2, learning_rate=1.0), Cycle(epochs=1, learning_rate=0.4))
    rates = [learning_rate(cycles, epoch, step, 10, 1) for epoch in range(3) for step in range(10)]
    assert rates[0] == 1
    assert rates[20] == pytest.approx(0.4)
    assert rates[19] < 0.02
    assert all(np.diff(rates[1:20]) < 0)
    with pytest.raises(ValueError, match="after the last cycle"):
        learning_rate(cycles, 3, 0, 10, 1)


@pytest.fixture(scope="module")
def drawn_knees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with a joint space that narrows with the grade, in the layout of the real collection."""
    folder, rng = tmp_path_factory.mktemp("knees"), np.random.default_rng(0)
    rows = []
    for split, count in (("train", 40), ("val", 15), ("test", 15)):
        (folder / split).mkdir()
        for index in range(count):
            grade = index % 5
            radiograph = np.full((64, 64), 60.0) + rng.normal(0, 4, (64, 64))
            radiograph[:, 12:52] += 110
            radiograph[32 - (8 - 2 * grade) : 32 + (8 - 2 * grade) or 32, 8:56] -= 90
            inverted = index % 7 == 3
            radiograph = radiograph.clip(0, 255).astype(np.uint8)
            name = f"{split}/{index:03d}{'LR'[index % 2]}.png"
            imsave(folder / name, 255 - radiograph if inverted else radiograph, check_contrast=False)
            rows.append((name, index, "LR"[index % 2], grade, split, int(inverted)))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("file", "participant", "side", "kl_grade", "split", "looks_inverted"))
        table.writerows(rows)
    return folder


def _recipe(data: Path) -> dict[str, Any]:
    network = {"size": 64, "overlap": 0, "channels": [8, 8, 8, 8, 8], "blocks": [1, 1, 1, 1], "dropout": 0.1}
    small = {
        "network": network,
        "cycles": [{"epochs": 3, "learning_rate": 0.002}, {"epochs": 1, "learning_rate": 0.001}],
        "batch_size": 8,
        "warm_up_steps": 4,
        "precision": "float32",
    }
    return chosen_recipe("classifier") | small | {"data": str(data), "validate_every": 2}


def test_crops_come_upright_and_in_right_knee_space(drawn_knees: Path) -> None:
    right_space, radiograph = (
        load_graded_radiographs(drawn_knees, "val", right_knee_space=flag) for flag in (True, False)
    )
    assert len(radiograph) == 15
    assert radiograph.grades.tolist() == [k % 5 for k in range(15)]
    assert radiograph.left.tolist() == [k % 2 == 0 for k in range(15)]
    assert torch.equal(right_space.images[0], radiograph.images[0].flip(-1))
    assert torch.equal(right_space.images[1], radiograph.images[1])
    middle = (
        radiograph.images[:, 60:68, 120:136].float().mean(dim=(1, 2))
    )  # bone above the joint: bright on every radiograph
    assert (middle > 200).all()


def _train_and_kill(recipe: dict[str, Any], output: Path, line: str) -> None:
    """A training process that is killed once it has printed a line that begins so."""
    program = (
        "import json, pathlib, sys; from Xray2MRILib.training.classifier import train;"
        "train(json.loads(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, json.dumps(recipe), str(output)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert any(printed.startswith(line) for printed in process.stdout)
        process.kill()


@pytest.fixture(scope="module")
def whole_run(drawn_knees: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Output folder and metrics of an uninterrupted run."""
    output = tmp_path_factory.mktemp("whole")
    return output, train(_recipe(drawn_knees), output)


def _assert_equal_checkpoints(one: Path, other: Path) -> None:
    whole, resumed = (load_file(folder / "checkpoint.safetensors") for folder in (one, other))
    assert whole.keys() == resumed.keys()
    assert all(torch.allclose(whole[name].float(), resumed[name].float(), atol=1e-6) for name in whole)


def test_a_resumed_run_equals_an_uninterrupted_one(
    whole_run: tuple[Path, dict[str, Any]], drawn_knees: Path, tmp_path: Path
) -> None:
    """Also from a checkpoint of earlier versions, which counted epochs only."""
    whole, metrics = whole_run
    recipe = _recipe(drawn_knees)
    assert set(metrics) == {"best_epoch", "temperature", "val", "test"}
    assert metrics["test"]["count"] == 15
    partial, earlier = tmp_path / "partial", tmp_path / "earlier"
    _train_and_kill(recipe, partial, "epoch 2/")
    shutil.copytree(partial, earlier)
    checkpoint = earlier / "checkpoint.safetensors"
    with safe_open(checkpoint, "pt") as stream:
        metadata = stream.metadata()
    progress = json.loads(metadata["progress"])
    assert progress.pop("step") == 2 * (40 // 8)
    save_file(load_file(checkpoint), checkpoint, metadata | {"progress": json.dumps(progress)})

    for folder in (partial, earlier):
        train(recipe, folder, resume=True)
        _assert_equal_checkpoints(whole, folder)
    network, temperature = load_classifier(partial / "model")
    assert temperature == pytest.approx(metrics["temperature"])
    assert network(torch.zeros(1, 1, 256, 256)).shape == (1, 5)
    stored = json.loads((partial / "metrics.json").read_text(encoding="utf-8"))
    assert "data" not in stored["recipe"]  # no path of this machine goes with the weights


def test_missing_data_and_splits_are_named(tmp_path: Path, drawn_knees: Path) -> None:
    with pytest.raises(InputError, match=r"index\.csv"):
        load_graded_radiographs(tmp_path, "train", right_knee_space=True)
    with pytest.raises(InputError, match="'dev'"):
        load_graded_radiographs(drawn_knees, "dev", right_knee_space=True)
    with pytest.raises(InputError, match="names no folder"):
        train(_recipe(drawn_knees) | {"data": None}, tmp_path / "out")
    with pytest.raises(InputError, match="batch_size of the recipe cannot be 64: there are only 40 training crops"):
        train(_recipe(drawn_knees) | {"batch_size": 64}, tmp_path / "out")


def test_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    small, large = nn.Linear(3, 2), nn.Linear(5, 2)
    parts = [(n, EMAModel(n.parameters()), torch.optim.AdamW(n.parameters())) for n in (small, large)]
    small(torch.ones(1, 3)).sum().backward()
    parts[0][2].step()
    save_checkpoint(tmp_path / "c.safetensors", *parts[0], {"epoch": 3})
    assert load_checkpoint(tmp_path / "c.safetensors", *parts[0]) == {"epoch": 3}
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path / "c.safetensors", *parts[1])
    assert caught.value.code == "bad-checkpoint"
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "absent.safetensors", *parts[0])
