"""The whole benchmark on three drawn knees: what it measures, that it goes on where it broke off, what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from html_page import HtmlPage

from Xray2MRILib.benchmark.density_curves import interpolate_slices
from Xray2MRILib.benchmark.runner import choose_other_knee
from Xray2MRILib.benchmark.tables import budget
from Xray2MRILib.cli import main
from Xray2MRILib.simulation.anatomy.knee_parameters import draw
from Xray2MRILib.simulation.pairs.knee_pair import KneePair
from Xray2MRILib.simulation.pairs.pair_store import write_pair

torch = pytest.importorskip("torch")


def drawn_pair(seed: int) -> KneePair:
    """A bright leg with dark femur and tibia around a bright joint space at a row of its own."""
    rng = np.random.default_rng(seed)
    row = 120 + 14 * seed
    volume = np.zeros((50, 256, 256), np.float32)
    volume[:, :, 40:216] = 0.7
    volume[:, row - 60 : row - 4, 78:178] = 0.15
    volume[:, row + 4 : row + 60, 78:178] = 0.15
    volume *= np.linspace(1, 0.8, 50, dtype=np.float32)[:, None, None]
    volume += rng.random(volume.shape, np.float32) * 0.02
    bone = rng.random((288, 288), np.float32) * 0.05
    bone[row - 40 : row, 90:200] += 2.0
    soft = np.ones((288, 288), np.float32) + np.linspace(0, 1, 288, dtype=np.float32)
    return KneePair(draw(seed, 2 * seed, ("t",), {"t": 72.0}), volume, bone, soft, {"medial": 4.0, "lateral": 5.0})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held-out")
    for seed in range(3):
        write_pair(folder, seed, drawn_pair(seed))
    return folder


def command(pairs: Path, model: Path, output: Path, *more: str) -> list[str]:
    return ["benchmark", "-o", str(output), "--pairs", str(pairs), "--training", str(pairs), "--slices", "8",
            "--steps", "1", "--densities", "3,5", "--density-knees", "1", "--specificity-knees", "3", "--device", "cpu",
            "--method", f"Tiny={model}", *more]  # fmt: skip


@pytest.mark.slow
def test_from_pairs_to_page_and_on_from_there(
    pairs: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert main([*command(pairs, tiny_model, output), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    edges = found["measures"]["edge_mm"]
    assert edges["blank"]["median"] == 10.0  # an empty volume is worst
    assert edges["training mean"]["median"] < edges["Tiny"]["median"]  # an untrained model draws noise
    assert 0 < edges["another knee's MRI"]["median"] < edges["blank"]["median"]
    assert edges["Tiny"]["knees"] == 3
    assert found["measures"]["psnr_db"]["constant 10 %"]["median"] < 20
    assert found["grades"] == [0, 2, 4]
    assert found["specificity"]["Tiny"]["pairs"] == 3
    curves = found["adjacent_correlation"]["whole"]
    assert set(curves["Tiny"]) == {"3", "5"}
    assert set(curves["reference"]) == {"50"}

    page = (output / "benchmark.html").read_text(encoding="utf-8")
    assert "not for diagnosis" in page
    assert page.count("<h3>KL") == 3
    assert "slices of the references show no joint line" in HtmlPage(page).text
    assert page.index("artefact") > 0
    assert page.index("By edge distance") < page.index("<table")
    assert "://" not in page  # self-contained
    with (output / "per_knee.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    own = [float(row["edge_mm"]) for row in rows if row["column"] == "Tiny"]
    assert np.median(own) == pytest.approx(edges["Tiny"]["median"], rel=1e-3)

    # a file that is missing is made again, the others are left as they are, and a method can be added
    volumes = sorted((output / "volumes" / "tiny").glob("*.npz"))
    before = {path: path.stat().st_mtime_ns for path in volumes}
    volumes[1].unlink()
    assert main([*command(pairs, tiny_model, output, "--method", f"Twin={tiny_model}"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    after = {path: path.stat().st_mtime_ns for path in volumes}
    assert [before[path] == after[path] for path in volumes] == [True, False, True]
    assert again["measures"]["edge_mm"]["Twin"]["median"] == edges["Tiny"]["median"]
    assert list(again["measures"]["edge_mm"])[:3] == ["Tiny", "Twin", "Tiny with another radiograph"]
    assert again["measures"]["edge_mm"]["Twin"]["first_against_it"]["p_value"] == 1.0

    # the same title for other weights is refused, also when nothing is left to compute
    card = output / "volumes" / "twin" / "model.json"
    about = json.loads(card.read_text(encoding="utf-8"))
    card.write_text(json.dumps({**about, "weights_sha256": {"unet": "0"}}), encoding="utf-8")
    assert main(command(pairs, tiny_model, output, "--method", f"Twin={tiny_model}")) == 2
    assert "another model with the title Twin" in capsys.readouterr().err

    # and so is the same model sampled in another way
    card.write_text(json.dumps({**about, "sampling": {"noise_scale": 0.5}}), encoding="utf-8")
    assert main(command(pairs, tiny_model, output, "--method", f"Twin={tiny_model}")) == 2
    assert "another model with the title Twin" in capsys.readouterr().err
    assert "<td>as in the paper</td>" in page
    assert budget({"sampling": {"guidance_scale": 2, "guidance_share": 0.5, "noise_scale": 0.8}})["sampling"] == (
        "guidance 2 in 50% of the steps, noise times 0.8"
    )

    assert main(command(pairs, tiny_model, output, "--seed", "3")) == 2
    assert "other knees or settings" in capsys.readouterr().err


def test_refusals(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["benchmark", "-o", str(tmp_path / "run"), "--pairs", str(pairs)]
    assert main([*base, "--method", "compact"]) == 2
    assert "TITLE=MODEL" in capsys.readouterr().err
    assert main(base) == 2
    assert "No method" in capsys.readouterr().err
    assert main([*base, "--method", "a=compact", "--densities", "1,50"]) == 2
    assert main([*base, "--method", "a=compact", "--method", "A=compact"]) == 2
    assert "same title" in capsys.readouterr().err


@pytest.mark.parametrize("count", [2, 3, 5, 6, 10, 30])
def test_another_knee_is_never_the_own(count: int) -> None:
    files = [Path(str(k)) for k in range(count)]
    others = [choose_other_knee(files, place) for place in range(count)]
    assert all(other != own for own, other in zip(files, others, strict=True))
    assert set(others) == set(files)
    assert choose_other_knee(files[:1], 0) is None


def test_interpolation_by_hand() -> None:
    volume = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    assert np.allclose(interpolate_slices(volume, 7)[:, 0, 0], np.linspace(0, 3, 7))
    assert np.array_equal(interpolate_slices(volume, 4), volume)
