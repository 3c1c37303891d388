"""Weights in eight bits: against rounding by hand, and with a whole model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities  # noqa: E402
from Xray2MRILib.errors import ProcessingError  # noqa: E402
from Xray2MRILib.files.checksums import write_checksums  # noqa: E402
from Xray2MRILib.files.resources import resource_path  # noqa: E402
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline  # noqa: E402
from Xray2MRILib.model_store.assembly import build_components  # noqa: E402
from Xray2MRILib.model_store.model_folder import NETWORKS  # noqa: E402
from Xray2MRILib.models.eight_bit_weights import FILE, SCALE, SHAPE, from_eight_bits, packed, to_eight_bits, unpacked  # noqa: E402


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "conv.weight": torch.randn(6, 4, 3, 3, generator=generator) * torch.logspace(-3, 1, 6)[:, None, None, None],
        "conv.bias": torch.randn(6, generator=generator),
        "linear.weight": torch.randn(5, 7, generator=generator),
        "zero.weight": torch.zeros(3, 4),
        "count": torch.tensor([1, 2, 3]),
    }


def test_no_weight_moves_by_more_than_half_a_level_of_its_channel(state) -> None:
    stored = to_eight_bits(state)
    assert {stored[n].dtype for n in ("conv.weight", "linear.weight", "zero.weight")} == {torch.int8}
    assert stored["conv.bias"].dtype == torch.float16
    back = from_eight_bits(stored)
    assert set(back) == set(state)
    for name in ("conv.weight", "linear.weight", "zero.weight"):
        half_a_level = state[name].flatten(1).abs().amax(1) / 254
        moved = (back[name] - state[name]).flatten(1).abs().amax(1)
        assert (moved <= half_a_level * 1.0001).all()
    assert torch.equal(back["count"], state["count"])
    assert (back["conv.bias"] - state["conv.bias"]).abs().max() < 2e-3


def test_by_hand() -> None:
    """The largest of a row is 127 levels: 2.54 / 127 = 0.02 a level, so 1.012 is 50.6 levels and 0.031 is 1.55."""
    stored = to_eight_bits({"w": torch.tensor([[2.54, -1.012, 0.031], [0.0, -127.0, 63.0]])})
    assert stored["w"].tolist() == [[127, -51, 2], [0, -127, 63]]
    assert stored["w" + SCALE].tolist() == pytest.approx([0.02, 1.0])
    assert from_eight_bits(stored)["w"].tolist() == [pytest.approx([2.54, -1.02, 0.04]), [0.0, -127.0, 63.0]]


def test_six_bits_by_hand() -> None:
    """Low bits first: -31, 0, 31, 1 are 1, 32, 63, 33; 1 + 32 * 64 + 63 * 4096 + 33 * 262144 = 0x87f801."""
    whole = torch.tensor([[-31, 0], [31, 1], [5, -1]])
    assert packed(whole[:2]).tolist() == [0x01, 0xF8, 0x87]
    assert len(packed(whole)) == 6
    back = unpacked(packed(whole), torch.tensor(whole.shape))
    assert back.dtype == torch.int8
    assert torch.equal(back, whole.to(torch.int8))


def test_every_value_survives_six_bits() -> None:
    generator = torch.Generator().manual_seed(2)
    for count in (1, 2, 3, 4, 1023):
        whole = torch.randint(-31, 32, (count, 1), generator=generator)
        assert torch.equal(unpacked(packed(whole), torch.tensor([count, 1])), whole.to(torch.int8))


@pytest.mark.parametrize("shape", [[9, 1], [2, -4], [0, 3], [900_000, 900_000]])
def test_bytes_of_another_shape_are_refused(shape: list[int]) -> None:
    with pytest.raises(ValueError, match="do not hold"):
        unpacked(packed(torch.zeros(8, 1)), torch.tensor(shape))


@pytest.mark.parametrize(
    "damage",
    [
        {"large" + SHAPE: torch.tensor([-64, -1000])},
        {"large" + SHAPE: torch.tensor([64.0, 1000.0])},
        {"large" + SHAPE: torch.tensor(64_000)},
        {"large" + SHAPE: torch.tensor([], dtype=torch.int64)},
        {"large": torch.zeros(48_000, dtype=torch.int8)},
        {"large": torch.zeros(16_000, 3, dtype=torch.uint8)},
        {"large" + SCALE: torch.ones(63)},
        {"large" + SHAPE: None},
    ],
    ids=["negative", "fractions", "one number", "nothing", "other bytes", "two axes", "scales", "no shape"],
)
def test_damaged_packed_weights_are_refused(damage: dict) -> None:
    stored = to_eight_bits({"large": torch.randn(64, 1000)}, coarse=True) | damage
    stored = {name: tensor for name, tensor in stored.items() if tensor is not None}
    with pytest.raises(ValueError, match=r"[a-z]"):
        from_eight_bits(stored)


def test_coarse_weights_as_earlier_versions_stored_them_are_read(state) -> None:
    """The same 63 values in eight bits each."""
    large = {"large": torch.randn(64, 1000, generator=torch.Generator().manual_seed(5))}
    stored = to_eight_bits(large, coarse=True)
    earlier = {"large": unpacked(stored["large"], stored["large" + SHAPE]), "large" + SCALE: stored["large" + SCALE]}
    assert torch.equal(from_eight_bits(stored)["large"], from_eight_bits(earlier)["large"])


def test_coarse_weights_of_large_tensors_are_smaller_and_keep_their_channels() -> None:
    """Against the same rounding without a choice of scale: no channel may be worse, and most must gain."""
    generator = torch.Generator().manual_seed(5)
    large = torch.randn(64, 1000, generator=generator) * torch.logspace(-3, 1, 64)[:, None]
    large[7] = 0
    small = torch.randn(30, 1000, generator=generator)
    stored = to_eight_bits({"large": large, "small": small}, coarse=True)
    plain = to_eight_bits({"large": large, "small": small})
    assert torch.equal(stored["small"], plain["small"])
    assert stored["large"].dtype == torch.uint8
    assert len(stored["large"]) == 64 * 1000 * 3 // 4
    assert int(unpacked(stored["large"], stored["large" + SHAPE]).abs().max()) == 31
    step = large.abs().amax(1, keepdim=True).clamp(min=1e-9) / 31
    by_the_largest = ((large / step).round() * step - large).square().sum(1)
    found = (from_eight_bits(stored)["large"] - large).square().sum(1)
    assert (found <= by_the_largest * 1.0001).all()
    assert int((found < 0.98 * by_the_largest).sum()) > 32


@pytest.fixture
def model(tmp_path: Path) -> tuple[Xray2MRIPipeline, Path]:
    torch.manual_seed(0)
    pipeline = Xray2MRIPipeline(**build_components("tiny")).on_device("cpu")
    pipeline.save_pretrained(tmp_path / "model", half_precision=True, eight_bit=True)
    return pipeline, tmp_path / "model"


def test_a_model_in_eight_bits_is_smaller_and_makes_nearly_the_same_volume(model, tmp_path: Path) -> None:
    pipeline, folder = model
    pipeline.save_pretrained(tmp_path / "half", half_precision=True)
    of_half = load_file(tmp_path / "half" / "unet" / "diffusion_pytorch_model.safetensors")
    of_eight = load_file(folder / "unet" / FILE)
    assert sum(t.nbytes for t in of_eight.values()) < 0.65 * sum(t.nbytes for t in of_half.values())
    assert all((folder / name / FILE).exists() for name in NETWORKS)
    loaded = Xray2MRIPipeline.from_pretrained(folder, device="cpu")
    assert loaded.unet.dtype == torch.float32
    assert not loaded.unet.training
    assert set(loaded.weights_sha256) == set(NETWORKS)
    picture = np.linspace(-1, 1, 256 * 256, dtype=np.float32).reshape(1, 256, 256)
    choices = {"num_slices": 2, "num_inference_steps": 2, "koa": KoaProbabilities.reader(2)}
    exact, rounded = (p(picture, **choices).array for p in (pipeline, loaded))
    difference = np.abs(exact - rounded)  # of a network of chance, whose grey levels spread over the whole range
    assert 0 < difference.mean() < 0.003
    assert difference.max() < 0.1


def test_a_model_is_stored_coarse(tmp_path: Path) -> None:
    """A model as large as the shipped one, stored as a maintainer does: read as any other, and smaller."""
    pipeline = Xray2MRIPipeline.from_pretrained(resource_path("models/compact"), device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # the shipped weights lie on the coarse grid already, those of a training do not
        for weight in (weight for weight in pipeline.unet.parameters() if weight.numel() > 60_000):
            weight += 0.03 * weight.std(correction=0) * torch.randn(weight.shape, generator=generator)
    for name, coarse in (("fine", False), ("coarse", True)):
        pipeline.save_pretrained(tmp_path / name, eight_bit=True, coarse=coarse)
    sizes = [(tmp_path / name / "unet" / FILE).stat().st_size for name in ("fine", "coarse")]
    assert sizes[1] < 0.86 * sizes[0]
    again = Xray2MRIPipeline.from_pretrained(tmp_path / "coarse", device="cpu")
    assert again.model_card == pipeline.model_card
    for name, weight in pipeline.unet.state_dict().items():
        if weight.ndim > 1:
            change = (again.unet.state_dict()[name] - weight).flatten(1)
            share = 0.05 if weight.numel() > 60_000 else 1e-4
            assert (change.square().mean(1).sqrt() <= share * weight.flatten(1).abs().amax(1) + 1e-7).all(), name


def test_training_begins_from_a_model_in_eight_bits(model) -> None:
    from Xray2MRILib.training.warm_start import load_matching_weights, model_part

    pipeline, folder = model
    fresh = build_components("tiny")["unet"]
    assert load_matching_weights(fresh, model_part(folder, "unet")) == len(fresh.state_dict())
    for name, weight in pipeline.unet.state_dict().items():
        assert (fresh.state_dict()[name] - weight).abs().max() <= max(float(weight.abs().max()) / 200, 1e-3)


def test_one_channel_alone_is_not_given_one_scale() -> None:
    weight = torch.linspace(-1, 1, 12).view(1, 12, 1, 1)
    assert to_eight_bits({"w": weight})["w"].dtype == torch.float16


def test_a_network_that_is_there_twice_is_refused(model, tmp_path: Path) -> None:
    pipeline, folder = model
    (folder / "checksums.json").unlink()
    pipeline.unet.save_pretrained(folder / "unet")
    with pytest.raises(ProcessingError, match="unet of the model folder model cannot be loaded"):
        Xray2MRIPipeline.from_pretrained(folder, device="cpu")


def test_weights_whose_scales_are_missing_are_refused_in_one_sentence(model) -> None:
    _, folder = model
    file = folder / "unet" / FILE
    save_file({n: t for n, t in load_file(file).items() if not n.endswith(SCALE)}, file)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "checksums.json"]
    write_checksums(folder, [path.relative_to(folder).as_posix() for path in files])
    with pytest.raises(ProcessingError, match="unet of the model folder model cannot be loaded"):
        Xray2MRIPipeline.from_pretrained(folder, device="cpu")
