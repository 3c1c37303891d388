"""The morphing model: schedule, warp, local correlation and sizes by hand, real training steps, and the series."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Xray2MRILib.cli import main

torch = pytest.importorskip("torch")


def test_schedule_is_the_published_one() -> None:
    from Xray2MRILib.baselines.morphing import noise_schedule

    schedule = noise_schedule()
    betas = np.linspace(1e-4 / 0.3, 0.02 / 0.3, 300)
    assert np.allclose(schedule.betas, betas, rtol=1e-5)
    assert np.allclose(schedule.alphas_cumprod, np.cumprod(1 - betas), rtol=1e-3)


def test_warp_by_a_whole_and_a_half_pixel() -> None:
    from Xray2MRILib.baselines.morphing import warp

    radiograph = torch.rand(1, 1, 12, 16)
    assert torch.allclose(warp(radiograph, torch.zeros(1, 2, 12, 16)), radiograph, atol=1e-6)
    moved = torch.zeros(1, 2, 12, 16)
    moved[:, 0], moved[:, 1] = 2.0, -1.0  # looks two columns to the right and one row up
    assert torch.allclose(warp(radiograph, moved)[0, 0, 1:, :-2], radiograph[0, 0, :-1, 2:], atol=1e-5)
    moved[:, 0], moved[:, 1] = 0.5, 0.0
    expected = (radiograph[..., :-1] + radiograph[..., 1:]) / 2
    assert torch.allclose(warp(radiograph, moved)[..., :-1], expected, atol=1e-5)


def test_local_correlation_by_hand() -> None:
    from Xray2MRILib.baselines.morphing import local_correlation

    rng = np.random.default_rng(0)
    one, other = rng.random((14, 13)), rng.random((14, 13))
    expected = [
        np.corrcoef(one[r : r + 9, c : c + 9].ravel(), other[r : r + 9, c : c + 9].ravel())[0, 1] ** 2
        for r in range(6)
        for c in range(5)
    ]
    tensors = [torch.from_numpy(a).float()[None, None] for a in (one, other)]
    assert abs(local_correlation(*tensors).item() - np.mean(expected)) < 1e-4
    assert local_correlation(tensors[0], 0.3 * tensors[0] + 0.2).item() > 0.999


def test_size_of_the_registration_network_by_hand() -> None:
    from Xray2MRILib.baselines.morphing import RegistrationNetwork

    pairs = [(2, 16), (16, 32), (32, 32), (32, 32), (32, 32)]
    pairs += [(32, 32), (64, 32), (64, 32), (64, 8), (24, 8), (8, 2)]  # the features of the way down beside each
    network = RegistrationNetwork()
    assert sum(p.numel() for p in network.parameters()) == sum(9 * a * b + b for a, b in pairs)
    assert network(torch.zeros(2, 1, 128, 128), torch.zeros(2, 1, 128, 128)).shape == (2, 2, 128, 128)


def test_severity_runs_from_the_radiograph_itself_to_the_whole_code() -> None:
    from Xray2MRILib.baselines.morphing import CODE_SHARE, MorphingModel, warp
    from Xray2MRILib.progression.radiograph_series import severities

    torch.manual_seed(0)
    model = MorphingModel().eval()
    torch.nn.init.normal_(model.registration.flow.weight, std=0.5)
    torch.nn.init.normal_(model.registration.flow.bias, std=1.0)
    model.mean_code.normal_()
    radiograph = torch.rand(1, 1, 128, 128) * 2 - 1
    assert torch.allclose(model.progress_to(radiograph, 0.0), radiograph, atol=1e-5)
    with torch.no_grad():
        whole = warp(radiograph, model.registration(radiograph, CODE_SHARE * model.mean_code))
    assert torch.allclose(model.progress_to(radiograph, 1.0), whole, atol=1e-4)
    early, late = (model.progress_to(radiograph, s) for s in (0.01, 0.5))
    assert (early - radiograph).abs().mean() < (late - radiograph).abs().mean()
    assert severities(4, 5) == [0, 0.25, 0.5, 0.75, 1.0]
    assert severities(2, 3) == [0, 0.25, 0.5]


def test_towards_another_radiograph_its_own_code_is_followed() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel, warp

    torch.manual_seed(0)
    model = MorphingModel().eval()
    torch.nn.init.normal_(model.registration.flow.weight, std=0.5)
    radiograph, other, third = (torch.rand(1, 1, 128, 128) * 2 - 1 for _ in range(3))
    with torch.no_grad():
        expected = warp(
            radiograph,
            model.registration(radiograph, model.diffusion(torch.cat((radiograph, other, other), 1), 0).sample),
        )
    assert torch.allclose(model.progress_to(radiograph, 1.0, other), expected, atol=1e-4)
    assert torch.allclose(model.progress_to(radiograph, 0.0, other), radiograph, atol=1e-5)
    assert not torch.allclose(model.progress_to(radiograph, 1.0, third), expected, atol=1e-2)


def test_displacements_keep_their_size_at_another_resolution() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel

    model = MorphingModel().eval()
    torch.nn.init.zeros_(model.registration.flow.weight)
    with torch.no_grad():
        model.registration.flow.bias.copy_(torch.tensor([3.0, 0.0]))  # three columns of 128 are six of 256
    radiograph = torch.rand(1, 1, 256, 256)
    assert torch.allclose(model.progress_to(radiograph, 1.0)[..., :-6], radiograph[..., 6:], atol=1e-4)


def test_steps_of_training_lower_the_loss_and_reach_both_networks() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel, morphing_loss

    torch.manual_seed(0)
    model = MorphingModel()
    rows = torch.linspace(-1, 1, 128)[:, None].expand(128, 128)
    healthy, severe = torch.sin(9 * rows)[None, None], torch.sin(9 * rows + 0.5)[None, None]
    noise, step = torch.randn(1, 1, 128, 128), torch.tensor([40])
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = morphing_loss(model, healthy, severe, noise, step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1
    assert all(any(p.grad.any() for p in part.parameters()) for part in (model.diffusion, model.registration))


@pytest.mark.slow
def test_from_training_to_a_series_of_radiographs_and_volumes(
    tmp_path: Path, knee_radiograph: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    radiographs = tmp_path / "films"
    radiographs.mkdir()
    rows = []
    for index in range(6):
        grade = (0, 4)[index % 2]
        picture = rng.integers(100, 140, (224, 224)).astype(np.uint8)
        picture[112 - (12 - grade * 2) : 112 + (12 - grade * 2)] = 20
        Image.fromarray(picture).save(radiographs / f"{index}.png")
        rows.append((f"{index}.png", "R", grade, "train" if index < 4 else "val", 0))
    with (radiographs / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "side", "kl_grade", "split", "looks_inverted"), *rows])
    entries = {"data": radiographs, "steps": 2, "batch_size": 2, "code_pairs": 2, "save_every": 2, "device": "cpu",
               "threads": 1}  # fmt: skip
    settings = [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "morphing", "-o", str(tmp_path / "run"), "--json", *settings]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert 0 < metrics["correlation_before"] < 1

    command = ["progress", str(knee_radiograph), "--morphing-model", str(tmp_path / "run" / "model"), "--to", "4"]
    series = tmp_path / "series"
    small = ["--frames", "3", "--volumes", "--slices", "2", "--steps", "1", "--model", str(tiny_model)]
    assert main([*command, "-o", str(series), "--json", "--device", "cpu", *small]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [frame["severity"] for frame in record["frames"]] == [0, 0.5, 1]
    assert {p.name for p in series.glob("*")} >= {"series.json", "series.png", "film-02.png", "volume-02.nrrd"}
    assert "not for diagnosis" in Image.open(series / "film-02.png").text["Description"]
    side_car = json.loads((series / "volume-01.json").read_text())
    assert side_car["radiograph"]["morphing"]["severity"] == 0.5
    assert main([*command, "-o", str(series)]) == 2  # never over an earlier series
    assert "not empty" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "other"), "--to", "7"]) == 2


@pytest.fixture
def bending_model(tmp_path: Path) -> Path:
    """A morphing model whose displacement depends on the code that it is given."""
    from Xray2MRILib.baselines.morphing import MorphingModel

    torch.manual_seed(0)
    model = MorphingModel()
    torch.nn.init.normal_(model.registration.flow.weight, std=3.0)
    model.mean_code.normal_()
    model.save_pretrained(tmp_path / "bending")
    return tmp_path / "bending"


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
