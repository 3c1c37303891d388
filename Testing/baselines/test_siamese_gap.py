"""Siamese-GAP: patches, sizes and pools by hand, symmetry, and a training run on radiographs that can be told apart."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Xray2MRILib.cli import main

torch = pytest.importorskip("torch")


def test_compartments_are_the_outer_patches_and_the_medial_one_is_mirrored() -> None:
    from Xray2MRILib.baselines.siamese_gap import compartments

    crop = torch.arange(299.0).repeat(299, 1) + 1000 * torch.arange(299.0)[:, None]
    lateral, medial = compartments(crop[None, None])
    assert torch.equal(lateral[0, 0], crop[99:227, :128])
    assert torch.equal(medial[0, 0], crop[99:227, 171:].flip(-1))


def test_sizes_by_hand() -> None:
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    network = SiameseGap().eval()
    features, sides = torch.zeros(1, 1, 128, 128), []
    with torch.no_grad():
        for block in network.blocks:
            features = block(features)
            sides.append(features.shape[-1])
        assert network.pooled(torch.zeros(2, 1, 256, 256)).shape == (2, 480)
    assert sides == [124, 57, 22, 4]
    pairs = [(1, 32), (32, 32), (32, 64), *[(64, 64)] * 2, (64, 128), *[(128, 128)] * 3, (128, 256), *[(256, 256)] * 3]
    by_hand = sum(9 * a * b + b + 2 * b for a, b in pairs) + 480 * 2 + 2
    assert sum(p.numel() for p in network.parameters()) == by_hand


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_pools_by_hand(pooling: str) -> None:
    from Xray2MRILib.baselines.siamese_gap import SiameseGap, compartments

    torch.manual_seed(0)
    network = SiameseGap(pooling, channels=(2, 3, 4, 5)).eval()
    crop = torch.rand(1, 1, 256, 256) * 2 - 1
    expected = []
    with torch.no_grad():
        sides = list(compartments(crop))
        for block in network.blocks:
            sides = [block(side) for side in sides]
            reduce = np.mean if pooling == "average" else np.max
            expected.append(sum(reduce(side[0].numpy(), axis=(1, 2)) for side in sides))
        assert np.allclose(network.pooled(crop)[0], np.concatenate(expected), atol=1e-5)


def test_a_knee_and_its_mirror_image_get_the_same_answer() -> None:
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    torch.manual_seed(0)
    network = SiameseGap(channels=(4, 4, 4, 4)).eval()
    crop = torch.rand(2, 1, 256, 256) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(network(crop), network(crop.flip(-1)), atol=1e-5)


def test_agreement_against_scikit_learn_style_counting() -> None:
    from Xray2MRILib.training.data.graded_radiographs import GradedRadiographs
    from Xray2MRILib.training.siamese_gap import agreement

    class Fixed(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            score = images.mean(dim=(1, 2, 3))
            return torch.stack((torch.zeros_like(score), score), dim=1)

    levels, truth = [10, 100, 150, 150, 200, 240], torch.tensor([0, 0, 0, 1, 0, 1])
    images = torch.stack([torch.full((256, 256), level, dtype=torch.uint8) for level in levels])
    found = agreement(Fixed(), GradedRadiographs(images, truth, torch.zeros(6, dtype=torch.bool)), torch.device("cpu"))
    # called KL-2: 150, 150, 200, 240; pairs (KL-2, KL-0): 150 beats 10 and 100, ties with 150; 240 beats all four
    assert found == {"accuracy": round(4 / 6, 4), "balanced_accuracy": 0.75, "auc": round(6.5 / 8, 4), "films": 6}


@pytest.fixture
def radiographs(tmp_path: Path) -> Path:
    """Drawn crops of all grades: KL-2 has a narrow joint space, the others must not be used."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "films"
    folder.mkdir()
    rows = []
    for index in range(36):
        grade = (0, 2, 4)[index % 3]
        picture = rng.integers(100, 140, (224, 224)).astype(np.uint8)
        gap = {0: 24, 2: 6, 4: 60}[grade]
        picture[112 - gap // 2 : 112 + gap // 2] = 20
        Image.fromarray(picture).save(folder / f"{index}.png")
        split = ("train", "train", "train", "val", "test", "test")[index // 6]
        rows.append((f"{index}.png", "LR"[index % 2], grade, split, 0))
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "side", "kl_grade", "split", "looks_inverted"), *rows])
    return folder


@pytest.mark.slow
def test_training_tells_two_grades_apart_and_serves_the_grade_command(
    radiographs: Path, tmp_path: Path, knee_radiograph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = {"data": radiographs, "channels": "[4,8,8,8]", "epochs": 8, "batch_size": 4, "warm_up_steps": 1,
               "learning_rate": 0.01, "ema_decay": 0.5, "precision": "float32", "device": "cpu", "threads": 1,
               "variation": '{"rotation_deg":1,"shift":0,"scale":0.01,"aspect":0.05,"short_film":0,"collimated":0,'
               '"gamma":0.4,"contrast":0.25,"brightness":0.1,"local_contrast":0.5,"blur":1,"noise":0.04}'}  # fmt: skip
    settings = [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "siamese-gap", "-o", str(tmp_path / "run"), "--json", *settings]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert set(metrics) == {"average", "max"}
    assert metrics["average"]["test"]["films"] == 8  # the radiographs of grade 4 are left out
    assert metrics["average"]["test"]["auc"] > 0.9
    assert metrics["average"]["test"]["accuracy"] >= 0.75

    assert main(["grade", str(knee_radiograph), "--early-oa", str(tmp_path / "run" / "average"), "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["early_osteoarthritis"] <= 1
    assert main(["grade", str(knee_radiograph), "--early-oa", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
