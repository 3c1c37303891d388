"""The CAE generator: sizes by hand, gradients, a few steps of real training, and the commands that use its folder."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from drawn_pairs import drawn_pair

from Xray2MRILib.cli import main
from Xray2MRILib.simulation.pairs.pair_store import write_pair

torch = pytest.importorskip("torch")


def by_hand(channels: list[int], kernel: int, *, norm_from: int) -> int:
    """Weights and biases of a ladder of convolutions, and two per channel of each batch norm."""
    layers = sum(kernel**2 * a * b + b for a, b in pairwise(channels))
    return layers + sum(2 * b for b in channels[1 + norm_from :])


def test_published_size() -> None:
    from Xray2MRILib.baselines.cae_generator import CaeGenerator

    with torch.device("meta"):
        network = CaeGenerator(width=32)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    ladder = by_hand([2048, 4096, 2048, 1024, 512, 256, 128], 4, norm_from=0)
    assert count["encoder"] == by_hand([1, 32, 64, 128, 256, 512, 1024, 2048], 3, norm_from=1)
    assert count["film_decoder"] == ladder + 49 * 128 * 1 + 1
    assert count["volume_generator"] == ladder + 49 * 128 * 50 + 50
    assert round(sum(count.values()) / 1e6) == 652


def test_spatial_sizes_of_the_two_ladders() -> None:
    from Xray2MRILib.baselines.cae_generator import Ladder, RadiographEncoder

    def sizes(network: torch.nn.Sequential, entering: torch.Tensor) -> list[int]:
        found = []
        for layer in network:
            entering = layer(entering)
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                found.append(entering.shape[-1])
        return found

    assert sizes(RadiographEncoder(1).eval(), torch.zeros(1, 1, 299, 299)) == [149, 74, 36, 17, 8, 3, 1]
    assert sizes(Ladder(1, 50).eval(), torch.zeros(1, 64, 1, 1)) == [4, 8, 18, 36, 74, 148, 299]


def test_hybrid_loss_by_hand_and_its_gradients() -> None:
    from Xray2MRILib.baselines.cae_generator import CaeGenerator, hybrid_loss

    torch.manual_seed(0)
    network = CaeGenerator(width=1)
    radiograph, volume = torch.rand(2, 1, 256, 256) * 2 - 1, torch.rand(2, 50, 256, 256) * 2 - 1
    with torch.no_grad():
        seen, made = network(radiograph)
    wide = torch.nn.functional.interpolate(radiograph, (299, 299), mode="bilinear", align_corners=False)
    expected = np.mean((seen - wide).numpy() ** 2) + 0.3 * np.mean((made - volume).numpy() ** 2)
    loss = hybrid_loss(network, radiograph, volume, 0.3)
    assert abs(loss.item() - expected) < 1e-5
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    assert network.encoder[0].weight.grad.any()  # the code learns from both ladders


@pytest.mark.slow
def test_it_learns_and_every_command_takes_its_folder(
    tmp_path: Path, knee_radiograph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for seed in range(2):
        write_pair(pairs, seed, drawn_pair(seed))
    errors = []
    for steps in (1, 40):
        entries = {"data": pairs, "held_out": pairs, "preset": "tiny", "variants": 1, "exposures": 1, "batch_size": 2,
                   "steps": steps, "save_every": steps, "warm_up_steps": 1, "learning_rate": 0.01, "ema_decay": 0.5,
                   "precision": "float32", "device": "cpu", "threads": 1, "bend_mm": 1.0}  # fmt: skip
        settings = [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]
        assert main(["train", "cae", "-o", str(tmp_path / f"run-{steps}"), "--json", *settings]) == 0
        errors.append(json.loads(capsys.readouterr().out)["metrics"]["held_out_volume_mse"])
    assert errors[1] < 0.7 * errors[0]

    volumes = {}
    for slices in (50, 99):
        out = tmp_path / f"knee-{slices}.nrrd"
        options = ["--model", str(tmp_path / "run-40" / "model"), "--slices", str(slices), "--device", "cpu"]
        options += ["--noise", "0"]
        assert main(["generate", str(knee_radiograph), "-o", str(out), *options]) == 0

        import SimpleITK

        volumes[slices] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(out))).astype(float)
    dense = volumes[99]
    assert np.array_equal(dense[::2], volumes[50])
    assert np.allclose(dense[1], (volumes[50][0] + volumes[50][1]) / 2, atol=1.01)  # stored as integers
    record = json.loads((tmp_path / "knee-99.json").read_text(encoding="utf-8"))
    assert record["model"]["method"]["name"] == "cae"
    assert any("interpolated linearly" in note for note in record["run"]["notes"])
    capsys.readouterr()
    assert main(["info", str(tmp_path / "run-40" / "model"), "--no-timing", "--json", "--device", "cpu"]) == 0
    assert list(json.loads(capsys.readouterr().out)["parameters"]) == ["generator"]


def test_a_folder_that_was_altered_is_refused(tmp_path: Path) -> None:
    from Xray2MRILib.baselines.cae_generator import CaeGenerator
    from Xray2MRILib.errors import ProcessingError
    from Xray2MRILib.generation.cae_pipeline import CaePipeline, is_cae

    torch.manual_seed(0)
    made = CaePipeline(CaeGenerator(width=1))
    made.save_pretrained(tmp_path / "model", card={})
    assert is_cae(tmp_path / "model")
    assert not is_cae("compact")
    picture = np.zeros((1, 256, 256), np.float32)
    again = CaePipeline.from_pretrained(tmp_path / "model", device="cpu")
    assert np.abs(made(picture).array - again(picture).array).max() < 5e-3  # half precision
    weights = tmp_path / "model" / "generator" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ProcessingError, match="checksum"):
        CaePipeline.from_pretrained(tmp_path / "model", device="cpu")


def test_half_precision_on_a_processor() -> None:
    """Resizing with antialiasing has no bfloat16 form there, which once stopped a training at its start."""
    from Xray2MRILib.baselines.cae_generator import CaeGenerator

    torch.manual_seed(0)
    network = CaeGenerator(width=1, slices=3, size=64).eval()
    radiograph = torch.rand(2, 1, 256, 256) * 2 - 1
    with torch.no_grad():
        exact = network.volume(radiograph)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network.volume(radiograph)
    assert rounded.shape == (2, 3, 64, 64)
    assert torch.allclose(rounded.float(), exact, atol=0.05)
