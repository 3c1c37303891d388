"""From pairs of radiographs to a trained morphing model, and from that to series: real files and commands."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Xray2MRILib.cli import main

torch = pytest.importorskip("torch")


def test_joint_places_lie_on_both_outlines() -> None:
    from Xray2MRILib.reprojection.frame_grid import SPAN_MM
    from Xray2MRILib.reprojection.knee_outline import KneeOutline
    from Xray2MRILib.training.data.morphing_pairs import JOINT_PLACES, joint_places

    x = np.arange(9.25, 30.0, 0.5)
    outline = KneeOutline({"femur medial joint": np.stack((x, 4 + 0.1 * x), axis=1),
                           "tibia medial joint": np.stack((x[4:], 9 + 0.1 * x[4:]), axis=1)})  # fmt: skip
    found = np.array(joint_places(outline)).reshape(2, 2, JOINT_PLACES, 2)
    assert (found[1] == -1).all()  # no lateral outline
    down, across = np.moveaxis((found[0] + 0.5) / 256 * SPAN_MM - SPAN_MM / 2, -1, 0)
    assert np.allclose(down[0], 4 + 0.1 * across[0], atol=0.01)
    assert np.allclose(down[1] - down[0], 5.0, atol=0.01)
    assert across.min() > x[4] + 3
    assert across.max() < x[-1] - 3


def test_a_similarity_becomes_the_same_map_of_the_crop() -> None:
    from Xray2MRILib.reprojection.frame_grid import SPAN_MM
    from Xray2MRILib.reprojection.similarity import Similarity
    from Xray2MRILib.training.data.morphing_pairs import affine_map

    similarity = Similarity((3.0, -2.0), 0.2, 1.1)
    place = np.array([10.0, -7.0])
    matrix = np.array(affine_map(similarity)).reshape(2, 3)
    found = matrix @ [*(place / (SPAN_MM / 2)), 1.0]
    assert np.allclose(found * SPAN_MM / 2, similarity(place[None])[0])


def test_partners_are_aligned_by_their_outlines() -> None:
    """The same knee, turned and moved, is chosen among others and put back."""
    from torch.nn import functional

    from Xray2MRILib.preparation.joint_crop import prepare_radiograph
    from Xray2MRILib.radiograph.reading import read_radiograph
    from Xray2MRILib.training.data.graded_radiographs import GradedRadiographs, to_bytes
    from Xray2MRILib.training.data.morphing_pairs import aligned_pairs

    def crop(name: str) -> torch.Tensor:
        knee = prepare_radiograph(read_radiograph(Path(sample(name))), None, "right", "user")
        return torch.from_numpy(knee.image)[None]

    own, other = crop("kl0_right"), crop("kl3_right")
    matrix = torch.tensor([[[1.05, -0.04, 0.03], [0.04, 1.05, -0.02]]])
    moved = functional.grid_sample(
        own, functional.affine_grid(matrix, list(own.shape), align_corners=False), padding_mode="border",
        align_corners=False,
    )  # fmt: skip

    def graded(*crops: torch.Tensor) -> GradedRadiographs:
        images = torch.stack([torch.from_numpy(to_bytes(c[0, 0].numpy())) for c in crops])
        return GradedRadiographs(images, torch.zeros(len(crops)).long(), torch.zeros(len(crops)).bool())

    pairs = aligned_pairs(graded(own), graded(other, moved), 2, 0)
    assert pairs.partners.tolist() == [1]
    healthy, severe = pairs.batch(torch.tensor([0]))
    inside = (..., slice(60, 200), slice(40, 216))
    before, after = ((picture - healthy)[inside].abs().mean() for picture in (moved, severe))
    assert after < 0.5 * before


@pytest.mark.slow
def test_from_training_to_a_series_of_radiographs_and_volumes(
    tmp_path: Path, knee_radiograph: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    radiographs = tmp_path / "films"
    radiographs.mkdir()
    rows = []
    names = {0: ("kl0_right", "kl0_left"), 4: ("kl3_right", "kl3_left")}
    for index in range(8):
        grade = (0, 4)[index % 2]
        name = names[grade][index // 2 % 2]
        Image.open(sample(name)).convert("L").save(radiographs / f"{index}.png")
        rows.append((f"{index}.png", "L" if "left" in name else "R", grade, "train" if index < 4 else "val", 0))
    with (radiographs / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "side", "kl_grade", "split", "looks_inverted"), *rows])
    entries = {"data": radiographs, "steps": 3, "batch_size": 2, "simulated_knees": 0, "save_every": 2, "device": "cpu",
               "supervision_from": 0.5, "candidates": 1, "threads": 1}  # fmt: skip
    settings = [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]
    run = tmp_path / "run"
    assert main(["train", "morphing", "-o", str(run), "--json", *settings, "--set", "minutes=0.0001"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["step"] < 3
    while not (run / "model" / "config.json").exists():  # in pieces
        assert main(["train", "morphing", "-o", str(run), "--json", "--resume", *settings]) == 0
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])["metrics"]
    assert 0 < metrics["correlation_before"] < 1
    assert metrics["smallest_determinant"] > 0
    assert len(metrics["expected_grade"]) == 5

    command = ["progress", str(knee_radiograph), "--morphing-model", str(run / "model"), "--to", "4"]
    series = tmp_path / "series"
    small = ["--frames", "3", "--volumes", "--slices", "2", "--steps", "1", "--model", str(tiny_model)]
    assert main([*command, "-o", str(series), "--json", "--device", "cpu", *small]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [frame["severity"] for frame in record["frames"]] == [0, 0.5, 1]
    assert {p.name for p in series.glob("*")} >= {"series.json", "series.png", "film-02.png", "volume-02.nrrd"}
    assert "Synthetic course, not a forecast" in Image.open(series / "film-02.png").text["Description"]
    side_car = json.loads((series / "volume-01.json").read_text(encoding="utf-8"))
    assert side_car["radiograph"]["morphing"]["severity"] == 0.5
    assert main([*command, "-o", str(series)]) == 2  # never over an earlier series
    assert "not empty" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "other"), "--to", "7"]) == 2


@pytest.mark.slow
def test_a_simulated_knee_at_two_grades_is_one_knee(tmp_path: Path) -> None:
    from Xray2MRILib.errors import InputError
    from Xray2MRILib.simulation.pairs.radiograph_pairs import (
        radiograph_pair_files,
        read_radiograph_pair,
        simulate_radiograph_pairs,
    )

    (path,) = simulate_radiograph_pairs(tmp_path, 1, seed=5001)
    stamp = path.stat().st_mtime_ns
    assert simulate_radiograph_pairs(tmp_path, 1, seed=5001) == [path] == radiograph_pair_files(tmp_path)
    assert path.stat().st_mtime_ns == stamp  # made once
    pair = read_radiograph_pair(path)
    healthy, severe = pair.parameters
    assert (healthy.kl_grade, severe.kl_grade) == (0, 4)
    assert healthy.scale == severe.scale
    assert healthy.crop_offset_mm == severe.crop_offset_mm
    facts = pair.facts()
    assert facts.shape == (8,)
    narrowed = [pair.joint_space_mm[0][side] - pair.joint_space_mm[1][side] for side in ("medial", "lateral")]
    assert max(narrowed) > 2.0  # of the diseased compartment
    one, other = pair.crops(0)
    shown, surfaces, pixels_of_mm = pair.placed_crops(0)
    assert np.array_equal(shown, np.stack((one, other)))
    surface = surfaces[:, :, :, 0, 3:6]  # [grade, side, bone, place, (row, column)], where it is narrowest
    gaps = (surface[:, :, 1, :, 0] - surface[:, :, 0, :, 0]).mean(axis=-1) / pixels_of_mm
    assert np.allclose(gaps[0] - gaps[1], narrowed, atol=0.5)
    assert np.allclose(facts[:2], 1 - np.array([pair.joint_space_mm[1][s] / pair.joint_space_mm[0][s]
                                               for s in ("medial", "lateral")]))  # fmt: skip
    for grade, crop in enumerate((one, other)):  # bone is brighter than the space above it, also where it moved to
        row, column = np.rint(surfaces[grade, :, 1, 0, 4]).astype(int).T
        below, above = (np.mean([crop[r + d, c] for r, c in zip(row, column, strict=True)]) for d in (5, -5))
        assert grade or below > above
    assert np.corrcoef(one[:60].ravel(), other[:60].ravel())[0, 1] > 0.97  # far from the joint
    assert np.abs(one - other)[110:180].mean() > 2 * np.abs(one - other)[:60].mean()
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="not a pair of simulated radiographs"):
        read_radiograph_pair(path)


@pytest.fixture
def bending_model(tmp_path: Path) -> Path:
    """A morphing model whose changes depend on the code that it is given."""
    from Xray2MRILib.baselines.morphing import MorphingModel

    torch.manual_seed(0)
    model = MorphingModel()
    torch.nn.init.normal_(model.change.appearance.weight, std=1.0)
    torch.nn.init.normal_(model.encoder.moments.weight, std=1.0)
    model.save_pretrained(tmp_path / "bending")
    return tmp_path / "bending"


def test_a_folder_of_an_earlier_version_is_refused_in_a_sentence(
    bending_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import save_file

    from Xray2MRILib.files.checksums import write_checksums

    (weights,) = bending_model.glob("*.safetensors")
    save_file({"mean_code": torch.zeros(1, 1, 128, 128), "registration.flow.bias": torch.zeros(2)}, weights)
    (bending_model / "config.json").write_text(
        json.dumps({"_class_name": "MorphingModel", "size": 128}), encoding="utf-8"
    )
    write_checksums(bending_model, ("config.json", weights.name))
    asked = ["progress", sample("kl0_left"), "--morphing-model", str(bending_model), "-o", str(tmp_path / "series")]
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert "does not contain a morphing model" in said
    assert "must be trained again" in said
    assert not (tmp_path / "series").exists()


def sample(name: str) -> str:
    return str(Path(__file__).resolve().parents[2] / "Resources" / "samples" / f"{name}.webp")


def test_a_series_towards_another_radiograph_is_of_the_same_side(
    bending_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(first: str, *more: str, folder: str) -> int:
        output = ["-o", str(tmp_path / folder), "--frames", "2", "--json"]
        return main(["progress", first, "--morphing-model", str(bending_model), *output, *more])

    assert run(sample("kl0_left"), folder="to") == 0
    alone = json.loads(capsys.readouterr().out)
    assert run(sample("kl0_left"), "--towards", sample("kl3_left"), folder="towards") == 0
    led = json.loads(capsys.readouterr().out)
    assert led["side"] == "left"
    assert "to_grade" not in led
    assert len(led["towards_crop_sha256"]) == 64
    assert "towards another" in led["notice"]
    assert set(led["correlation_with_target"]) == {"film", "last_frame"}
    radiographs = [np.asarray(Image.open(tmp_path / folder / "film-01.png"), float) for folder in ("to", "towards")]
    assert np.abs(radiographs[0] - radiographs[1]).mean() > 1  # its own code was followed, not the mean one
    beginnings = [np.asarray(Image.open(tmp_path / folder / "film-00.png")) for folder in ("to", "towards")]
    assert np.array_equal(*beginnings)
    assert alone["to_grade"] == 4

    assert run(sample("kl0_left"), "--towards", sample("knee_both"), folder="both") == 0  # its left knee is taken
    printed = capsys.readouterr()
    assert json.loads(printed.out)["side"] == "left"
    (warning,) = (line for line in printed.err.splitlines() if "knees were found" in line)
    assert warning.startswith("Warning: knee_both.webp: 2 knees were found")
    assert warning.endswith(" Option: --towards-roi X,Y,W,H.")
    small = ("--towards", sample("kl3_left"), "--towards-roi", "1,1,9,9")
    assert run(sample("kl0_left"), *small, folder="small") == 2
    assert capsys.readouterr().err.endswith(" Option: --towards-roi X,Y,W,H.\n")
    assert run(sample("kl0_left"), "--towards", sample("kl3_right"), folder="other") == 2
    said = capsys.readouterr().err
    assert "kl3_right.webp shows a right knee (file name), but the series begins with a left knee." in said
    assert "Option: --side auto|left|right." in said
    assert run(sample("kl0_left"), "--towards-roi", "1,1,99,99", folder="none") == 2
    assert "--towards-roi needs the radiograph of --towards." in capsys.readouterr().err
    assert run(sample("kl0_left"), "--towards", str(tmp_path / "none.png"), folder="none") == 2
    assert "none.png" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_the_command_takes_a_course_that_the_model_knows(
    bending_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel

    model = MorphingModel(courses=("medial", "lateral"))
    torch.nn.init.normal_(model.change.appearance.weight, std=1.0)
    model.save_pretrained(tmp_path / "two")

    def run(folder: str, model: Path, *more: str) -> int:
        output = ["-o", str(tmp_path / folder), "--morphing-model", str(model), "--frames", "2", "--json"]
        return main(["progress", sample("kl0_left"), *output, *more])

    last = {}
    for folder, more in (("usual", ()), ("medial", ("--course", "medial")), ("lateral", ("--course", "lateral"))):
        assert run(folder, tmp_path / "two", *more) == 0
        assert json.loads(capsys.readouterr().out)["course"] == ("lateral" if folder == "lateral" else "medial")
        last[folder] = np.asarray(Image.open(tmp_path / folder / "film-01.png"), float)
    assert np.array_equal(last["usual"], last["medial"])
    assert np.abs(last["medial"] - last["lateral"]).mean() > 0.5
    assert run("none", tmp_path / "two", "--course", "central") == 2
    assert "knows no course central. It knows medial, lateral." in capsys.readouterr().err
    assert run("none", bending_model, "--course", "medial") == 2
    assert "It knows one course only" in capsys.readouterr().err
    assert run("none", tmp_path / "two", "--course", "medial", "--towards", sample("kl3_left")) == 2
    assert "has no meaning beside --towards" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_shipped_model_leads_a_healthy_knee_to_a_severe_grade(tmp_path: Path) -> None:
    """From a fresh install, on a sample of another collection: the grade rises in every frame, little else changes."""
    sample = Path(__file__).resolve().parents[2] / "Resources/samples/kl0_right.webp"
    assert main(["progress", str(sample), "-o", str(tmp_path / "series"), "--frames", "4", "--side", "right"]) == 0
    record = json.loads((tmp_path / "series/series.json").read_text(encoding="utf-8"))
    expected = record["expected_grade"]
    assert np.diff(expected).min() > -0.05
    assert expected[-1] > 2.5
    assert record["warnings"] == []
    films = [np.asarray(Image.open(tmp_path / "series" / row["film"]), float)[:256] for row in record["frames"]]
    change = np.abs(films[-1] - films[0])
    assert change[110:160].max() > 25
    assert change[:50].max() <= 1
    assert change[235:].max() <= 1
