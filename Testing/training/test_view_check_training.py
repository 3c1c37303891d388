"""Training of the view check on noise: resuming, and what the loss counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from Xray2MRILib.errors import InputError  # noqa: E402
from Xray2MRILib.training import view_check  # noqa: E402
from Xray2MRILib.training.data.view_training_data import ViewTrainingData  # noqa: E402
from Xray2MRILib.training.recipe_files import chosen_recipe  # noqa: E402


def _pictures(*_: object) -> ViewTrainingData:
    """Twelve frontal knees of known side and eighteen other pictures, all noise."""
    images = torch.randint(256, (30, 128, 128), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    frontal, index = torch.arange(30) < 12, torch.arange(30)
    left = torch.where(frontal, (index % 2).float(), torch.nan)
    return ViewTrainingData(images, frontal, left, ["real"] * 8 + ["projected"] * 4 + ["chest"] * 18)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Seven steps on the pictures; ``train`` returns the network's weights instead of measuring it."""
    monkeypatch.setattr(view_check, "training_bank", _pictures)
    monkeypatch.setattr(view_check, "finish", lambda _, __, network: network.state_dict())
    small = {"data": str(tmp_path), "steps": 7, "batch_size": 8, "checkpoint_every": 3, "precision": "float32"}
    return chosen_recipe("film_check") | small | {"network": {"size": 32, "channels": [4, 4, 4, 4], "dropout": 0.2}}


def test_a_resumed_run_equals_an_uninterrupted_one(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = view_check.train(recipe, tmp_path / "whole")
    loss, losses = view_check.view_loss, []

    def interrupted(*given: torch.Tensor) -> torch.Tensor:
        losses.append(loss(*given))
        if len(losses) == 5:
            raise KeyboardInterrupt
        return losses[-1]

    with monkeypatch.context() as patched:
        patched.setattr(view_check, "view_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            view_check.train(recipe, tmp_path / "half")
    resumed = view_check.train(recipe, tmp_path / "half", resume=True)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
    # a finished run has its last step in the checkpoint, although 7 is no multiple of 3
    again = view_check.train(recipe, tmp_path / "half", resume=True)
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())


def test_checkpoints_of_another_network_and_missing_data_are_refused(recipe: dict[str, Any], tmp_path: Path) -> None:
    view_check.train(recipe | {"steps": 1}, tmp_path / "run")
    wider = recipe | {"network": {"size": 32, "channels": [8, 8, 8, 8], "dropout": 0.2}}
    with pytest.raises(InputError) as refused:
        view_check.train(wider, tmp_path / "run", resume=True)
    assert refused.value.code == "bad-checkpoint"
    with pytest.raises(InputError, match="names no folder"):
        view_check.train(recipe | {"data": None}, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_unknown_sides_cost_nothing() -> None:
    logits = torch.tensor([0.3, -1.2, 2.0])
    frontal, left = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, torch.nan, torch.nan])
    view = functional.binary_cross_entropy_with_logits(logits, torch.tensor([0.99, 0.99, 0.01]))
    side = -torch.log(torch.sigmoid(torch.tensor(0.7)))
    found = view_check.view_loss(logits, torch.tensor([0.7, 9.0, -9.0]), frontal, left)
    assert found == pytest.approx(float(view + side), rel=1e-5)
    unknown = torch.full((3,), torch.nan)
    assert float(view_check.view_loss(logits, logits, frontal, unknown)) == pytest.approx(float(view), rel=1e-6)
