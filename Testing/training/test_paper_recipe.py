"""Section 3.3 of the paper as the recipe ``paper``: its numbers, its schedule, its two rates, its options of memory."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from small_runs import diffusion_recipe

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.training.recipe_files import chosen_recipe
from Xray2MRILib.training.recipes.diffusion import DiffusionRecipe

torch = pytest.importorskip("torch")


def recipe() -> DiffusionRecipe:
    return DiffusionRecipe.from_json(chosen_recipe("diffusion", "paper"))


def test_the_numbers_of_section_3_3() -> None:
    paper = recipe()
    assert (paper.preset, paper.method, paper.changes) == ("paper", "xray2mri", {})
    assert (paper.learning_rate, paper.added_learning_rate) == (1e-6, 1e-5)
    assert (paper.schedule, paper.warm_up_steps) == ("constant", 100)
    assert (paper.optimiser, paper.ema_decay, paper.ema_warm_up) == ("adamw", 0.99, "ratio")
    assert paper.knees_per_batch * paper.depths_per_knee == 64
    assert paper.noise_emphasis == 1  # t is drawn uniformly
    assert paper.min_snr_gamma == 0
    assert paper.monitor_reconstruction
    assert paper.sampling is None
    assert paper.steps == 233_000


def test_the_schedule_predicts_the_noise_and_the_scale_is_exact() -> None:
    from Xray2MRILib.model_store.assembly import build_components

    paper = recipe()
    with torch.device("meta"):
        parts = build_components(paper.preset, radiograph_encoder={"token_encoder": "none"}, **paper.changes)
    assert parts["scheduler"].config.prediction_type == "epsilon"
    assert not parts["scheduler"].config.rescale_betas_zero_snr
    assert float(parts["scheduler"].alphas_cumprod[999]) == pytest.approx(0.00466, rel=1e-3)
    assert parts["autoencoder"].config.scaling_factor == 0.18215
    encoder = parts["radiograph_encoder"].config
    assert (encoder.radiograph_latent_scale, encoder.field_placement, encoder.local_normalisation) == (
        1.0,
        False,
        False,
    )


def test_the_rate_rises_for_100_steps_and_stays() -> None:
    from Xray2MRILib.training.loop import learning_rate_factor

    factors = [learning_rate_factor(step, 100, 233_000, "constant") for step in (0, 49, 99, 100, 5000, 232_999)]
    assert factors == [0.01, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert learning_rate_factor(232_999, 100, 233_000) < 1e-6


def test_t_is_uniform_and_the_conditions_are_dropped_as_in_zero_123() -> None:
    from Xray2MRILib.training.data.pair_data import KneeLatents
    from Xray2MRILib.training.slice_batch import draw_batch

    knees = KneeLatents(
        mean=torch.zeros(3, 50, 1, 1, 1), deviation=torch.zeros(3, 50, 1), crops=torch.zeros(3, 1, 1, 1),
        radiograph_latents=torch.zeros(3, 1, 1, 1, 1), histograms=torch.zeros(3, 1, 64), grades=torch.arange(3),
    )  # fmt: skip
    count = 40_000
    batch = draw_batch(
        knees, knees_per_batch=count, depths_per_knee=1, noise_emphasis=recipe().noise_emphasis, timesteps=1000,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    shares = torch.histc(batch.t.float(), 10, 0, 1000) / count
    assert (shares - 0.1).abs().max() < 4 * math.sqrt(0.09 / count)
    assert (int(batch.t.min()), int(batch.t.max())) == (0, 999)
    assert batch.dropout is not None
    assert float((batch.dropout < 0.1).float().mean()) == pytest.approx(0.1, abs=0.006)


def test_two_rates_and_no_frozen_tower_in_the_groups() -> None:
    """AdamW's first step is as long as the rate: ten times for what the stock network lacks (A14)."""
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.denoising_loss import Denoiser
    from Xray2MRILib.training.optimiser import rate_groups

    parts = build_components("tiny")
    network = Denoiser(parts["unet"], parts["radiograph_encoder"])
    base, added = rate_groups(network, 10.0, pretrained_projection=True)
    assert (base["rate_factor"], added["rate_factor"]) == (1.0, 10.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {names[id(p)].split(".")[1] for p in added["params"]} == {"depth_embedding", "adaptive_weights", "features"}
    assert not {names[id(p)] for p in base["params"]} & {names[id(p)] for p in added["params"]}
    assert len(base["params"]) + len(added["params"]) == len(names)


def test_a_checkpoint_of_other_groups_is_refused(pairs: Path, untrained_autoencoder: Path, tmp_path: Path) -> None:
    """Moments are stored by their place in the groups; they would go to other parameters."""
    from Xray2MRILib.training.diffusion import train

    small = {"variants": 1, "steps": 2, "save_every": 2, "minutes": 1e-6}
    train(diffusion_recipe(pairs, untrained_autoencoder, **small), tmp_path / "run")
    later = diffusion_recipe(pairs, untrained_autoencoder, **small, added_learning_rate=1e-3)
    with pytest.raises(InputError, match="other groups of learning rates"):
        train(later, tmp_path / "run", resume=True)


class TestMemory:
    """The options that save memory change no result, and the estimate is that of the tensors."""

    def test_checkpointed_blocks_have_the_same_gradients(self) -> None:
        from Xray2MRILib.model_store.assembly import build_components

        gradients = []
        for on in (False, True):
            torch.manual_seed(0)
            unet = build_components("tiny")["unet"].train()
            if on:
                unet.enable_gradient_checkpointing()
                assert unet.is_gradient_checkpointing
            generator = torch.Generator().manual_seed(1)
            noisy, token = torch.randn(2, 16, 16, 16, generator=generator), torch.randn(2, 4, 8, generator=generator)
            conditions = {"p": torch.eye(5)[:2], "i": torch.full((2, 64), 1 / 64)}
            unet(noisy, torch.tensor([5, 900]), torch.tensor([-1.0, 0.5]), conditions, token).square().mean().backward()
            gradients.append({name: p.grad for name, p in unet.named_parameters() if p.grad is not None})
        assert gradients[0].keys() == gradients[1].keys()
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradient, gradients[1][name], msg=name)

    def test_averages_in_main_memory_are_the_same(
        self, pairs: Path, untrained_autoencoder: Path, tmp_path: Path
    ) -> None:
        from safetensors.torch import load_file

        from Xray2MRILib.training.diffusion import train

        small = {"variants": 1, "steps": 3, "save_every": 3, "latents": str(tmp_path / "latents")}
        runs = {"device": {}, "host": {"ema_on_host": True, "gradient_checkpointing": True}}
        for name, more in runs.items():
            train(diffusion_recipe(pairs, untrained_autoencoder, **small, **more), tmp_path / name)
        one, other = (load_file(tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors") for name in runs)
        for name, tensor in one.items():
            torch.testing.assert_close(tensor, other[name], atol=1e-6, rtol=1e-6, msg=name)

    def test_averages_lie_on_the_host_when_the_network_does_not(self, tmp_path: Path) -> None:
        """With tensors that know their device but hold no numbers."""
        fake = pytest.importorskip("torch._subclasses.fake_tensor")
        from Xray2MRILib.training.optimiser import host_copies

        with fake.FakeTensorMode(allow_non_fake_inputs=True):
            network = torch.nn.Linear(3, 1, device="cuda:0")
            network.bias.requires_grad_(False)
            copies = host_copies(network.parameters())
        assert {copy.device.type for copy in copies} == {"cpu"}
        assert [copy.requires_grad for copy in copies] == [True, False]

    @pytest.mark.parametrize(("on_host", "processes"), [(False, 1), (True, 1), (False, 2)])
    def test_the_estimate_is_what_the_tensors_take(self, on_host: bool, processes: int) -> None:
        """Counted on a real optimiser after a step, averages and weights beside it."""
        from diffusers.training_utils import EMAModel

        from Xray2MRILib.model_store.assembly import build_components
        from Xray2MRILib.training.memory_estimate import estimate_memory

        parts = build_components("tiny")
        with torch.device("meta"):
            light = build_components("tiny")
        estimate = estimate_memory(light, optimiser="adamw", ema_on_host=on_host, processes=processes)
        trained = [*parts["unet"].parameters(), *parts["radiograph_encoder"].parameters()]
        optimiser = torch.optim.AdamW(trained)
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
        average = EMAModel(trained)
        size = lambda tensors: sum(tensor.numel() * tensor.itemsize for tensor in tensors)  # noqa: E731
        moments = [tensor for state in optimiser.state.values() for name, tensor in state.items() if name != "step"]
        expected = size(trained) * (2 + (processes > 1)) + size(moments)
        expected += size(parts["autoencoder"].parameters())
        expected += 0 if on_host else size(average.shadow_params)
        assert estimate.device_bytes == expected
        assert estimate.host_bytes == (size(average.shadow_params) if on_host else 0)

    def test_the_paper_preset_and_a_machine_too_small_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from Xray2MRILib.model_store.assembly import build_components
        from Xray2MRILib.training import memory_estimate

        with torch.device("meta"):
            parts = build_components("paper", radiograph_encoder={"token_encoder": "none"})
        usual, small = (
            memory_estimate.estimate_memory(parts, optimiser=optimiser, ema_on_host=on_host, processes=1)
            for optimiser, on_host in (("adamw", False), ("adamw-8bit", True))
        )
        assert usual.trained == pytest.approx(884.6e6, rel=1e-3)
        assert usual.device_bytes == usual.trained * 20 + 4 * 83_653_863
        assert small.device_bytes == usual.trained * 10 + 4 * 83_653_863
        assert "884.7 M trained and 83.7 M frozen parameters need about 18.0 GB per process" in usual.sentence()
        monkeypatch.setattr(memory_estimate, "free_memory_bytes", lambda _: int(12e9))
        with pytest.raises(ProcessingError, match=r"needs at least 18.0 GB .* and 12.0 GB are free on cuda") as refused:
            memory_estimate.check_memory(usual, torch.device("cuda:0"), 1)
        assert refused.value.code == "not-enough-memory"
        memory_estimate.check_memory(small, torch.device("cuda:0"), 1)
        with pytest.raises(ProcessingError, match=r"needs at least 36\.1 GB"):  # two processes share main memory
            memory_estimate.check_memory(usual, torch.device("cpu"), 2)
