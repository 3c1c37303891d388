"""The joint region: found from the reference alone, flagged slice by slice."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.metrics.joint_region import find_joint_region, nominal_box


def _two_bones(bone: float, band: float) -> np.ndarray:
    """20 slices: a leg 120 pixels wide; bones from row 60 to 145 and from 155 to 230 in slices 5 to 17."""
    volume = np.zeros((20, 256, 256), np.float32)
    volume[:, :, 70:190] = 0.8 if bone < band else 0.3
    volume[5:18, 60:145, 85:175] = bone
    volume[5:18, 155:230, 85:175] = bone
    volume[5:18, 145:155, 85:175] = band
    return volume


@pytest.mark.parametrize(("bone", "band"), [(0.25, 0.9), (0.8, 0.15)])
def test_rows_by_construction_in_both_contrasts(bone, band):
    region = find_joint_region(_two_bones(bone, band))
    assert region.valid.tolist() == [5 <= place < 18 for place in range(20)]
    assert region.bright_bone is (bone > band)
    assert region.joint_row[region.valid] == pytest.approx(150, abs=5)
    assert region.femur_row[region.valid] == pytest.approx(60, abs=3)
    assert region.tibia_row[region.valid] == pytest.approx(230, abs=3)
    # a third of 90 rows up, a third of 80 rows down
    assert region.rows[8] == pytest.approx((120, 178), abs=6)
    assert (region.rows[~region.valid] == 0).all()
    assert np.isnan(region.joint_row[~region.valid]).all()


def test_it_follows_a_joint_that_wanders():
    volume = _two_bones(0.25, 0.9)
    shifts = np.arange(20) - 10
    moved = np.stack([np.roll(picture, shift, 0) for picture, shift in zip(volume, shifts, strict=True)])
    region = find_joint_region(moved)
    assert region.joint_row[region.valid] == pytest.approx(150 + shifts[region.valid], abs=5)


def test_on_a_knee(region, knee):
    assert 25 <= region.valid.sum() <= 42
    assert not region.valid[:8].any(), "the hollow of the knee shows no joint line"
    middle = region.joint_row[region.valid]
    assert 130 < np.median(middle) < 170
    assert np.ptp(middle) < 40
    top, bottom, left, right = region.box
    assert top < np.median(middle) < bottom
    assert 90 < right - left < 180


def test_noise_and_air_have_no_joint():
    noise = np.random.default_rng(0).random((6, 128, 128), dtype=np.float32)
    for volume in (noise, np.zeros_like(noise), np.full_like(noise, 0.4)):
        region = find_joint_region(volume)
        assert not region.valid.any()
        assert region.box is None
    assert nominal_box() == (102, 188, 45, 211)


def test_refuses_what_is_no_volume():
    with pytest.raises(ValueError, match="40 mm"):
        find_joint_region(np.zeros((5, 20, 20)))
