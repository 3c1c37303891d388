"""The pipeline with the tiny preset: reproducible volumes, densify, deviation, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_pipeline import FAST, Prepared, built
from torch.nn.functional import interpolate

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.errors import Cancelled, InputError, ProcessingError
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.volume.pseudo_mri import PseudoMRI


def test_a_model_of_half_the_resolution_makes_whole_volumes(picture, tmp_path):
    half = built(radiograph_encoder={"slice_size": 128})
    half.save_pretrained(tmp_path / "half")
    volume = Xray2MRIPipeline.from_pretrained(tmp_path / "half", device="cpu")(picture, **FAST)
    assert volume.array.shape == (5, 256, 256)
    assert any("128 x 128 pixels" in note for note in volume.provenance["run"]["notes"])
    spectrum = np.abs(np.fft.rfft2(volume.array[2])) ** 2  # nothing finer than what 128 pixels can hold
    assert spectrum[:, 96:].sum() < 0.01 * spectrum[:, 1:].sum()
    seen = []
    half(picture, **FAST, callback=lambda event: seen.append(event.get("image")))
    assert {image.shape for image in seen if image is not None} == {(256, 256)}


def test_the_volume_has_geometry_and_provenance(reference):
    assert reference.array.shape == (5, 256, 256)
    assert reference.spacing == pytest.approx((0.625, 0.625, 73.5 / 4))
    assert reference.array.std() > 0.01
    sampling = reference.provenance["sampling"]
    assert sampling == {
        "num_slices": 5, "steps": 2, "seed": 0, "sampler": "ddim", "noise": "shared", "guidance_scale": 1.0,
        "guidance_share": 1.0, "noise_scale": 1.0, "renewed_noise": 0.0,
    }  # fmt: skip
    assert reference.provenance["koa"] == {"values": [0, 0, 1, 0, 0], "source": "reader"}
    assert reference.provenance["run"]["device"] == "cpu"
    json.dumps(reference.provenance)


def test_two_runs_are_identical_and_the_batch_size_only_rounds(pipeline, picture, reference):
    assert np.array_equal(pipeline(picture, **FAST).array, reference.array)
    for batch_size in (1, 3):
        found = pipeline(picture, batch_size=batch_size, **FAST).array
        assert np.allclose(found, reference.array, atol=1e-5)


def test_seed_and_generator(pipeline, picture, reference):
    assert not np.allclose(pipeline(picture, seed=1, **FAST).array, reference.array, atol=1e-3)
    first, again = (pipeline(picture, generator=torch.Generator().manual_seed(5), **FAST) for _ in range(2))
    assert np.array_equal(first.array, again.array)
    repeated = pipeline(picture, seed=first.provenance["sampling"]["seed"], **FAST)
    assert np.array_equal(repeated.array, first.array)
    drawn = pipeline(picture, seed=None, **FAST).provenance["sampling"]["seed"]
    assert 0 <= drawn < 2**31


def test_the_radiograph_the_grade_and_the_depth_matter(pipeline, picture, reference):
    other_grade = pipeline(picture, **(FAST | {"koa": KoaProbabilities.reader(4)}))
    other_picture = pipeline(-picture, **FAST)
    for other in (other_grade.array, other_picture.array, reference.array[::-1]):
        assert np.abs(other - reference.array).max() > 1e-3


def test_a_left_knee_is_the_mirror_image(pipeline, picture, reference):
    shown = {}
    left = pipeline(
        Prepared(picture, mirrored=True, record={"side": "left"}),
        callback=lambda event: shown.update({event["file_index"]: event["image"]}) if "image" in event else None,
        **FAST,
    )
    assert np.array_equal(left.array, reference.array[:, :, ::-1])
    assert left.side == "left"
    assert left.provenance["radiograph"]["side"] == "left"
    assert all(np.array_equal(shown[index], left.array[index]) for index in range(5))


def painting_depth() -> Xray2MRIPipeline:
    """A pipeline that paints each slice in the grey (u + 1) / 2 of the depth u that its U-Net received."""
    pipeline = built()
    cumulative = pipeline.scheduler.alphas_cumprod

    def noise_beside_the_depth(
        unet: torch.nn.Module, arguments: tuple[Any, ...], predicted: torch.Tensor
    ) -> torch.Tensor:
        """What a perfect network would predict of a slice that is u everywhere."""
        sample, timestep, depth = arguments[:3]
        kept = cumulative[int(timestep)]
        return (sample[:, : predicted.shape[1]] - kept.sqrt() * depth[:, None, None, None]) / (1 - kept).sqrt()

    pipeline.unet.register_forward_hook(noise_beside_the_depth)
    # the decoder enlarges its latent and draws nothing of its own
    pipeline.autoencoder.post_quant_conv.register_forward_hook(lambda _, arguments, output: arguments[0])
    pipeline.autoencoder.decoder.register_forward_hook(lambda _, arguments, output: interpolate(arguments[0], 128))
    return pipeline


def depths_by_place(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of each slice of a file, in file order: the depth u of its place and the depth u that is painted in it."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    grey = sitk.GetArrayFromImage(image).mean(axis=(1, 2)) / 4095
    centres = [image.TransformIndexToPhysicalPoint((128, 128, index)) for index in range(image.GetDepth())]
    return np.array([-y / 36.75 for _, y, _ in centres]), 2 * grey - 1  # y grows to the posterior in LPS


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
def test_each_slice_of_the_file_is_made_at_the_depth_of_its_place(
    picture: np.ndarray, tmp_path: Path, mirrored: bool, batch_size: int
) -> None:
    """The most anterior slice is made at u = +1, the most posterior one at u = -1; a denser volume keeps to that."""
    painter, knee = painting_depth(), Prepared(picture, mirrored)
    painter(knee, batch_size=batch_size, **FAST).save(tmp_path / "knee.nrrd")
    coarse = PseudoMRI.load(tmp_path / "knee.nrrd")
    painter.densify(coarse, 9, radiograph=knee, batch_size=batch_size).save(tmp_path / "dense.nrrd")
    for name in ("knee", "dense"):
        place, painted = depths_by_place(tmp_path / f"{name}.nrrd")
        assert place.max() == pytest.approx(1)
        assert place.min() == pytest.approx(-1)
        assert painted == pytest.approx(place, abs=0.05)  # neighbours of 9 slices lie 0.25 apart


@pytest.mark.parametrize(("noise", "renewed"), [("drifting", 0), ("shared", 0), ("shared", 1), ("independent", 0.5)])
def test_densify_computes_only_the_new_depths_and_equals_direct_generation(pipeline, picture, noise, renewed):
    coarse = pipeline(picture, noise=noise, renewed_noise=renewed, **FAST)
    events = []
    dense = pipeline.densify(coarse, 9, radiograph=picture, callback=events.append)
    direct = pipeline(picture, noise=noise, renewed_noise=renewed, **(FAST | {"num_slices": 9}))
    assert np.array_equal(dense.array[::2], coarse.array)
    assert np.allclose(dense.array, direct.array, atol=1e-5)
    assert dense.provenance["sampling"] == direct.provenance["sampling"]
    assert dense.provenance["run"]["slices_taken_over"] == 5
    sampled = [event for event in events if event["stage"] == "sample"]
    assert {event["of"] for event in sampled} == {4 * 2}
    assert sorted(event["depth_index"] for event in events if event["stage"] == "slice") == list(range(9))


def test_densify_of_a_left_knee_read_back_from_disk(pipeline, picture, tmp_path):
    left = Prepared(picture, mirrored=True)
    pipeline(left, **FAST).save(tmp_path / "knee.nrrd")
    dense = pipeline.densify(PseudoMRI.load(tmp_path / "knee.nrrd"), 9, radiograph=left)
    assert np.allclose(dense.array, pipeline(left, **(FAST | {"num_slices": 9})).array, atol=1 / 4095)


def test_densify_refuses_another_radiograph_model_or_origin(pipeline, picture, reference, saved):
    for volume, radiograph, model in (
        (reference, -picture, pipeline),
        (reference, picture, Xray2MRIPipeline.from_pretrained(saved, device="cpu")),
        (type(reference)(reference.array, {}), picture, pipeline),
    ):
        with pytest.raises(InputError) as refusal:
            model.densify(volume, 9, radiograph=radiograph)
        assert refusal.value.code == "other-origin"


def test_deviation_over_seeds_equals_numpy(pipeline, picture):
    fractions = []
    volume = pipeline.sample_deviation(
        picture, 3, seed=4, callback=lambda event: fractions.append(event.get("fraction", -1)), **FAST
    )
    volumes = np.stack([pipeline(picture, seed=seed, **FAST).array for seed in (4, 5, 6)])
    assert np.array_equal(volume.array, volumes[0])
    assert np.allclose(volume.deviation, volumes.std(axis=0, ddof=1), atol=1e-5)
    assert volume.provenance["sampling"]["seeds"] == [4, 5, 6]
    told = [fraction for fraction in fractions if fraction >= 0]
    assert told == sorted(told)
    assert fractions.count(-1) == 5


def test_events_never_go_back_and_end_complete(pipeline, picture):
    events = []
    volume = pipeline(picture, callback=events.append, batch_size=2, **FAST)
    fractions = [event["fraction"] for event in events if "fraction" in event]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert {event["stage"] for event in events} == {"encode", "sample", "decode", "slice"}
    slices = [event for event in events if event["stage"] == "slice"]
    assert [event["depth_index"] for event in slices] == [0, 4, 2, 1, 3]
    for event in slices:
        assert event["u"] == pytest.approx(2 * event["depth_index"] / 4 - 1)
        assert event["file_index"] == 4 - event["depth_index"]
        assert np.array_equal(event["image"], volume.array[event["file_index"]])


def test_cancellation_ends_the_call(pipeline, picture):
    with pytest.raises(Cancelled):
        pipeline(picture, should_cancel=lambda: True, **FAST)


def test_without_a_classifier_the_grades_are_uniform_and_it_says_so(pipeline, picture, monkeypatch):
    import Xray2MRILib.conditions.koa_classifier as classifier

    monkeypatch.setattr(classifier, "SHIPPED_FOLDER", "models/none_such")
    classifier.load_classifier.cache_clear()
    volume = pipeline(picture, 2, 1)
    assert volume.provenance["koa"] == {"values": [0.2] * 5, "source": "uniform"}
    assert "classifier" in volume.provenance["run"]["notes"][0]
    classifier.load_classifier.cache_clear()


@pytest.mark.parametrize(
    "choice",
    [
        {"num_slices": 1}, {"num_slices": 501}, {"num_slices": 5.5}, {"num_slices": True},
        {"num_inference_steps": 0}, {"num_inference_steps": 1001}, {"num_inference_steps": "20"},
        {"guidance_scale": -1}, {"guidance_scale": float("nan")}, {"guidance_scale": 21}, {"guidance_scale": "high"},
        {"guidance_share": 1.1, "guidance_scale": 2}, {"guidance_share": -0.1, "guidance_scale": 2},
        {"noise_scale": 0}, {"noise_scale": 1.5},
        {"sampler": "euler"}, {"noise": "white"}, {"seed": -1}, {"seed": 2**63}, {"seed": "x"}, {"batch_size": -1},
    ],
)  # fmt: skip
def test_choices_out_of_range_are_refused(pipeline, picture, choice):
    with pytest.raises(InputError) as refusal:
        pipeline(picture, **(FAST | choice))
    assert refusal.value.code == "bad-option"
    names = {"num_slices": "slices", "num_inference_steps": "steps"}  # of front ends
    assert refusal.value.field == names.get(next(iter(choice)), next(iter(choice)))


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((256, 256), np.float32),
        np.zeros((1, 224, 224), np.float32),
        np.full((1, 256, 256), np.nan, np.float32),
        np.full((1, 256, 256), 255.0, np.float32),
        "film.png",
        None,
    ],
)
def test_pictures_that_are_not_prepared_are_refused(pipeline, bad):
    with pytest.raises(InputError) as refusal:
        pipeline(bad, **FAST)
    assert refusal.value.code == "bad-image"


def test_a_condition_that_cannot_be_computed_is_named(picture):
    pipeline = built(unet={"condition_names": ("p", "r"), "condition_sizes": (5, 12)})
    with pytest.raises(ProcessingError, match="'r'"):
        pipeline(picture, **FAST)


def test_networks_are_recorded_as_diffusers_records_them():
    from diffusers import DiffusionPipeline

    pipeline = built()
    own = {name: value for name, value in pipeline.config.items() if not name.startswith("_")}
    assert set(own) == {"autoencoder", "unet", "radiograph_encoder", "scheduler"}
    DiffusionPipeline.register_modules(pipeline, **pipeline.components)
    assert own == {name: value for name, value in pipeline.config.items() if not name.startswith("_")}


def test_the_stored_schedule_is_read_as_diffusers_reads_it(tmp_path):
    from diffusers import DDIMScheduler

    built(scheduler={"prediction_type": "v_prediction", "zero_terminal_snr": True}).save_pretrained(tmp_path / "m")
    found = Xray2MRIPipeline.from_pretrained(tmp_path / "m", device="cpu").scheduler
    expected = DDIMScheduler.from_pretrained(tmp_path / "m" / "scheduler")
    assert {n: v for n, v in found.config.items() if not n.startswith("_")} == {
        n: v for n, v in expected.config.items() if not n.startswith("_")
    }
    assert torch.equal(found.alphas_cumprod, expected.alphas_cumprod)
