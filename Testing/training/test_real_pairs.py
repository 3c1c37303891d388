"""Trainings read real pairs as they read simulated ones, in the frame that the model has."""

from __future__ import annotations

from pathlib import Path

import drawn_knee
import numpy as np
import pytest
from small_runs import autoencoder_recipe, diffusion_recipe

from Xray2MRILib.errors import InputError
from Xray2MRILib.preparation.joint_crop import normalise_crop
from Xray2MRILib.real_pairs.cohort_settings import CohortSettings
from Xray2MRILib.real_pairs.pair_file import write_real_pair
from Xray2MRILib.real_pairs.placement import ScanPlacement, frame_of
from Xray2MRILib.real_pairs.shard_manifest import write_shard_manifest
from Xray2MRILib.reprojection.similarity import Similarity
from Xray2MRILib.simulation.pairs.crop_frame import placed_volume
from Xray2MRILib.training.data.training_knee import list_training_pairs, open_knee
from Xray2MRILib.training.data_origin import describe_pairs

PLACE = Similarity((4.0, -3.0), 0.03, 0.92)


def film_with_margin() -> np.ndarray:
    """[320, 320] from 0 to 1: a drawn knee, its edge repeated in the margin."""
    picture = (np.clip(drawn_knee.radiograph(256), -1, 1) + 1) / 2
    return np.pad(picture, 32, mode="edge")


def write_pairs(folder: Path, count: int = 3, *, placed: bool = True, grades: bool = True) -> Path:
    folder.mkdir()
    back = Similarity((0.0, 0.0), -PLACE.turn_rad, 1 / PLACE.scale)
    x, z = -back(np.array([PLACE.shift_mm]))[0]
    scan = placed_volume(drawn_knee.volume(50), frame_of(Similarity((float(x), float(z)), -PLACE.turn_rad, back.scale)))
    placement = ScanPlacement(PLACE, 0.9, 0.2, None).record() if placed else None
    for k in range(count):
        record = {"participant": f"{k:012x}", "side": "right", "mirrored": False, "kl_grade": k if grades else None,
                  "person": {"sex": "woman", "age": 60.0 + k}, "film": {"margin_px": 32}, "scan": {},
                  "placement": placement, "doubts": 0}  # fmt: skip
        write_real_pair(folder / f"knee-{k:012x}-0000-R.npz", scan, film_with_margin(), record)
    write_shard_manifest(folder, "training", CohortSettings(source="drawn", frame="film" if placed else "scan"))
    return folder


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("placed") / "pairs")


@pytest.fixture(scope="module")
def unplaced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("unplaced") / "pairs", placed=False, grades=False)


def test_the_frame_of_the_radiograph_joins_scan_and_crop(placed: Path) -> None:
    """What a crop pixel shows is in the same row and column of the placed slices; so it is in bent variants."""
    knee = open_knee(list_training_pairs(placed)[0])
    volume, crops = knee.in_radiograph_frame(2, np.random.default_rng(0), bend_mm=None)
    assert np.abs(volume - drawn_knee.volume(50))[:, 60:200, 60:200].mean() < 0.012
    np.testing.assert_allclose(crops[0], normalise_crop(drawn_knee.radiograph(256)), atol=1e-3)
    np.testing.assert_array_equal(crops[0], crops[1])

    from Xray2MRILib.reprojection.consistency import reprojection_consistency

    straight = reprojection_consistency(volume, crops[0])["as_placed"]
    for seed in range(3):
        bent, moved = knee.in_radiograph_frame(1, np.random.default_rng(seed), bend_mm=3.0)
        apart = reprojection_consistency(bent, moved[0])["as_placed"]
        assert np.abs(moved[0] - crops[0]).mean() > 0.02
        assert apart["joint_line_mm"] < straight["joint_line_mm"] + 0.6, seed


def test_the_frame_of_the_scan_leaves_the_scan_alone(unplaced: Path) -> None:
    knee = open_knee(list_training_pairs(unplaced)[0])
    volume, crops = knee.in_scan_frame(2, np.random.default_rng(0), bend_mm=4.0)
    np.testing.assert_array_equal(volume, knee.volume)
    assert crops.shape == (2, 256, 256)
    assert np.abs(crops[0] - crops[1]).mean() > 0.005
    assert -1 <= crops.min() < crops.max() <= 1
    with pytest.raises(InputError, match="is in its scan's frame"):
        knee.in_radiograph_frame(1, np.random.default_rng(0), bend_mm=None)


def test_a_card_can_say_what_the_pairs_are(placed: Path, tmp_path: Path) -> None:
    assert describe_pairs(placed).text == "3 pairs of knee radiograph and MR scan of 3 people (drawn)"
    assert describe_pairs(tmp_path).text == "pairs of unknown origin"


def test_a_cohort_is_no_folder_of_pairs(placed: Path) -> None:
    with pytest.raises(InputError, match="holds no pairs"):
        list_training_pairs(placed.parent)
    (placed.parent / "training").symlink_to(placed)
    with pytest.raises(InputError) as caught:
        list_training_pairs(placed.parent)
    assert "training" in caught.value.hint


def test_encoded_knees_of_both_kinds(placed: Path, unplaced: Path) -> None:
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.data.pair_data import encode_pairs, soft_grades

    parts = build_components("tiny")
    vae, encoder = parts["autoencoder"].eval(), parts["radiograph_encoder"]
    knees = encode_pairs(placed, vae, encoder, 2, seed=1, bend_mm=3.0)
    assert knees.mean.shape[:2] == (3, 50)
    assert knees.grades.tolist() == [0, 1, 2]
    assert set(knees.told()) == {"age", "sex"}
    assert knees.sex.tolist() == [[1.0, 0.0]] * 3
    assert knees.age[1].tolist() == pytest.approx([0, 0, 0, 0, 0.9, 0.1, 0, 0])
    with pytest.raises(InputError, match="scan's frame"):
        encode_pairs(unplaced, vae, encoder, 1, seed=1)
    parts = build_components("tiny", radiograph_encoder={"field_placement": False, "feature_channels": 0,
                                                      "token_encoder": "convolutional"})  # fmt: skip
    silent = encode_pairs(unplaced, vae, parts["radiograph_encoder"], 1, seed=1)
    assert silent.grades.tolist() == [-1, -1, -1]
    assert soft_grades(silent.grades, None).tolist() == [[pytest.approx(0.2)] * 5] * 3


@pytest.mark.slow
def test_models_are_trained_on_real_pairs(placed: Path, tmp_path: Path) -> None:
    from Xray2MRILib.training import autoencoder, diffusion

    autoencoder.train(autoencoder_recipe(placed), tmp_path / "a")
    metrics = diffusion.train(diffusion_recipe(placed, tmp_path / "a" / "autoencoder"), tmp_path / "d")
    assert metrics["step"] == 6
    assert (tmp_path / "d" / "model" / "model_card.json").is_file()


def test_the_command_takes_a_folder_of_pairs_or_a_cohort(placed: Path, tmp_path: Path, capsys) -> None:
    from Xray2MRILib.cli.train import _folders_of_pairs

    values = {"data": "", "held_out": ""}
    assert _folders_of_pairs("diffusion", values, placed) == {"data": str(placed)}
    (tmp_path / "training").mkdir()
    assert _folders_of_pairs("diffusion", values, tmp_path) == {
        "data": str(tmp_path / "training"), "held_out": str(tmp_path / "validation")
    }  # fmt: skip
    from Xray2MRILib import cli

    assert cli.main(["train", "classifier", "-o", str(tmp_path / "o"), "--pairs", str(placed)]) == 2
    assert "--pairs does not apply to classifier" in capsys.readouterr().err
