"""A whole model by one command: stages in order, resumed where they stopped, on pairs that are there or are made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from small_runs import autoencoder_recipe, diffusion_recipe, distillation_recipe

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.training.latent_cache import GROWN
from Xray2MRILib.training.recipe_files import chosen_recipe
from Xray2MRILib.training.whole_model import STATE, train


def small(drawn: Path, **changes: object) -> dict:
    """Three drawn pairs, networks of the tiny preset, six steps each."""

    def without(recipe: dict, *names: str) -> dict:
        default = chosen_recipe("diffusion") | chosen_recipe("autoencoder") | chosen_recipe("distillation")
        return {k: v for k, v in recipe.items() if k not in names and (k not in default or v != default[k])}

    stages = {
        "autoencoder": without(autoencoder_recipe(drawn), "data", "held_out", "knees"),
        "diffusion": without(diffusion_recipe(drawn, drawn), "data", "held_out", "autoencoder")
        | {"variants": 1, "exposures": 1, "preset": "tiny", "steps": 6},
        "distillation": without(distillation_recipe(drawn, drawn), "data", "held_out", "teacher")
        | {"rounds": [4, 2], "updates": [3, 3]},
    }
    return chosen_recipe("model") | stages | {
        "pairs": str(drawn), "held_out": str(drawn), "knees": 3, "held_out_knees": 3, "first_knees": 2, "simulators": 1,
    } | changes  # fmt: skip


@pytest.mark.slow
def test_all_stages_in_pieces_end_with_a_model_and_its_student(pairs, tmp_path):
    recipe, pieces, stages = small(pairs, minutes=1e-3), 0, set()
    while "stage" in (found := train(recipe, tmp_path / "run", resume=True)):
        stages.add(found["stage"])
        pieces += 1
        assert pieces < 60
    assert pieces >= 3
    assert stages <= {"autoencoder", "diffusion", "distillation"}  # a fast machine ends a stage within a piece
    assert set(found) == {"autoencoder", "diffusion", "distillation"}
    teacher, student = tmp_path / "run" / "diffusion" / "model", tmp_path / "run" / "student" / "model-2"
    assert (teacher / "model_card.json").exists()
    card = json.loads((student / "model_card.json").read_text(encoding="utf-8"))
    assert card["distilled"]["teacher"] == "model"
    assert json.loads((tmp_path / "run" / STATE).read_text(encoding="utf-8"))["knees"] == dict.fromkeys(found, 3)
    assert train(recipe, tmp_path / "run", resume=True) == found  # nothing is left to do


@pytest.mark.slow
def test_a_growing_run_in_pieces_hands_its_knees_on(pairs, tmp_path):
    """The diffusion model keeps the knees that it encoded, resumes with them, and the student learns from them."""
    recipe, pieces, found = small(pairs, growing=True, minutes=1e-3), 0, {"stage": ""}
    while "stage" in found:
        found = train(recipe, tmp_path / "run", resume=True)
        pieces += 1
        assert pieces < 60
    assert (tmp_path / "run" / "student" / "model-2" / "model_card.json").exists()
    with safe_open(tmp_path / "run" / "diffusion" / GROWN, "pt") as stream:
        taken = json.loads(stream.metadata()["pairs"])
        assert len(stream.get_tensor("grades")) == len(taken) == 3
    assert {pair.split(" ")[0] for pair in taken} == {f"knee-{k:06d}.npz" for k in range(3)}
    assert not (tmp_path / "run" / "diffusion" / "latents-0.safetensors").exists()


def test_an_entry_that_a_stage_does_not_know_is_refused_before_anything_is_simulated(pairs, tmp_path):
    with pytest.raises(InputError, match="'stepz'"):
        train(small(tmp_path / "none", autoencoder={"stepz": 3}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_simulation_that_ends_early_is_reported(pairs, tmp_path):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    recipe = small(pairs, pairs=str(tmp_path / "file" / "pairs"))
    with pytest.raises(ProcessingError, match="ended early"):
        train(recipe, tmp_path / "run")


def test_time_that_is_over_while_pairs_are_made_is_no_fault(pairs, tmp_path):
    recipe = small(pairs, pairs=str(tmp_path / "pairs"), knees=1, first_knees=1, minutes=1e-4)
    assert train(recipe, tmp_path / "run") == {"stage": "simulation", "step": 0, "steps": 1}
