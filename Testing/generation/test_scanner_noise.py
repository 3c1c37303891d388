"""Scanner noise on generated volumes: viewers see it, nothing is measured with it, and the record gives it again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.generation_result import generation_result
from Xray2MRILib.generation.scanner_noise import (
    LEVEL,
    ShownSlices,
    acquisition_record,
    noisy_slices,
    recorded_acquisition,
)
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.generation.volume_from_radiograph import Generation, densify, generate, reopen
from Xray2MRILib.volume.intensity_mapping import STANDARD_MAPPING
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

HALF_A_STEP = 0.5 / 4095 + 1e-6


def settings(model: Path, **changes) -> GenerationSettings:
    return GenerationSettings(**{"slices": 5, "steps": 1, "model": str(model), "device": "cpu", **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("volumes")


@pytest.fixture(scope="module")
def slices_seen() -> list[dict]:
    return []


@pytest.fixture(scope="module")
def made(knee_radiograph, tiny_model, folder, slices_seen) -> Generation:
    """With the default: noise as measured."""
    return generate(knee_radiograph, folder / "knee.nrrd", settings(tiny_model), on_slice=slices_seen.append)


@pytest.fixture(scope="module")
def clean(knee_radiograph, tiny_model, folder) -> Generation:
    return generate(knee_radiograph, folder / "clean.nrrd", settings(tiny_model, scanner_noise=0))


def test_the_network_makes_the_same_slices_with_and_without(made: Generation, clean: Generation) -> None:
    assert np.array_equal(made.volume.array, clean.volume.array)
    assert clean.volume.acquired is None
    assert clean.result["noise_free"] is None
    assert float(np.abs(made.volume.shown - made.volume.array).mean()) > 0.5 * 0.06 * LEVEL
    assert made.volume.shown.min() >= 0
    assert made.volume.shown.max() <= 1


def test_everything_measured_is_measured_without(made: Generation, clean: Generation) -> None:
    assert made.result["reprojection"] == clean.result["reprojection"]
    assert made.volume.provenance["sampling"] == clean.volume.provenance["sampling"]


def test_files_hold_both_and_say_which(made: Generation, clean: Generation, folder: Path) -> None:
    import SimpleITK as sitk

    viewed = sitk.ReadImage(made.result["volume"])
    measured = sitk.ReadImage(made.result["noise_free"])
    assert np.array_equal(sitk.GetArrayFromImage(viewed), STANDARD_MAPPING.to_stored(made.volume.shown))
    assert np.array_equal(
        sitk.GetArrayFromImage(measured), sitk.GetArrayFromImage(sitk.ReadImage(clean.result["volume"]))
    )
    assert viewed.GetMetaData("Xray2MRI.acquisition.scanner_noise") == "1.0"
    assert measured.GetMetaData("Xray2MRI.content") == "the volume without scanner noise, for measurements"
    assert "Xray2MRI.volume.voxels_sha256" not in measured.GetMetaDataKeys()
    record = json.loads((folder / "knee.json").read_text("utf-8"))
    assert set(record["acquisition"]) == {"scanner_noise", "noise", "ghosts", "level", "seed"}
    assert json.loads((folder / "clean.json").read_text("utf-8"))["acquisition"] == {"scanner_noise": 0.0}
    again = PseudoMRI.load(made.result["volume"])
    assert not again.contains_noise
    for kept, first in ((again.array, made.volume.array), (again.shown, made.volume.shown)):
        assert np.abs(kept - first).max() <= HALF_A_STEP


def test_the_record_and_the_noise_free_voxels_give_the_shown_ones(made: Generation, folder: Path) -> None:
    acquisition = recorded_acquisition(json.loads((folder / "knee.json").read_text("utf-8")))
    assert acquisition is not None
    shown = noisy_slices(made.volume.array, acquisition, made.volume.depth_positions)
    assert np.array_equal(shown, made.volume.shown)
    one = noisy_slices(made.volume.array[3:4], acquisition, made.volume.depth_positions[3:4])
    assert np.array_equal(one[0], shown[3])


def test_slices_arrive_as_the_volume_shows_them(made: Generation, slices_seen: list[dict]) -> None:
    assert sorted(event["file_index"] for event in slices_seen) == list(range(5))
    for event in slices_seen:
        assert np.array_equal(event["image"], made.volume.shown[event["file_index"]])


def test_slices_that_were_not_shown_get_their_noise_at_the_end(made: Generation, slices_seen: list[dict]) -> None:
    volume = PseudoMRI(made.volume.array, made.volume.provenance)
    for count in (0, 2, 5):
        shown = ShownSlices(recorded_acquisition(made.volume.provenance))
        receive = shown.receiver(lambda event: None)
        for event in slices_seen[:count]:
            receive({**event, "image": made.volume.array[event["file_index"]]})
        volume.acquired = None
        shown.add_to(volume)
        assert np.array_equal(volume.acquired, made.volume.shown)


@pytest.mark.parametrize("from_files", [False, True])
def test_more_slices_repeat_slices_and_noise_at_shared_depths(
    made: Generation, knee_radiograph, tiny_model, folder: Path, from_files: bool
) -> None:
    earlier = reopen(made.result["volume"], knee_radiograph, str(tiny_model), "cpu") if from_files else made
    seen: list[dict] = []
    denser = densify(earlier, 9, folder / f"denser{from_files}.nrrd", on_slice=seen.append).volume
    assert denser.provenance["acquisition"] == made.volume.provenance["acquisition"]
    assert denser.provenance["run"]["slices_taken_over"] == 5
    assert np.abs(denser.array[::2] - made.volume.array).max() <= HALF_A_STEP
    assert np.array_equal(denser.shown[::2], earlier.volume.shown)
    assert len(seen) == 9
    for event in seen:
        assert np.abs(event["image"] - denser.shown[event["file_index"]]).max() <= 2 * HALF_A_STEP


def test_without_its_noise_free_file_a_volume_says_so_and_can_still_grow(
    made: Generation, knee_radiograph, tiny_model, folder: Path, tmp_path: Path
) -> None:
    for name in ("knee.nrrd", "knee.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    alone = reopen(tmp_path / "knee.nrrd", knee_radiograph, str(tiny_model), "cpu")
    assert alone.volume.contains_noise
    assert np.abs(alone.volume.array - made.volume.shown).max() <= HALF_A_STEP
    denser = densify(alone, 9, tmp_path / "denser.nrrd").volume
    assert not denser.contains_noise
    assert denser.provenance["run"]["slices_taken_over"] == 0
    assert "computed again" in denser.provenance["run"]["notes"][-1]
    assert np.abs(denser.array[::2] - made.volume.array).max() < 1e-4
    assert np.array_equal(denser.shown[::2], alone.volume.shown)


def test_another_file_in_the_place_of_the_noise_free_one_is_refused(
    made: Generation, folder: Path, tmp_path: Path
) -> None:
    for name in ("knee.nrrd", "knee.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "knee_noise_free.nrrd").write_bytes((folder / "knee.nrrd").read_bytes())
    with pytest.raises(InputError, match="does not hold the noise-free voxels"):
        PseudoMRI.load(tmp_path / "knee.nrrd")


def test_a_volume_written_over_a_noisy_one_leaves_no_old_voxels(
    made: Generation, clean: Generation, tmp_path: Path
) -> None:
    made.volume.save(tmp_path / "knee.nrrd")
    assert (tmp_path / "knee_noise_free.nrrd").is_file()
    clean.volume.save(tmp_path / "knee.nrrd")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["knee.json", "knee.nrrd"]


def test_the_deviation_over_samples_has_no_noise(knee_radiograph, tiny_model, tmp_path: Path) -> None:
    several = {
        strength: generate(
            knee_radiograph, tmp_path / f"{strength}.nrrd", settings(tiny_model, samples=2, scanner_noise=strength)
        ).volume
        for strength in (0.0, 2.0)
    }
    assert np.array_equal(several[0.0].deviation, several[2.0].deviation)
    assert several[2.0].acquired is not None


def test_the_seed_of_the_noise_depends_on_volume_seed_and_knee() -> None:
    seeds = {acquisition_record(1, seed, crop)["seed"] for seed in (0, 1) for crop in ("a", "b")}
    assert len(seeds) == 4
    assert acquisition_record(1, 0, "a") == acquisition_record(1, 0, "a")
    assert acquisition_record(2, 0, "a")["noise"] == 2 * acquisition_record(1, 0, "a")["noise"]


def test_volumes_from_before_the_step_stay_without(clean: Generation) -> None:
    old = {name: value for name, value in clean.volume.provenance.items() if name != "acquisition"}
    assert recorded_acquisition(old) is None
    volume = PseudoMRI(clean.volume.array, old)
    assert generation_result(volume, clean.knee, {}, {})["scanner_noise"] == 0


@pytest.mark.parametrize("strength", [-0.1, 5.1, "much", True])
def test_strengths_out_of_range_are_refused(strength) -> None:
    with pytest.raises(InputError, match="scanner noise cannot be"):
        GenerationSettings(scanner_noise=strength)


def test_the_measured_noise_stands_beside_the_leg_of_a_generated_volume() -> None:
    """The shipped model at the shipped field: mean/SD 3.1 to 3.3, correlation 0.28 at one pixel, none at two or between
    slices, as measured on two scans."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.radiograph.reading import read_radiograph

    sample = Path(__file__).resolve().parents[2] / "Resources" / "samples" / "kl0_right.webp"
    knee = prepare_knee(read_radiograph(sample), GenerationSettings()).prepared
    volume = Xray2MRIPipeline.from_pretrained("compact", device="cpu")(knee, num_slices=6, num_inference_steps=4)
    acquisition = recorded_acquisition({"acquisition": acquisition_record(1, 0, "a crop")})
    assert acquisition is not None
    shown = noisy_slices(volume.array, acquisition, volume.depth_positions)
    # beside the leg in all slices, and farther from it than the blur reaches
    air = ndimage.maximum_filter(volume.array, (len(volume.array), 9, 9)).max(axis=0) < 0.003
    air[:4] = air[-4:] = air[:, :4] = air[:, -4:] = False
    assert air.sum() > 2000
    floor = shown[:, air]
    assert 3.1 <= floor.mean() / floor.std() <= 3.3
    assert 0.05 <= floor.mean() <= 0.1  # of the clip level of scans
    for axis in (0, 1):
        for lag, expected in ((1, 0.28), (2, 0.0)):
            both = air & np.roll(air, lag, axis)
            moved = np.roll(shown, lag, axis + 1)
            found = np.corrcoef(shown[:, both].ravel(), moved[:, both].ravel())[0, 1]
            assert found == pytest.approx(expected, abs=0.04)
    assert np.corrcoef(floor[1:].ravel(), floor[:-1].ravel())[0, 1] == pytest.approx(0, abs=0.03)
