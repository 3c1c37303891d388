"""Which axes become finer, and what is refused."""

from __future__ import annotations

import pytest

from Xray2MRILib.errors import InputError
from Xray2MRILib.super_resolution.spacing_plan import plan_spacing


def test_only_coarse_axes_change() -> None:
    plan = plan_spacing((50, 256, 256), (1.5, 0.625, 0.625), 0.625)
    assert plan.scales == (2.4, 1.0, 1.0)
    assert plan.fine_size == (120, 256, 256)
    assert plan.thick_axis == 0
    assert plan.thickness_mm == 1.5


def test_finer_pixels_stay() -> None:
    plan = plan_spacing((20, 300, 300), (2.0, 0.4, 0.4), 0.625)
    assert plan.spacing_mm == pytest.approx((0.625, 0.4, 0.4))


def test_the_coarsest_axis_is_the_thick_one() -> None:
    plan = plan_spacing((100, 100, 40), (0.7, 0.7, 2.0), 0.7, thickness_mm=1.8)
    assert plan.order == (2, 0, 1)
    assert plan.thickness_mm == 1.8


@pytest.mark.parametrize(("spacing", "words"), [(0.625, "6.4 times"), (4.0, "already"), (20.0, "cannot be 20 mm")])
def test_refusals(spacing: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan_spacing((24, 256, 256), (4.0, 0.625, 0.625), spacing)


def test_the_remedy_of_a_refusal_works() -> None:
    with pytest.raises(InputError) as refused:
        plan_spacing((24, 64, 64), (3.3, 0.625, 0.625), 0.625)
    least = float(refused.value.hint.split(" mm")[0].split()[-1])
    assert max(plan_spacing((24, 64, 64), (3.3, 0.625, 0.625), least).scales) <= 4.0


def test_too_many_voxels_are_refused() -> None:
    with pytest.raises(InputError, match="more than this program computes"):
        plan_spacing((400, 512, 512), (1.0, 1.0, 1.0), 0.3)
