"""Maps of Siamese-GAP: one that is known by hand, their places, symmetry, pictures and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Xray2MRILib.cli import main

torch = pytest.importorskip("torch")


def passing_network(pooling: str = "average"):
    """A network of one channel whose every layer passes its input's centre on; only depth 1 speaks for KL-2."""
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    network = SiameseGap(pooling, channels=(1, 1, 1, 1)).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.zero_()
                module.weight[0, 0, 1, 1] = 1
                module.bias.zero_()
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 0.0
        network.classes.weight.zero_()
        network.classes.bias.zero_()
        network.classes.weight[1, 0] = 3.0
    return network


def test_the_map_of_a_network_that_passes_its_input_on_is_the_input() -> None:
    from Xray2MRILib.baselines.class_activation import early_evidence

    crop = np.random.default_rng(0).random((299, 299), np.float32)
    found = early_evidence(crop[None], passing_network())
    # the pool is the mean of 124 x 124 values: each has the gradient 3 / 124^2
    rows, inner = slice(99, 227), slice(101, 225)
    expected = 3 / 124**2 * crop
    assert np.allclose(found.maps[0][inner, 2:126], expected[inner, 2:126], atol=1e-7)  # lateral
    assert np.allclose(found.maps[0][inner, 173:297], expected[inner, 173:297], atol=1e-7)  # medial, mirrored back
    assert np.allclose(found.maps[0][99, 2:126], expected[101, 2:126], atol=1e-7)  # edge values go on
    assert not found.maps[0][:99].any()  # what the network does not see
    assert not found.maps[0][227:].any()
    assert not found.maps[0][rows, 128:171].any()
    assert not found.maps[1:].any()  # deeper features have no weight
    pooled = sum(crop[inner, columns].mean() for columns in (slice(2, 126), slice(173, 297)))
    assert found.probability == pytest.approx(1 / (1 + np.exp(-3 * pooled)), abs=1e-5)
    assert found.combined.max() == pytest.approx(1)


def test_maximum_pooling_weighs_by_the_place_of_the_maximum_alone() -> None:
    from Xray2MRILib.baselines.class_activation import early_evidence

    crop = np.random.default_rng(1).random((299, 299), np.float32)
    found = early_evidence(crop[None], passing_network("max"))
    expected = 3 / 124**2 * crop[101:225, 2:126]  # one gradient of 3, averaged over the map as Grad-CAM does
    assert np.allclose(found.maps[0][101:225, 2:126], expected, atol=1e-7)


@pytest.mark.parametrize(("depth", "size", "expected"), [(0, 124, (2, 1)), (1, 57, (7, 2)), (2, 22, (21, 4)),
                                                         (3, 4, (49, 8))])  # fmt: skip
def test_each_value_lies_at_the_centre_of_what_it_saw(depth: int, size: int, expected: tuple[int, int]) -> None:
    """Against the gradient of a middle value with respect to the patch."""
    from Xray2MRILib.baselines.class_activation import centres
    from Xray2MRILib.baselines.siamese_gap import PATCH, SiameseGap

    assert centres(depth) == expected
    network = SiameseGap(channels=(1, 1, 1, 1)).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.fill_(1.0)
                module.bias.zero_()
    patch = torch.ones(1, 1, PATCH, PATCH, requires_grad=True)
    features = patch
    for block in network.blocks[: depth + 1]:
        features = block(features)
    assert features.shape[-1] == size
    features[0, 0, size // 2, size // 2 - 1].backward()
    rows, columns = (patch.grad[0, 0].sum(axis).nonzero()[:, 0].float() for axis in (1, 0))
    first, stride = expected
    assert (rows[0] + rows[-1]) / 2 == first + stride * (size // 2)
    assert (columns[0] + columns[-1]) / 2 == first + stride * (size // 2 - 1)


def test_maps_of_a_mirrored_knee_are_mirrored() -> None:
    from Xray2MRILib.baselines.class_activation import early_evidence
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    torch.manual_seed(0)
    network = SiameseGap(channels=(4, 4, 4, 4)).eval()
    crop = np.random.default_rng(2).random((1, 256, 256), np.float32) * 2 - 1
    one, other = (early_evidence(np.ascontiguousarray(c), network) for c in (crop, crop[..., ::-1]))
    assert one.probability == pytest.approx(other.probability, abs=1e-6)
    assert one.maps.max() > 0
    assert np.allclose(one.maps, other.maps[..., ::-1], atol=1e-5 * one.maps.max())
    shares = one.compartment_shares
    assert shares["lateral"] == pytest.approx(other.compartment_shares["medial"], abs=1e-4)
    assert sum(shares.values()) == pytest.approx(1)


def test_the_probability_is_that_of_the_network_itself() -> None:
    from Xray2MRILib.baselines.class_activation import early_evidence
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    torch.manual_seed(3)
    network = SiameseGap(channels=(4, 4, 4, 4)).eval()
    crop = np.random.default_rng(3).random((1, 256, 256), np.float32)
    with torch.inference_mode():
        expected = torch.softmax(network(torch.from_numpy(crop)[None]), dim=1)[0, 1]
    assert early_evidence(crop, network).probability == pytest.approx(float(expected), abs=1e-6)


@pytest.fixture
def small_network(tmp_path: Path) -> Path:
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    torch.manual_seed(0)
    SiameseGap(channels=(4, 4, 4, 4)).save_pretrained(tmp_path / "average", eight_bit=True)
    return tmp_path / "average"


def sample(name: str) -> str:
    return str(Path(__file__).resolve().parents[2] / "Resources" / "samples" / f"{name}.webp")


def test_the_command_draws_the_map_in_the_orientation_of_the_radiograph(
    small_network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = []
    for name in ("kl3_left", "kl3_right"):
        picture = tmp_path / f"{name}.png"
        options = ["--early-oa", str(small_network), "--map", str(picture), "--json"]
        assert main(["grade", sample(name), *options]) == 0
        found = json.loads(capsys.readouterr().out)
        assert 0 <= found["early_osteoarthritis"] <= 1
        assert found["early_osteoarthritis_map"] == str(picture)
        assert set(found["early_osteoarthritis_places"]) == {"lateral", "medial"}
        opened = Image.open(picture)
        assert "Not a diagnosis" in opened.text["Description"]
        pictures.append(np.asarray(opened.convert("RGB"), float))
    coloured = np.ptp(pictures[0][60:572, 4:516], axis=2) > 30
    assert 0.02 < coloured.mean() < 0.9


def test_a_map_without_its_network_or_with_another_ending_is_refused(
    small_network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", sample("kl3_left"), "--map", str(tmp_path / "map.png")]) == 2
    assert "--map needs --early-oa" in capsys.readouterr().err
    asked = ["grade", sample("kl3_left"), "--early-oa", str(small_network)]
    assert main([*asked, "--map", str(tmp_path / "map.jpg")]) == 2
    assert "map.jpg" in capsys.readouterr().err
    assert main([*asked, "--map", str(tmp_path / "none" / "map.png")]) == 2
    assert "none" in capsys.readouterr().err
    assert not list(tmp_path.glob("map.*"))


def test_altered_weights_are_refused(small_network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (weights,) = small_network.glob("*.int8.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert main(["grade", sample("kl3_left"), "--early-oa", str(small_network)]) == 1
    assert "has been altered" in capsys.readouterr().err


def test_the_network_that_ships_answers_without_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The order of four CC BY knees that it was not trained on; the probabilities themselves are too high there."""
    found = {}
    for name in ("kl0_left", "kl0_right", "kl2_left", "kl2_right"):
        picture = tmp_path / f"{name}.png"
        assert main(["grade", sample(name), "--early-oa", "--map", str(picture), "--json"]) == 0
        found[name] = json.loads(capsys.readouterr().out)["early_osteoarthritis"]
        assert picture.stat().st_size > 10_000
    assert max(found["kl0_left"], found["kl0_right"]) < min(found["kl2_left"], found["kl2_right"])
    folder = Path(__file__).resolve().parents[2] / "Resources/models/siamese_gap"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
