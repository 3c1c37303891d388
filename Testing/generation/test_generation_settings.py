"""Ranges and combinations of settings, the same for the command line and the worker."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from Xray2MRILib.diffusion.sampling_settings import SamplingSettings
from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.volume.file_name import volume_ending


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slices", 1),
        ("slices", 501),
        ("slices", -50),
        ("steps", 0),
        ("steps", 1001),
        ("seed", -1),
        ("seed", 2**63),
        ("samples", 0),
        ("samples", 101),
        ("knee", 0),
        ("guidance_scale", -0.1),
        ("guidance_scale", float("nan")),
        ("guidance_scale", float("inf")),
        ("device", "tpu"),
        ("side", "both"),
        ("sampler", "euler"),
        ("model", ""),
        ("model", "a\0b"),
        ("roi", (0.0, 0.0, 10.0)),
        ("roi", (0.0, 0.0, 0.0, 10.0)),
        ("roi", (0.0, 0.0, 10.0, -10.0)),
        ("roi", (float("nan"), 0.0, 100.0, 100.0)),
        ("roi", (1e9, 0.0, 100.0, 100.0)),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(InputError) as caught:
        GenerationSettings(**{name: value})
    assert caught.value.code == "bad-option"
    assert caught.value.field == name
    assert "--" not in caught.value.sentence()  # each front end has its own remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kl_grade", 5),
        ("kl_grade", -1),
        ("kl", (0.2, 0.2, 0.2, 0.2)),
        ("kl", (0.0, 0.0, 0.0, 0.0, 0.0)),
        ("kl", (1.5, -0.5, 0.0, 0.0, 0.0)),
        ("kl", (float("nan"), 0.0, 0.0, 0.0, 1.0)),
    ],
)
def test_impossible_grades_are_refused(name, value):
    with pytest.raises(InputError, match="grade"):
        GenerationSettings(**{name: value})


@pytest.mark.parametrize(
    "values",
    [
        {"slices": 2, "steps": 1, "samples": 1, "seed": 0},
        {"slices": 500, "steps": 1000, "samples": 100, "seed": 2**63 - 100},
        {"kl": (0.1, 0.2, 0.3, 0.2, 0.2)},
        {"kl_grade": 4},
        {"roi": (-20.0, -20.0, 300.0, 300.0)},
    ],
)
def test_the_edges_of_the_ranges_are_allowed(values):
    settings = GenerationSettings(**values)
    assert all(getattr(settings, name) == value for name, value in values.items())


@pytest.mark.parametrize(
    "values",
    [
        {"kl": (1.0, 0.0, 0.0, 0.0, 0.0), "kl_grade": 0},
        {"roi": (0.0, 0.0, 100.0, 100.0), "knee": 1},
        {"seed": 2**63 - 1, "samples": 2},
    ],
)
def test_choices_that_exclude_each_other(values):
    with pytest.raises(InputError):
        GenerationSettings(**values)


def test_a_message_with_null_fields_takes_the_defaults():
    message = {"type": "generate", "job": "1", "slices": 30, "roi": [1, 2, 30, 40], "seed": None, "of the future": 1}
    assert GenerationSettings.from_message(message) == GenerationSettings(slices=30, roi=(1.0, 2.0, 30.0, 40.0))


def test_inside_the_library_the_names_are_those_of_the_sampler():
    settings = GenerationSettings(slices=30, steps=4, seed=2, guidance_scale=3.0)
    sampling = SamplingSettings(num_inference_steps=4, seed=2, guidance_scale=3.0)
    assert settings == GenerationSettings(num_slices=30, sampling=sampling)
    assert (settings.num_slices, settings.sampling) == (30, sampling)
    assert replace(settings, slices=9, steps=1) == GenerationSettings(slices=9, steps=1, seed=2, guidance_scale=3.0)
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(TypeError, match="density"):
        GenerationSettings(density=3)
    with pytest.raises(AttributeError, match="density"):
        settings.density  # noqa: B018


def test_unless_chosen_the_model_decides_on_steps_and_guidance():
    sampling = GenerationSettings().sampling
    assert (sampling.num_inference_steps, sampling.guidance_scale, sampling.noise_scale) == (None, None, None)


@pytest.mark.parametrize(("name", "ending"), [("a.nrrd", ".nrrd"), ("a.b.nii.gz", ".nii.gz"), ("A.MHA", ".mha")])
def test_endings_of_volume_files(name, ending):
    assert volume_ending(Path(name)) == ending


@pytest.mark.parametrize("name", ["a", "a.png", "a.gz", ".nrrd", "a.nii", "a.nrrd.txt", ""])
def test_other_endings_are_refused(name):
    with pytest.raises(InputError, match="file extension"):
        volume_ending(Path(name))
