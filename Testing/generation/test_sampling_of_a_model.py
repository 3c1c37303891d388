"""How a model asks to be sampled: by its card, by the caller, and what the deviation over seeds is taken of."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.diffusion.sampling_settings import SamplingSettings, sampling_of_model
from Xray2MRILib.diffusion.slice_loop import denoise
from Xray2MRILib.errors import ProcessingError
from Xray2MRILib.generation.model_steps import steps_of_model
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.model_store.assembly import build_components

FAST = {"num_slices": 5, "num_inference_steps": 2, "koa": KoaProbabilities.reader(2)}


@pytest.fixture(scope="module")
def pipeline() -> Xray2MRIPipeline:
    torch.manual_seed(0)
    return Xray2MRIPipeline(**build_components("tiny")).on_device("cpu")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (1, 256, 256)).astype(np.float32)


@pytest.fixture(scope="module")
def reference(pipeline, picture):
    return pipeline(picture, **FAST)


def test_deviation_is_that_of_volumes_as_printed_beside_the_volume_that_was_asked_for(pipeline, picture):
    """A narrower noise would make seeds alike and understate how freely the model guesses."""
    told = []
    volume = pipeline.sample_deviation(
        picture, 2, seed=4, noise_scale=0.5, callback=lambda event: told.append(event.get("fraction", 0)), **FAST
    )
    printed = np.stack([pipeline(picture, seed=seed, **FAST).array for seed in (4, 5)])
    assert np.array_equal(volume.array, pipeline(picture, seed=4, noise_scale=0.5, **FAST).array)
    assert np.allclose(volume.deviation, printed.std(axis=0, ddof=1), atol=1e-5)
    sampling = volume.provenance["sampling"]
    assert sampling["noise_scale"] == 0.5
    assert sampling["seeds"] == [4, 5]
    as_printed = {"guidance_scale": 1.0, "guidance_share": 1.0, "noise_scale": 1.0, "renewed_noise": 0.0}
    assert sampling["deviation_sampling"] == as_printed
    assert max(told) == pytest.approx(1)


def test_a_model_asks_for_its_own_sampling_and_a_caller_has_the_last_word(pipeline, tmp_path, picture, reference):
    asked = {"guidance_scale": 2.0, "guidance_share": 0.5, "noise_scale": 0.8, "renewed_noise": 0.6}
    card = {**pipeline.model_card, "sampling": asked}
    pipeline.save_pretrained(tmp_path / "model", card=card)
    loaded = Xray2MRIPipeline.from_pretrained(tmp_path / "model", device="cpu")
    volume = loaded(picture, **FAST)
    recorded = volume.provenance["sampling"]
    assert {name: recorded[name] for name in asked} == asked
    assert np.array_equal(volume.array, pipeline(picture, **FAST, **asked).array)
    assert np.abs(volume.array - reference.array).max() > 1e-3
    printed = loaded(picture, **FAST, guidance_scale=1.0, guidance_share=1.0, noise_scale=1.0)
    assert np.array_equal(printed.array, reference.array)


def test_a_card_that_asks_for_the_impossible_is_refused_when_it_is_loaded(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model", card={**pipeline.model_card, "sampling": {"noise_scale": 7}})
    with pytest.raises(ProcessingError, match="card of the model folder model has impossible sampling settings"):
        Xray2MRIPipeline.from_pretrained(tmp_path / "model", device="cpu")


def test_no_guidance_is_no_guidance_in_whatever_words():
    printed = {"guidance_scale": 1.0, "guidance_share": 1.0, "noise_scale": 1.0, "renewed_noise": 0.0}
    card = {"sampling": {"guidance_scale": 2.0, "guidance_share": 0.5, "noise_scale": 0.5, "renewed_noise": 1.0}}
    assert sampling_of_model(card, guidance_scale=1, noise_scale=1) == printed
    assert sampling_of_model(card, guidance_share=0, noise_scale=1) == printed
    assert sampling_of_model({}) == printed
    assert sampling_of_model(card) == card["sampling"]
    assert sampling_of_model(card, guidance_scale=1, noise_scale=1, renewed_noise=0.5) == printed | {
        "renewed_noise": 0.5
    }
    assert sampling_of_model(card, noise_scale=1)["renewed_noise"] == 1


def test_the_noise_begins_with_the_spread_that_was_asked_for(pipeline, picture, monkeypatch):
    import Xray2MRILib.diffusion.slice_loop as module

    begun = []

    def watched(unet, scheduler, noise, *others):
        begun.append(noise)
        return denoise(unet, scheduler, noise, *others)

    monkeypatch.setattr(module, "denoise", watched)
    for scale in (1.0, 0.5):
        pipeline(picture, **FAST, noise_scale=scale)
    assert torch.equal(begun[1], 0.5 * begun[0])
    assert float(begun[0].std()) == pytest.approx(1.0, abs=0.03)


def test_a_volume_from_before_these_choices_is_densified_as_printed(pipeline, picture, reference):
    earlier = deepcopy(reference)
    for name in ("guidance_share", "noise_scale", "renewed_noise"):
        del earlier.provenance["sampling"][name]
    dense = pipeline.densify(earlier, 9, radiograph=picture)
    assert np.array_equal(dense.array, pipeline.densify(reference, 9, radiograph=picture).array)


def test_a_model_may_ask_for_its_own_number_of_steps(pipeline, tmp_path, picture, reference):
    """Unless the caller chooses; a model that says nothing takes 20."""
    pipeline.save_pretrained(tmp_path / "model", card={"sampling": {"num_inference_steps": 2}})
    loaded = Xray2MRIPipeline.from_pretrained(tmp_path / "model", device="cpu")
    few = {name: value for name, value in FAST.items() if name != "num_inference_steps"}
    assert np.array_equal(loaded(picture, **few).array, reference.array)
    assert loaded(picture, **few).provenance["sampling"]["steps"] == 2
    assert loaded(picture, **few, num_inference_steps=1).provenance["sampling"]["steps"] == 1
    assert steps_of_model(tmp_path / "model") == 2
    pipeline.save_pretrained(tmp_path / "silent", card={})
    assert steps_of_model(tmp_path / "silent") == 20
    assert steps_of_model("owner/of-the-hub") == 20
    assert SamplingSettings().for_model({}).num_inference_steps == 20


def test_a_card_that_asks_for_too_many_steps_is_refused(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model", card={"sampling": {"num_inference_steps": 2000}})
    with pytest.raises(ProcessingError, match="impossible sampling"):
        Xray2MRIPipeline.from_pretrained(tmp_path / "model", device="cpu")
    assert steps_of_model(tmp_path / "model") == 20


def test_the_record_of_a_volume_keeps_the_names_of_files():
    chosen = SamplingSettings(4, 3, "dpm", "drifting", 2.0, 0.5, 0.8, 0.7)
    assert chosen.record() == {
        "steps": 4, "seed": 3, "sampler": "dpm", "noise": "drifting", "guidance_scale": 2.0, "guidance_share": 0.5,
        "noise_scale": 0.8, "renewed_noise": 0.7,
    }  # fmt: skip
    assert SamplingSettings.from_record({**chosen.record(), "num_slices": 50, "seeds": [3, 4]}) == chosen
    with pytest.raises(KeyError):
        SamplingSettings.from_record({"steps": 4, "seed": 3})
    with pytest.raises(KeyError):
        SamplingSettings.from_record(chosen.record() | {"steps": None})
