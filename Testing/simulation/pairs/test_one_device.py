"""The whole pair is simulated where its template lies; batches for training are fresh and the same for one seed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Testing.material.block_knee import block_template  # noqa: E402
from Testing.material.other_device import DEVICE, Elsewhere, other_device  # noqa: E402
from Xray2MRILib.simulation.anatomy.shape_variation import MODES  # noqa: E402
from Xray2MRILib.simulation.mr.image_signal import PreparedTemplate, prepared  # noqa: E402
from Xray2MRILib.simulation.pairs.fresh_pairs import fresh_batches, training_seed  # noqa: E402
from Xray2MRILib.simulation.pairs.image_knee import (  # noqa: E402
    draw_image_knee,
    image_pair_tensors,
    simulate_image_pair,
)
from Xray2MRILib.simulation.pairs.population import HELD_OUT_OFFSET  # noqa: E402


@pytest.fixture(scope="module")
def source() -> PreparedTemplate:
    made = prepared(block_template())
    # blocks are no bones that a shape model could be laid over
    made.__dict__["modes_mm"] = np.zeros((MODES, 3, *_lattice()), np.float32)
    return made


def _lattice() -> tuple[int, ...]:
    from Xray2MRILib.simulation.anatomy.template_regions import lattice_points

    return lattice_points().shape[:3]


@pytest.mark.slow
def test_no_tensor_leaves_the_device_on_the_way(source: PreparedTemplate) -> None:
    """Every operation runs on one device: no copy comes back, a few numbers do; the result is that of the processor."""
    knee = draw_image_knee(7, 4, source.template)
    expected = image_pair_tensors(source, knee)
    with other_device() as left:
        moved = prepared(source.template, DEVICE)
        moved.__dict__["modes_mm"] = source.modes_mm
        pair = image_pair_tensors(moved, knee)
    assert left["copies"] == 0
    assert left["numbers"] < 60
    for found, wanted in ((pair.volume, expected.volume), (pair.radiograph, expected.radiograph)):
        assert isinstance(found, Elsewhere)
        assert float((found.held - wanted).abs().max()) < 2e-4 * float(wanted.max())


def test_a_mixture_of_devices_is_noticed() -> None:
    with other_device() as left, pytest.raises(RuntimeError, match="two devices"):
        torch.ones(3, device=DEVICE) + torch.ones(3)
    with other_device() as left:
        torch.ones(3, device=DEVICE).cpu()
        float(torch.ones(3, device=DEVICE).sum())
    assert left == {"copies": 1, "numbers": 1}


@pytest.mark.slow
def test_batches_are_fresh_and_the_same_for_one_seed(source: PreparedTemplate) -> None:
    batches = fresh_batches([source], 2, seed=5)
    first, second = next(batches), next(batches)
    assert first.volumes.shape == (2, 50, 256, 256)
    assert first.radiographs.shape == (2, 2, 288, 288)
    seeds = [knee.parameters.seed for batch in (first, second) for knee in batch.knees]
    assert seeds == [5, 6, 7, 8]
    assert [knee.parameters.kl_grade for knee in first.knees + second.knees] == [0, 1, 2, 3]
    later = next(fresh_batches([source], 1, seed=5, first=3))
    assert torch.equal(later.volumes[0], second.volumes[1])
    stored = simulate_image_pair(source, later.knees[0])
    assert np.array_equal(stored.volume, later.volumes[0].numpy())
    assert stored.volume.max() <= 1


def test_held_out_seeds_are_left_out(source: PreparedTemplate) -> None:
    assert training_seed(HELD_OUT_OFFSET - 1) == HELD_OUT_OFFSET - 1
    assert training_seed(HELD_OUT_OFFSET) == 2 * HELD_OUT_OFFSET
    with pytest.raises(ValueError, match="one device"):
        next(fresh_batches([], 1))
