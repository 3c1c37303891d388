"""The U-Net: what comes in and out, tiles, files; and the diffusion of its residual against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.errors import ProcessingError  # noqa: E402
from Xray2MRILib.super_resolution.enhancement_network import EnhancementUNet, scalar_inputs  # noqa: E402
from Xray2MRILib.super_resolution.residual_diffusion import angles, noisy_residual, sample_residual  # noqa: E402
from Xray2MRILib.super_resolution.tiles import in_tiles  # noqa: E402

SMALL = {"width": 8, "multipliers": (1, 2), "blocks": 1}


def random_network(**changes: object) -> EnhancementUNet:
    """Untrained, with a head that does something."""
    torch.manual_seed(0)
    network = EnhancementUNet(**{**SMALL, **changes}).eval()
    torch.nn.init.normal_(network.head[-1].weight, std=0.1)
    return network


def test_an_untrained_student_adds_nothing() -> None:
    network = EnhancementUNet(**SMALL)
    assert float(network(torch.randn(2, 5, 16, 24), scalar_inputs(2.0, 1.0, 0.01, 2)).detach().abs().max()) == 0


def test_the_scale_changes_what_it_adds() -> None:
    network, pictures = random_network(), torch.randn(1, 5, 16, 16)
    with torch.no_grad():
        found = [network(pictures, scalar_inputs(scale, 1.0, 0.01)) for scale in (1.5, 4.0)]
    assert float((found[0] - found[1]).abs().max()) > 1e-4


def test_more_contrast_gets_a_larger_residual() -> None:
    """With a linear head and local contrast; other grey values around the same contrast change nothing."""
    network = random_network(linear_head=True, local_contrast=True)
    pictures, scalars = torch.randn(1, 5, 32, 32) * 0.05, scalar_inputs(2.0, 1.0, 0.01)
    pictures[:, 3:] = 0
    with torch.no_grad():
        found, stronger = (float(network(pictures * factor, scalars).std()) for factor in (1.0, 8.0))
        brighter = pictures + torch.tensor([0.5, 0.5, 0.5, 0.0, 0.0])[:, None, None]
        assert torch.allclose(network(brighter, scalars), network(pictures, scalars), atol=1e-4)
    assert stronger > 3 * found


def test_feature_maps_have_their_levels() -> None:
    network = random_network(teacher=True, attention=True)
    noisy, angle = torch.randn(1, 1, 16, 16), torch.tensor([0.4])
    _, maps = network.with_features(torch.randn(1, 5, 16, 16), scalar_inputs(2.0, 1.0, 0.0), noisy, angle)
    assert {name: tuple(m.shape[1:]) for name, m in maps.items()} == {
        "down-0": (8, 8, 8), "down-1": (16, 4, 4), "middle": (16, 4, 4), "up-1": (16, 4, 4), "up-0": (8, 8, 8),
    }  # fmt: skip


@pytest.mark.parametrize("mended", [False, True])
def test_tiles_give_what_the_whole_picture_gives(mended: bool) -> None:
    """Far from the seams nothing differs, since no layer looks beyond its neighbourhood."""
    network = random_network(linear_head=mended, local_contrast=mended)
    pictures = torch.randn(1, 5, 64, 48)
    scalars = scalar_inputs(2.0, 1.0, 0.01)
    with torch.no_grad():
        whole = network(pictures, scalars)
        parts = in_tiles(lambda part: network(part, scalars), pictures, network.multiple, tile=48, overlap=32)
    assert float((whole - parts)[:, :, :10].abs().max()) < 1e-3 * float(whole.abs().max())
    assert float((whole - parts).abs().max()) < 0.2 * float(whole.abs().max())


def test_sizes_that_do_not_divide_are_padded() -> None:
    network = random_network()
    found = in_tiles(lambda part: network(part, scalar_inputs(2.0, 1.0, 0.0)), torch.randn(1, 5, 19, 21), 4)
    assert found.shape == (1, 1, 19, 21)


def test_it_is_stored_and_read(tmp_path: Path) -> None:
    network = random_network(residual_scale=0.04)
    network.half().float().save_pretrained(tmp_path / "net")
    found = EnhancementUNet.from_pretrained(tmp_path / "net")
    pictures, scalars = torch.randn(1, 5, 16, 16), scalar_inputs(3.0, 1.0, 0.01)
    with torch.no_grad():
        assert torch.allclose(found(pictures, scalars), network(pictures, scalars), atol=1e-6)
    assert found.config["residual_scale"] == 0.04
    assert len(found.weights_sha256) == 64


def test_eight_bits_take_half_the_room_and_hardly_change_it(tmp_path: Path) -> None:
    network = random_network()
    pictures, scalars = torch.randn(1, 5, 16, 16), scalar_inputs(3.0, 1.0, 0.01)
    for name, eight_bit in (("half", False), ("eight", True)):
        network.save_pretrained(tmp_path / name, eight_bit=eight_bit)
    sizes = [next((tmp_path / name).glob("*.safetensors")).stat().st_size for name in ("half", "eight")]
    assert sizes[1] < 0.75 * sizes[0]
    with torch.no_grad():
        found, expected = (
            EnhancementUNet.from_pretrained(tmp_path / "eight")(pictures, scalars),
            network(pictures, scalars),
        )
    assert float((found - expected).abs().max()) < 0.05 * float(expected.abs().max())
    weights = next((tmp_path / "eight").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-2] + b"xy")
    with pytest.raises(ProcessingError, match="eight"):
        EnhancementUNet.from_pretrained(tmp_path / "eight")


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    random_network().save_pretrained(tmp_path / "net")
    weights = tmp_path / "net" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    with pytest.raises(ProcessingError, match=r"differ|changed|checksum|SHA|altered"):
        EnhancementUNet.from_pretrained(tmp_path / "net")


class _PerfectTeacher:
    """Predicts the exact velocity of a known residual."""

    def __init__(self, residual: torch.Tensor) -> None:
        self.residual = residual

    def __call__(self, pictures: torch.Tensor, scalars: torch.Tensor, z: torch.Tensor, angle: torch.Tensor):
        phi = angle[:, None, None, None]
        noise = (z - torch.cos(phi) * self.residual) / torch.sin(phi)
        return torch.cos(phi) * noise - torch.sin(phi) * self.residual


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_a_perfect_teacher_finds_the_residual_from_pure_noise(steps: int) -> None:
    residual, noise = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    found = sample_residual(_PerfectTeacher(residual), torch.zeros(2, 5, 8, 8), torch.zeros(2, 3), noise, steps)
    assert torch.allclose(found, residual, atol=1e-4)


def test_state_and_velocity_turn_into_each_other() -> None:
    residual, noise, angle = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4), torch.tensor([0.2, 0.9, math.pi / 2])
    z, v = noisy_residual(residual, noise, angle)
    phi = angle[:, None, None, None]
    assert torch.allclose(torch.cos(phi) * z - torch.sin(phi) * v, residual, atol=1e-5)
    assert float(angles(20)[0]) == pytest.approx(math.pi / 2)
    assert float(angles(20)[-1]) == 0.0
