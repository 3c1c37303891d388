"""Training the knee detector for a few steps on joints cut out of the test radiographs: learning, resuming,
refusing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.io import imsave
from skimage.transform import resize

from Xray2MRILib.errors import InputError
from Xray2MRILib.localization.localize import load_detector
from Xray2MRILib.training import localizer
from Xray2MRILib.training.data.box_annotations import read_box_annotations, read_grey
from Xray2MRILib.training.localizer import detection_loss, draw_batch, finished_share, learning_rate, train
from Xray2MRILib.training.recipe_files import chosen_recipe
from Xray2MRILib.training.recipes.localizer import LocalizerRecipe

RADIOGRAPHS = Path(__file__).parents[1] / "localization" / "radiographs"
BOXES = RADIOGRAPHS.parent / "knee_boxes.json"


@pytest.fixture(scope="module")
def joint_crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of joint crops with index.csv, cut out of the committed radiographs by their annotated boxes."""
    folder = tmp_path_factory.mktemp("crops")
    rows = []
    for radiograph in json.loads(BOXES.read_text(encoding="utf-8"))["films"]:
        if (RADIOGRAPHS / radiograph["file"]).exists() and radiograph["kind"] == "bilateral":
            pixels = read_grey(RADIOGRAPHS / radiograph["file"])
            for knee in radiograph["knees"]:
                x, y, width, _ = knee["box"]
                rows_, columns = np.mgrid[:64, :64] * width / 64
                cut = pixels[
                    np.clip(rows_ + y, 0, pixels.shape[0] - 1).astype(int),
                    np.clip(columns + x, 0, pixels.shape[1] - 1).astype(int),
                ]
                name = f"{len(rows)}.png"
                imsave(folder / name, resize(cut, (64, 64), preserve_range=True).astype(np.uint8), check_contrast=False)
                rows.append({"file": name, "side": knee["side"][0].upper(), "split": "train", "looks_inverted": "0"})
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def recipe(joint_crops: Path, tmp_path: Path) -> dict:
    boxes = {
        "films": [
            radiograph
            for radiograph in json.loads(BOXES.read_text(encoding="utf-8"))["films"]
            if (RADIOGRAPHS / radiograph["file"]).exists()
        ]
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
    return chosen_recipe("localizer") | {
        "data": str(joint_crops),
        "films": [{"folder": str(RADIOGRAPHS), "boxes": str(tmp_path / "boxes.json"), "split": "held_out"}],
        "film_share": 0.5,
        "canvas_size": 64,
        "channels": [8, 8, 8, 8, 8],
        "steps": 6,
        "minutes": None,
        "batch_size": 4,
        "warm_up_steps": 2,
        "precision": "float32",
        "checkpoint_every": 3,
        "log_every": 1,
    }


def test_resumed_run_equals_uninterrupted_run(recipe: dict, tmp_path: Path) -> None:
    train(recipe, tmp_path / "whole")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(localizer, "draw_batch", lambda *given: stop() if given[-1][1] == 4 else draw_batch(*given))
        with pytest.raises(KeyboardInterrupt):  # in the fifth step; the checkpoint is of the third
            train(recipe, tmp_path / "half")
    assert not (tmp_path / "half" / "model").exists()
    train(recipe, tmp_path / "half", resume=True)
    whole, half = (load_file(tmp_path / run / "model/diffusion_pytorch_model.safetensors") for run in ("whole", "half"))
    assert whole.keys() == half.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, half[name])
    detector, confidence, overlap = load_detector(tmp_path / "whole/model")
    assert detector.config["canvas_size"] == 64
    assert (confidence, overlap) == (recipe["confidence_threshold"], recipe["overlap_threshold"])


def test_loss_falls(recipe: dict, tmp_path: Path) -> None:
    first = train(recipe | {"steps": 1}, tmp_path / "short")
    last = train(recipe | {"steps": 40, "learning_rate": 0.01}, tmp_path / "long")
    assert last["heat"] < 0.5 * first["heat"]
    continued = recipe | {"steps": 1, "start_from": str(tmp_path / "long/model")}
    assert train(continued, tmp_path / "continued")["heat"] < first["heat"]


def test_batches_depend_on_seed_and_step_only(recipe: dict) -> None:
    radiographs = read_box_annotations(
        Path(recipe["films"][0]["folder"]), Path(recipe["films"][0]["boxes"]), "held_out"
    )
    assert [len(boxes) for _, boxes in radiographs] == [2 if pixels.shape[1] == 640 else 1 for pixels, _ in radiographs]
    crops, sides = np.zeros((1, 64, 64), np.uint8), np.array(["L"])
    one, same, other = (draw_batch(crops, sides, radiographs, 1.0, 3, 64, (0, step)) for step in (5, 5, 6))
    assert torch.equal(one[0], same[0])
    assert not torch.equal(one[0], other[0])


def test_perfect_maps_cost_nothing() -> None:
    heat, regression = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4, 4)
    heat[0, 1, 2], regression[0, :, 1, 2] = 1, torch.tensor([1.0, 0.7, -0.2, 0.3])
    maps = regression.clone()
    maps[:, 0] = torch.where(heat == 1, 20.0, -20.0)
    assert all(float(value) < 1e-6 for value in detection_loss(maps, heat, regression).values())
    maps[0, 1, 1, 2] += 0.5
    assert float(detection_loss(maps, heat, regression)["side"]) == pytest.approx(0.5)


def test_unusable_input_is_refused(recipe: dict, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="joint crops"):
        train(recipe | {"data": str(tmp_path)}, tmp_path / "run")
    with pytest.raises(InputError, match="precision"):
        train(recipe | {"precision": "float8"}, tmp_path / "run")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    broken = [{"folder": str(RADIOGRAPHS), "boxes": str(tmp_path / "broken.json")}]
    with pytest.raises(InputError, match="boxed radiographs"):
        train(recipe | {"films": broken}, tmp_path / "run")


def test_the_rate_ends_with_the_steps_or_the_minutes(recipe: dict) -> None:
    """Warm-up of two steps times the half cosine of the share that is done, by whichever limit is nearer."""
    limited = LocalizerRecipe.from_json(recipe | {"minutes": 1, "learning_rate": 0.4})
    assert [finished_share(limited, 3, seconds) for seconds in (0, 45, 60)] == [0.5, 0.75, 1]
    assert learning_rate(limited, 0, 0.0) == pytest.approx(0.2)
    assert learning_rate(limited, 1, 0.5) == pytest.approx(0.2)
    assert learning_rate(limited, 9, 1.0) == pytest.approx(0, abs=1e-12)


def test_minutes_end_the_whole_run(recipe: dict, tmp_path: Path) -> None:
    """A run without time left writes its model, and resuming has nothing left to do."""
    train(recipe | {"minutes": 1e-9}, tmp_path)
    first = load_file(tmp_path / "model/diffusion_pytorch_model.safetensors")
    assert train(recipe | {"minutes": 1e-9}, tmp_path, resume=True) == {}
    again = load_file(tmp_path / "model/diffusion_pytorch_model.safetensors")
    assert all(torch.equal(tensor, first[name]) for name, tensor in again.items())
