"""The training loop on a network of one layer: learning rate, averaging, clipping, pieces, the best weights."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")


def settings(**changes: object):
    from Xray2MRILib.training.loop import LoopSettings

    own = {"steps": 8, "learning_rate": 0.1, "warm_up_steps": 2, "weight_decay": 0.0, "ema_decay": 0.9,
           "save_every": 4, "minutes": None, "keep": "last", "precision": "float32"}  # fmt: skip
    return LoopSettings(**(own | changes))


def line() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)


def run(output: Path, *, resume: bool = False, **changes: object):
    """All steps of the piece; returns the training."""
    from Xray2MRILib.training.loop import EmaTrainer, step_generator

    training = EmaTrainer(line(), settings(**changes), output, resume=resume)
    for step in training.steps():
        inputs = torch.randn(4, 3, generator=step_generator(7, step))
        training.step((training.network(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean())
        if training.save_due:
            training.save()
    return training


def test_pieces_equal_an_uninterrupted_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every piece ends after one step, and the learning rate follows the number of the step all the same."""
    whole, folder = run(tmp_path), tmp_path / "pieces"
    folder.mkdir()
    pieces = [run(folder, minutes=1e-9)]
    while not pieces[-1].finished:
        assert pieces[-1].report_stop() == {"step": len(pieces), "steps": 8}
        assert "a checkpoint is saved" in capsys.readouterr().out
        pieces.append(run(folder, resume=True, minutes=1e-9))
    assert len(pieces) == 8
    assert torch.equal(whole.network.weight, pieces[-1].network.weight)
    assert whole.load_best() == pieces[-1].load_best() == 8
    assert torch.equal(whole.network.weight, pieces[-1].network.weight)


def test_rate_warms_up_and_falls_to_nothing(tmp_path: Path) -> None:
    """Adam's first steps are as long as the rate: 0.05 and, warmed up, 0.1. Without warm_up_steps it stays."""
    from Xray2MRILib.training.loop import EmaTrainer

    for changes, expected in (({}, [0.05, 0.1, 0.1]), ({"warm_up_steps": None}, [0.1, 0.1, 0.1])):
        training, lengths = EmaTrainer(line(), settings(**changes), tmp_path, resume=False), []
        for step in training.steps():
            before = training.network.bias.detach().clone()
            training.step(training.network.bias.sum())
            lengths.append(float((before - training.network.bias).detach()))
            if step == 2:
                break
        assert lengths == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("clip", "expected"), [(1.0, 1.0), (5000.0, 2000.0), (None, None)])
def test_gradients_are_clipped(
    clip: float | None, expected: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Xray2MRILib.training.loop import EmaTrainer

    training = EmaTrainer(line(), settings(clip=clip), tmp_path, resume=False)
    found, clip_grad_norm = [], torch.nn.utils.clip_grad_norm_

    def observed(parameters, norm):
        parameters = list(parameters)
        total = clip_grad_norm(parameters, norm)
        found.append((float(total), float(torch.cat([p.grad.reshape(-1) for p in parameters]).norm())))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", observed)
    training.step(1000 * training.network(torch.ones(1, 3)).sum())
    if expected is None:
        assert found == []
        return
    assert found[0][0] == pytest.approx(2000, rel=1e-4)  # ones for three weights and a bias
    assert found[0][1] == pytest.approx(expected, rel=1e-3)


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

    training = EmaTrainer(line(), settings(ema_decay=0.5), tmp_path, resume=False)
    average = training.network.weight.detach().clone()
    for kept in (0.0, 1 - 2**-0.75, 0.5):  # the third share would be 0.56
        training.step(training.network(torch.ones(1, 3)).square().sum())
        average = kept * average + (1 - kept) * training.network.weight.detach()
        with training.averaged():
            assert torch.allclose(training.network.weight, average, atol=1e-6)
    assert not torch.allclose(training.network.weight, average, atol=1e-3)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_the_kept_weights_outlive_a_stop(keep: str, tmp_path: Path) -> None:
    """Held-out losses fall and rise again; the run stops after the best one and resumes."""
    from Xray2MRILib.training.loop import EmaTrainer

    losses, weights, kept = [5.0, 3.0, 4.0, 3.0], [], []
    for piece in range(2):
        training = EmaTrainer(line(), settings(keep=keep, save_every=2), tmp_path, resume=True)
        for _ in training.steps():
            training.step(training.network(torch.ones(1, 3)).square().sum())
            if training.save_due:
                with training.averaged():
                    weights.append(training.network.weight.detach().clone())
                    kept.append(training.record_validation(losses[len(weights) - 1]))
                training.save()
                if len(weights) == 2 and piece == 0:
                    break
    assert training.load_best() == (8 if keep == "last" else 4)
    assert torch.equal(training.network.weight, weights[-1 if keep == "last" else 1])
    assert kept == ([True] * 4 if keep == "last" else [True, True, False, False])  # the first of equal ones


def test_averages_of_the_hand_built_loops_follow_their_recursion(tmp_path: Path) -> None:
    """Classifier, view check and localizer: the average keeps (1 + k) / (10 + k) of itself, at most ema_decay."""
    from Xray2MRILib.training.loop import EmaTrainer

    training = EmaTrainer(line(), settings(ema_decay=0.2, ema_warm_up="ratio"), tmp_path, resume=False)
    average = training.network.weight.detach().clone()
    for share in (0.0, 2 / 11, 0.2):  # the third share would be 3 / 12
        training.step(training.network(torch.ones(1, 3)).square().sum())
        average = share * average + (1 - share) * training.network.weight.detach()
        with training.averaged():
            assert torch.allclose(training.network.weight, average, atol=1e-6)


def test_a_rate_of_its_own_and_groups_without_decay(tmp_path: Path) -> None:
    """As AdamW by hand: the first step is as long as the given rate, and only the first group decays."""
    from Xray2MRILib.training.loop import EmaTrainer

    network = line()
    weight, bias = network.weight.detach().clone(), network.bias.detach().clone()
    groups = [{"params": [network.weight], "weight_decay": 0.5}, {"params": [network.bias], "weight_decay": 0.0}]
    training = EmaTrainer(network, settings(), tmp_path, resume=False, parameter_groups=groups)
    training.step(training.network(torch.ones(1, 3)).sum(), rate=0.02)
    assert torch.allclose(network.weight, weight * (1 - 0.02 * 0.5) - 0.02, atol=1e-6)
    assert torch.allclose(network.bias, bias - 0.02, atol=1e-6)


def test_a_copy_with_averaged_weights_has_their_batch_statistics(tmp_path: Path) -> None:
    from Xray2MRILib.training.loop import EmaTrainer

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    training = EmaTrainer(network, settings(), tmp_path, resume=False)
    inputs = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        training.step(training.network(inputs).square()[:, 0].sum() + training.network[0].weight.sum())
    last = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    copied = training.averaged_copy([inputs])
    features = inputs @ training.average.shadow_params[0].T + training.average.shadow_params[1]
    assert not copied.training
    assert torch.allclose(copied[1].running_mean, features.mean(dim=0), atol=1e-5)
    assert torch.allclose(copied[1].running_var, features.var(dim=0), atol=1e-5)
    assert all(torch.equal(tensor, last[name]) for name, tensor in network.state_dict().items())


def test_precision_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from Xray2MRILib.training import loop

    found = iter(["bfloat16", "float32"])
    monkeypatch.setattr(loop, "measured_precision", lambda *_: next(found))
    pieces = []
    for resume in (False, True):
        pieces.append(loop.EmaTrainer(line(), settings(precision="auto"), tmp_path, resume=resume))
        assert pieces[-1].precision(lambda: torch.zeros(1)) == "bfloat16"
        pieces[-1].save()
    asked = loop.EmaTrainer(line(), settings(precision="float32"), tmp_path, resume=True)
    assert asked.precision(lambda: torch.zeros(1)) == "float32"


def test_auto_precision_avoids_what_the_device_cannot_do() -> None:
    from Xray2MRILib.training.precision import measured_precision

    def step() -> torch.Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise NotImplementedError("not implemented for 'BFloat16'")
        return torch.zeros(1)

    assert measured_precision("auto", torch.device("cpu"), step) == "float32"


def test_a_run_by_the_clock_ends_with_its_time_and_its_rate_follows_it(tmp_path, monkeypatch):
    """Steps of a quarter of a minute by a clock that the test moves; a piece ends and the next goes on."""
    import math

    from Xray2MRILib.training import loop

    now = [100.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    by_the_clock = settings(
        steps=1000, learning_rate=1.0, warm_up_steps=1, save_every=1, minutes=1.0, clock_minutes=2.0
    )
    rates: list[float] = []
    for resume in (False, True):
        network = torch.nn.Linear(1, 1)
        trainer = loop.EmaTrainer(network, by_the_clock, tmp_path, resume=resume)
        now[0] += 500  # what happens before the loop does not count
        trainer._ends += 500
        for _ in trainer.steps():
            now[0] += 15
            trainer.step(network(torch.ones(1, 1)).sum())
            rates.append(trainer._optimiser.param_groups[0]["lr"])
            if trainer.save_due:
                trainer.save()
        assert trainer.finished == resume
    assert len(rates) == 8
    expected = [1.0, *(0.5 * (1 + math.cos(math.pi * k / 8)) for k in range(1, 8))]
    assert rates == pytest.approx(expected, abs=1e-5)


def test_eight_bit_moments_outlive_a_stop(tmp_path: Path) -> None:
    """bitsandbytes keeps moments in an inner table and counts steps in an int; a layer under 4096 weights has none."""
    pytest.importorskip("bitsandbytes")
    from Xray2MRILib.training.loop import EmaTrainer, step_generator

    def piece(output: Path, minutes: float | None, resume: bool) -> EmaTrainer:
        torch.manual_seed(0)
        chosen = settings(optimiser="adamw-8bit", steps=4, minutes=minutes)
        training = EmaTrainer(torch.nn.Linear(128, 64), chosen, output, resume=resume)
        for step in training.steps():
            inputs = torch.randn(4, 128, generator=step_generator(7, step))
            training.step((training.network(inputs) - 1).square().mean())
        return training

    whole, folder = piece(tmp_path, None, False), tmp_path / "pieces"
    folder.mkdir()
    training = piece(folder, 1e-9, False)
    while not training.finished:
        training = piece(folder, 1e-9, True)
    assert torch.equal(whole.network.weight, training.network.weight)
    assert torch.equal(whole.network.bias, training.network.bias)
    moments = next(iter(whole._optimiser.state.values()))
    assert moments["state1"].dtype == torch.uint8


def test_fused_moments_lie_as_their_parameters_after_a_stop(tmp_path: Path) -> None:
    """A GPU's fused AdamW goes through memory in order: a resumed channels-last network gets its moments in its own.

    The fused AdamW of a processor does so too, without a complaint.
    """
    import copy

    from Xray2MRILib.training.checkpoint import load_checkpoint, save_checkpoint

    average_of = pytest.importorskip("diffusers.training_utils").EMAModel
    torch.manual_seed(0)
    batch = torch.randn(4, 8, 9, 9).to(memory_format=torch.channels_last)

    def network() -> torch.nn.Conv2d:
        torch.manual_seed(1)
        return torch.nn.Conv2d(8, 8, 3).to(memory_format=torch.channels_last)

    def parts(net: torch.nn.Module):
        return net, average_of(net.parameters()), torch.optim.AdamW(net.parameters(), 1e-2, fused=True)

    def step(net, average, optimiser) -> None:
        net(batch).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        average.step(net.parameters())

    whole = parts(network())
    for _ in range(2):
        step(*whole)
    save_checkpoint(tmp_path / "checkpoint.safetensors", *whole, {"step": 2})
    resumed = parts(network())
    load_checkpoint(tmp_path / "checkpoint.safetensors", *resumed)
    weight = resumed[0].weight
    moments = resumed[2].state[weight]
    assert weight.stride() != weight.contiguous().stride()
    for tensor in (moments["exp_avg"], moments["exp_avg_sq"], resumed[1].shadow_params[0]):
        assert tensor.stride() == weight.stride()
    before = copy.deepcopy(weight.detach())
    step(*whole)
    step(*resumed)
    assert not torch.equal(before, weight)
    torch.testing.assert_close(weight, whole[0].weight, rtol=0, atol=0)
