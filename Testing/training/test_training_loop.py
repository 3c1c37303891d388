"""Rate, averaging, clipping, pieces and the best weights, on a network of one layer whose figures can be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from Xray2MRILib.errors import InputError

torch = pytest.importorskip("torch")


def recipe(**changes: object) -> dict:
    return {"steps": 8, "learning_rate": 0.1, "warm_up_steps": 2, "weight_decay": 0.0, "ema_decay": 0.9,
            "save_every": 4} | changes  # fmt: skip


def line() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)


def run(output: Path, *, resume: bool = False, **changes: object):
    """All steps that the piece lasts for; returns the training."""
    from Xray2MRILib.training.loop import EmaTrainer, step_generator

    training = EmaTrainer(line(), recipe(**changes), output, resume=resume)
    for step in training.steps():
        inputs = torch.randn(4, 3, generator=step_generator(7, step))
        training.descend((training.network(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean())
        if training.due:
            training.save()
    return training


def test_pieces_equal_an_uninterrupted_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every piece is over as soon as it begins, and so does one step, in which the rate moves on all the same."""
    whole, folder = run(tmp_path), tmp_path / "pieces"
    folder.mkdir()
    pieces = [run(folder, minutes=1e-9)]
    while not pieces[-1].finished:
        assert pieces[-1].pause() == {"step": len(pieces), "steps": 8}
        assert "with a checkpoint" in capsys.readouterr().out
        pieces.append(run(folder, resume=True, minutes=1e-9))
    assert len(pieces) == 8
    assert torch.equal(whole.network.weight, pieces[-1].network.weight)
    assert whole.take_result() == pieces[-1].take_result() == 8
    assert torch.equal(whole.network.weight, pieces[-1].network.weight)


def test_rate_warms_up_and_falls_to_nothing(tmp_path: Path) -> None:
    """Adam's first steps are as long as the rate: 0.05 and, warmed up, 0.1. Without warm_up_steps it stays."""
    from Xray2MRILib.training.loop import EmaTrainer

    for changes, expected in (({}, [0.05, 0.1, 0.1]), ({"warm_up_steps": None}, [0.1, 0.1, 0.1])):
        training, lengths = EmaTrainer(line(), recipe(**changes), tmp_path, resume=False), []
        for step in training.steps():
            before = training.network.bias.detach().clone()
            training.descend(training.network.bias.sum())
            lengths.append(float((before - training.network.bias).detach()))
            if step == 2:
                break
        assert lengths == pytest.approx(expected, rel=1e-4)


def test_gradients_are_clipped(tmp_path: Path) -> None:
    from Xray2MRILib.training.loop import EmaTrainer

    training = EmaTrainer(line(), recipe(), tmp_path, resume=False, clip=1.0)
    kept, clip = [], torch.nn.utils.clip_grad_norm_

    def clipped(parameters, norm):
        parameters = list(parameters)
        total = clip(parameters, norm)
        kept.append((float(total), float(torch.cat([p.grad.reshape(-1) for p in parameters]).norm())))

    torch.nn.utils.clip_grad_norm_ = clipped
    try:
        training.descend(1000 * training.network(torch.ones(1, 3)).sum())
    finally:
        torch.nn.utils.clip_grad_norm_ = clip
    assert kept[0][0] == pytest.approx(2000, rel=1e-4)  # ones for three weights and a bias
    assert kept[0][1] == pytest.approx(1, rel=1e-3)


def test_averaged_weights_come_and_go(tmp_path: Path) -> None:
    training = run(tmp_path)
    last = training.network.weight.detach().clone()
    with training.averaged():
        assert torch.equal(training.network.weight, training.average.shadow_params[0])
        assert not torch.equal(training.network.weight, last)
    assert torch.equal(training.network.weight, last)


def test_averages_follow_the_recursion_by_hand(tmp_path: Path) -> None:
    """At step k the average keeps the share 1 - k^(-3/4) of itself, at most ema_decay. The rest is the new weights."""
    from Xray2MRILib.training.loop import EmaTrainer

    training = EmaTrainer(line(), recipe(ema_decay=0.5), tmp_path, resume=False)
    average = training.network.weight.detach().clone()
    for kept in (0.0, 1 - 2**-0.75, 0.5):  # the third share would be 0.56
        training.descend(training.network(torch.ones(1, 3)).square().sum())
        average = kept * average + (1 - kept) * training.network.weight.detach()
        with training.averaged():
            assert torch.allclose(training.network.weight, average, atol=1e-6)
    assert not torch.allclose(training.network.weight, average, atol=1e-3)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_the_kept_weights_outlive_a_stop(keep: str, tmp_path: Path) -> None:
    """Held-out losses fall and rise again; the run is stopped after the best of them and resumed."""
    from Xray2MRILib.training.loop import EmaTrainer

    losses, weights, kept = [5.0, 3.0, 4.0, 3.0], [], []
    for piece in range(2):
        training = EmaTrainer(line(), recipe(keep=keep, save_every=2), tmp_path, resume=True)
        for _ in training.steps():
            training.descend(training.network(torch.ones(1, 3)).square().sum())
            if training.due:
                with training.averaged():
                    weights.append(training.network.weight.detach().clone())
                    kept.append(training.note(losses[len(weights) - 1]))
                training.save()
                if len(weights) == 2 and piece == 0:
                    break
    assert training.take_result() == (8 if keep == "last" else 4)
    assert torch.equal(training.network.weight, weights[-1 if keep == "last" else 1])
    assert kept == ([True] * 4 if keep == "last" else [True, True, False, False])  # the first of equal ones


@pytest.mark.parametrize(("entry", "value"), [("keep", "first"), ("minutes", "ten"), ("minutes", 0), ("minutes", -1)])
def test_unusable_entries_are_named(entry: str, value: object, tmp_path: Path) -> None:
    from Xray2MRILib.training.loop import EmaTrainer

    with pytest.raises(InputError, match=f"The entry {entry} cannot be {value!r}"):
        EmaTrainer(line(), recipe(**{entry: value}), tmp_path, resume=False)


def test_precision_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from Xray2MRILib.training import loop as averaged_training

    found = iter(["bfloat16", "float32"])
    monkeypatch.setattr(averaged_training, "measured_precision", lambda *_: next(found))
    pieces = []
    for resume in (False, True):
        pieces.append(averaged_training.EmaTrainer(line(), recipe(precision="auto"), tmp_path, resume=resume))
        assert pieces[-1].precision(lambda: torch.zeros(1)) == "bfloat16"
        pieces[-1].save()
    asked = averaged_training.EmaTrainer(line(), recipe(precision="float32"), tmp_path, resume=True)
    assert asked.precision(lambda: torch.zeros(1)) == "float32"


def test_auto_precision_avoids_what_the_device_cannot_do() -> None:
    from Xray2MRILib.training.precision import measured_precision

    def step() -> torch.Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise NotImplementedError("not implemented for 'BFloat16'")
        return torch.zeros(1)

    assert measured_precision("auto", torch.device("cpu"), step) == "float32"
