"""Teacher and student of super-resolution for a few steps: learning, resuming, ablations, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from Xray2MRILib.errors import InputError
from Xray2MRILib.simulation.high_resolution.fine_scan import FineVolume
from Xray2MRILib.simulation.high_resolution.fine_store import write_fine
from Xray2MRILib.super_resolution.enhancement_network import GUIDANCE, EnhancementUNet
from Xray2MRILib.training import super_resolution, super_resolution_student
from Xray2MRILib.training.data.scan_pairs import FineVolumes, draw_scan_pictures
from Xray2MRILib.training.recipe_files import chosen_recipe
from Xray2MRILib.training.recipes.super_resolution_student import SuperResolutionStudentRecipe
from Xray2MRILib.training.super_resolution_student import blur_of_step, blurred

ROOT = Path(__file__).parents[2]
WEIGHTS = "model/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two volumes of ellipsoids with sharp edges."""
    folder = tmp_path_factory.mktemp("fine")
    place = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in (64, 72, 80)), indexing="ij"))
    for k in range(2):
        values = torch.zeros(place.shape[1:])
        generator = torch.Generator().manual_seed(k)
        for _ in range(12):
            centre, size = (
                torch.rand(3, generator=generator) * 1.4 - 0.7,
                0.15 + 0.4 * torch.rand(3, generator=generator),
            )
            inside = ((place - centre[:, None, None, None]) / size[:, None, None, None]).norm(dim=0) < 1
            values[inside] = 0.2 + 0.8 * float(torch.rand((), generator=generator))
        write_fine(folder, k, FineVolume(values, []), {"voxel_mm": 0.625})
    return folder


@pytest.fixture
def small(volumes: Path) -> dict:
    """The folders, for either tiny recipe."""
    return {"data": str(volumes), "held_out": str(volumes)}


@pytest.fixture
def student(small: dict) -> dict:
    return chosen_recipe("super-resolution-student", "tiny") | small


@pytest.fixture(scope="module")
def teacher(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    recipe = chosen_recipe("super-resolution", "tiny") | {"data": str(volumes), "steps": 2}
    super_resolution.train(recipe, folder)
    return folder


def test_pictures_have_their_channels_and_are_drawn_by_seed(volumes: Path) -> None:
    stored = FineVolumes(volumes)
    first, again = (
        draw_scan_pictures(stored, torch.Generator().manual_seed(3), blocks=3, slices=2, tile=32) for _ in range(2)
    )
    assert first.pictures.shape == (6, 5, 32, 32)
    assert first.truth.shape == (6, 1, 32, 32)
    assert torch.equal(first.pictures, again.pictures)
    assert torch.isfinite(first.pictures).all()
    unknown = draw_scan_pictures(
        stored, torch.Generator().manual_seed(3), blocks=3, slices=2, tile=32, guidance_missing=1.0
    )
    assert float(unknown.pictures[:, GUIDANCE].abs().max()) == 0
    assert float(first.pictures[:, GUIDANCE].abs().max()) > 0
    # the coarse scan resembles the truth, and differs from it
    error = float(first.residual.abs().mean())
    assert 0 < error < 0.5 * float(first.truth.abs().mean())


def test_resumed_teacher_equals_uninterrupted_teacher(small: dict, tmp_path: Path) -> None:
    recipe = chosen_recipe("super-resolution", "tiny") | small
    measures = super_resolution.train(recipe, tmp_path / "whole")
    assert set(measures) == {"network", "cubic"}
    result = super_resolution.train(recipe | {"minutes": 1e-6}, tmp_path / "pieces")
    assert result == {"step": 1, "steps": 4}
    while "step" in result:
        result = super_resolution.train(recipe | {"minutes": 1e-6}, tmp_path / "pieces", resume=True)
    whole, pieces = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "pieces"))
    assert all(torch.equal(whole[name], pieces[name]) for name in whole)
    card = json.loads((tmp_path / "whole" / "model" / "card.json").read_text(encoding="utf-8"))
    assert card["network"] == "teacher"
    assert "data" not in card["recipe"]


def test_student_alone_learns(student: dict, tmp_path: Path) -> None:
    """After some steps it is better than interpolation on the volumes that it saw."""
    recipe = student | {"steps": 80, "learning_rate": 0.004, "ema_decay": 0.9, "edge_weight": 0.0, "save_every": 80}
    measures = super_resolution_student.train(recipe, tmp_path / "alone")
    assert measures["network"]["l1"] < measures["cubic"]["l1"]
    network = EnhancementUNet.from_pretrained(tmp_path / "alone" / "model")
    assert not network.is_teacher


@pytest.mark.parametrize(
    "change", [{}, {"feature_weight": 0.0}, {"stages": 1}, {"truth_weight": 0.0}, {"edge_weight": 0.0}]
)
def test_every_part_can_be_switched_off(student: dict, teacher: Path, tmp_path: Path, change: dict) -> None:
    recipe = student | {"teacher": str(teacher), "held_out": None} | change
    assert super_resolution_student.train(recipe, tmp_path / "run") == {}
    assert (tmp_path / "run" / WEIGHTS).is_file()
    assert not any(name.startswith("projections") for name in load_file(tmp_path / "run" / WEIGHTS))


def test_led_student_resumes_and_keeps_the_teachers_pictures(student: dict, teacher: Path, tmp_path: Path) -> None:
    recipe = student | {"teacher": str(teacher), "held_out": None}
    super_resolution_student.train(recipe, tmp_path / "whole")
    pieces = tmp_path / "pieces"
    result = super_resolution_student.train(recipe | {"minutes": 1e-6}, pieces)
    stamps = {path.name: path.stat().st_mtime_ns for path in (pieces / "taught").iterdir()}
    while "step" in result:
        result = super_resolution_student.train(recipe | {"minutes": 1e-6}, pieces, resume=True)
    assert {path.name: path.stat().st_mtime_ns for path in (pieces / "taught").iterdir()} == stamps
    whole, found = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "pieces"))
    assert all(torch.equal(whole[name], found[name]) for name in whole)


def test_a_student_cannot_teach(student: dict, tmp_path: Path) -> None:
    super_resolution_student.train(student | {"held_out": None}, tmp_path / "first")
    with pytest.raises(InputError, match="which cannot teach"):
        super_resolution_student.train(student | {"teacher": str(tmp_path / "first")}, tmp_path / "second")


def test_the_blur_falls_stage_by_stage(student: dict) -> None:
    recipe = SuperResolutionStudentRecipe.from_json(student | {"stages": 10, "steps": 100, "blur_px": 2.0})
    assert [round(blur_of_step(recipe, step), 3) for step in (0, 9, 10, 55, 90, 99)] == [2.0, 2.0, 1.778, 0.889, 0, 0]


def test_the_blur_is_a_gaussian() -> None:
    from scipy import ndimage

    picture = torch.randn(1, 1, 40, 40)
    expected = ndimage.gaussian_filter(picture[0, 0].numpy(), 1.5, mode="nearest", truncate=5 / 1.5)
    assert np.allclose(blurred(picture, 1.5)[0, 0].numpy(), expected, atol=2e-3)


@pytest.mark.slow
def test_a_killed_run_goes_on(student: dict, tmp_path: Path) -> None:
    """A real process, killed after its first checkpoint, ends where an uninterrupted one ends."""
    recipe = student | {"held_out": None, "steps": 300, "save_every": 1}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "Xray2MRILib", "train", "super-resolution-student", "--config",
               str(tmp_path / "recipe.json"), "-o", str(tmp_path / "run"), "--resume"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    while not checkpoint.exists() and process.poll() is None:
        pass
    process.kill()
    process.wait()
    assert checkpoint.exists()
    subprocess.run([*command, "--set", "steps=300"], cwd=ROOT, check=True, capture_output=True)
    super_resolution_student.train(recipe, tmp_path / "whole")
    whole, found = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "run"))
    assert all(torch.equal(whole[name], found[name]) for name in whole)
