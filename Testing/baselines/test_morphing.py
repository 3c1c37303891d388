"""The morphing model: flow, look-up, losses, motion and sizes by hand, and real training steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")


def test_warp_by_a_whole_and_a_half_pixel() -> None:
    from Xray2MRILib.baselines.velocity_field import warp

    radiograph = torch.rand(1, 1, 12, 16)
    assert torch.allclose(warp(radiograph, torch.zeros(1, 2, 12, 16)), radiograph, atol=1e-6)
    moved = torch.zeros(1, 2, 12, 16)
    moved[:, 0], moved[:, 1] = 2.0, -1.0  # looks two columns to the right and one row up
    assert torch.allclose(warp(radiograph, moved)[0, 0, 1:, :-2], radiograph[0, 0, :-1, 2:], atol=1e-5)
    moved[:, 0], moved[:, 1] = 0.5, 0.0
    expected = (radiograph[..., :-1] + radiograph[..., 1:]) / 2
    assert torch.allclose(warp(radiograph, moved)[..., :-1], expected, atol=1e-5)


def test_the_flow_of_a_linear_velocity_is_an_exponential() -> None:
    """v = r (x - c): after the time 1 a point is at c + e^r (x - c); the determinant is e^2r everywhere."""
    from Xray2MRILib.baselines.velocity_field import exponential, jacobian_determinant

    rate, size = -0.3, 33
    axis = torch.arange(size) - 16.0
    velocity = rate * torch.stack(torch.meshgrid(axis, axis, indexing="xy"))[None]
    displacement = exponential(velocity, squarings=12)
    expected = (math.exp(rate) - 1) * torch.stack(torch.meshgrid(axis, axis, indexing="xy"))[None]
    assert torch.allclose(displacement, expected, atol=2e-3)
    assert torch.allclose(jacobian_determinant(displacement), torch.tensor(math.exp(2 * rate)), atol=2e-3)
    assert torch.allclose(exponential(velocity)[..., 4:-4, 4:-4], expected[..., 4:-4, 4:-4], atol=0.05)


def test_flows_form_a_group_and_never_fold() -> None:
    from Xray2MRILib.baselines.velocity_field import exponential, jacobian_determinant, warp

    rng = np.random.default_rng(0)
    waves = [np.sin(2 * np.pi * (rng.uniform(0, 2, 2) @ np.mgrid[:64, :64].reshape(2, -1) / 64 + rng.random()))
             for _ in range(2)]  # fmt: skip
    velocity = 5 * torch.from_numpy(np.stack(waves)).float().reshape(1, 2, 64, 64)
    whole, half = exponential(velocity), exponential(velocity / 2)
    twice = half + warp(half, half)
    assert torch.allclose(whole[..., 12:-12, 12:-12], twice[..., 12:-12, 12:-12], atol=0.02)
    back = exponential(-velocity)
    there_and_back = whole + warp(back, whole)
    assert there_and_back[..., 16:-16, 16:-16].abs().max() < 0.15
    assert jacobian_determinant(exponential(2 * velocity)).min() > 0
    folded = torch.zeros(1, 2, 8, 8)
    folded[:, 0] = -2 * torch.arange(8.0)  # mirrors every row
    assert torch.allclose(jacobian_determinant(folded), torch.tensor(-1.0))


def test_local_correlation_by_hand() -> None:
    from Xray2MRILib.baselines.morphing_loss import local_correlation

    rng = np.random.default_rng(0)
    one, other = rng.random((14, 13)), rng.random((14, 13))
    expected = np.array(
        [
            [
                np.corrcoef(one[r : r + 9, c : c + 9].ravel(), other[r : r + 9, c : c + 9].ravel())[0, 1] ** 2
                for c in range(5)
            ]
            for r in range(6)
        ]
    )
    tensors = [torch.from_numpy(a).float()[None, None] for a in (one, other)]
    assert abs(local_correlation(*tensors).item() - expected.mean()) < 1e-4
    assert local_correlation(tensors[0], 0.3 * tensors[0] + 0.2).item() > 0.999
    weight = torch.zeros(1, 1, 14, 13)
    weight[0, 0, 4 + 2, 4 + 3] = 1  # the middle of the window at row 2, column 3
    assert local_correlation(*tensors, weight=weight).item() == pytest.approx(expected[2, 3], abs=1e-4)


def test_soft_grades_by_hand() -> None:
    from Xray2MRILib.baselines.morphing_loss import soft_grade

    found = soft_grade(torch.tensor([2.0, 3.5]), spread=0.5)
    weights = np.exp(-0.5 * (np.arange(5) - np.array([[2.0], [3.5]])) ** 2 / 0.25)
    assert np.allclose(found, weights / weights.sum(axis=1, keepdims=True), atol=1e-6)


def changing_model(velocity: tuple[float, float] = (3.0, 0.0), appearance: float = 0.0):
    """A model whose changes are constant within the rows of the joint."""
    from Xray2MRILib.baselines.morphing import MorphingModel

    model = MorphingModel(rows=(0.0, 1.0)).eval()
    with torch.no_grad():
        model.change.velocity.bias.copy_(torch.tensor(velocity) / 4.0)
        model.change.appearance.bias.fill_(math.atanh(appearance / 0.5))
    return model


def test_changes_keep_their_size_at_another_resolution() -> None:
    radiograph = torch.rand(1, 1, 256, 256)
    moved = changing_model().progress_to(radiograph, 1.0)  # three columns of 128 are six of 256
    assert torch.allclose(moved[..., :-8], radiograph[..., 6:-2], atol=1e-3)
    half = changing_model().progress_to(radiograph, 0.5)
    assert torch.allclose(half[..., :-8], radiograph[..., 3:-5], atol=1e-3)
    brighter = changing_model((0.0, 0.0), 0.2).progress_to(radiograph, 0.5)
    assert torch.allclose(brighter, radiograph + 0.1, atol=1e-4)


def test_the_first_frame_is_the_radiograph_and_changes_stay_at_the_joint() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel
    from Xray2MRILib.progression.radiograph_series import severities

    torch.manual_seed(0)
    model = MorphingModel().eval()
    torch.nn.init.normal_(model.change.velocity.weight, std=0.1)
    torch.nn.init.normal_(model.change.appearance.weight, std=0.5)
    radiograph = torch.rand(1, 1, 256, 256) * 2 - 1
    assert torch.equal(model.progress_to(radiograph, 0.0), radiograph)
    early, late = (model.progress_to(radiograph, s) for s in (0.01, 0.5))
    assert 0 < (early - radiograph).abs().mean() < (late - radiograph).abs().mean()
    assert torch.allclose(late[..., :54, :], radiograph[..., :54, :], atol=1e-4)  # above 0.36 - 0.14 of the height
    assert torch.allclose(late[..., 233:, :], radiograph[..., 233:, :], atol=1e-4)
    assert severities(4, 5) == [0, 0.25, 0.5, 0.75, 1.0]
    assert severities(2, 3) == [0, 0.25, 0.5]


def test_towards_another_radiograph_its_own_code_is_followed() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel, frame

    torch.manual_seed(0)
    model = MorphingModel().eval()
    torch.nn.init.normal_(model.change.appearance.weight, std=1.0)
    radiograph, other, third = (torch.rand(1, 1, 128, 128) * 2 - 1 for _ in range(3))
    with torch.no_grad():
        code, _ = model.encoder(torch.cat((radiograph, other), dim=1))
        expected = frame(radiograph, *model.changes(radiograph, code), 1.0)
    assert torch.allclose(model.progress_to(radiograph, 1.0, other), expected, atol=1e-5)
    assert not torch.allclose(model.progress_to(radiograph, 1.0, third), expected, atol=1e-4)
    assert not torch.allclose(model.progress_to(radiograph, 1.0), expected, atol=1e-4)  # that of the prior


@pytest.mark.slow
def test_steps_of_training_lower_the_loss_and_reach_all_networks() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel
    from Xray2MRILib.baselines.morphing_loss import MorphingBatch, MorphingWeights, morphing_loss
    from Xray2MRILib.conditions.koa_classifier import KneeGradeNetwork

    torch.manual_seed(0)
    model = MorphingModel(channels=(4, 8, 8, 8), courses=("medial", "lateral"))
    classifier = KneeGradeNetwork(channels=(8, 8, 8, 8, 8)).eval().requires_grad_(False)
    rows = torch.linspace(-1, 1, 256)[:, None].expand(256, 256)
    healthy, severe = (torch.sin(9 * rows + phase)[None, None].repeat(4, 1, 1, 1) for phase in (0.0, 0.5))
    severe[1::2] = torch.sin(9 * rows - 1.5)  # so that the two simulated courses can be told apart
    simulated = torch.tensor([True, True, False, False])
    surfaces = flat_surfaces(140.0, 160.0)[None].repeat(2, 2, 1, 1, 1, 1, 1)
    surfaces[:, 1, :, 1, ..., 0] -= 8  # the tibia rises
    facts = torch.tensor([[0.9, 0.1, 0.6], [0.1, 0.9, 0.4]])
    joints = flat_surfaces(140.0, 160.0)[None, :, :, 0, :5].repeat(2, 1, 1, 1, 1)
    batch = MorphingBatch(healthy, severe, simulated, surfaces, facts, joints)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    totals = []
    for _ in range(12):
        generator = torch.Generator().manual_seed(1)
        parts = morphing_loss(model, [classifier], batch, MorphingWeights(), generator)
        loss = torch.stack(list(parts.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append({name: float(part.detach()) for name, part in parts.items()})
    assert set(parts) == {"correlation", "velocity", "folding", "variation", "appearance", "code", "prior", "likeness",
                          "facts", "motion", "lent", "restraint", "supervision"}  # fmt: skip
    assert sum(totals[-1].values()) < sum(totals[0].values()) - 0.05
    assert totals[-1]["facts"] < 0.9 * totals[0]["facts"]
    assert totals[-1]["motion"] < totals[0]["motion"]
    for part in (model.encoder, model.prior, model.change):
        assert any(p.grad.any() for p in part.parameters())
    assert model.course_codes.grad.any()
    people = MorphingBatch(healthy, severe, ~simulated & False)
    without = morphing_loss(model, [], people, MorphingWeights(), generator)
    assert not {"supervision", "likeness", "facts", "motion", "lent", "restraint"} & set(without)


def flat_surfaces(femur: float, tibia: float) -> torch.Tensor:
    """Pixels [2 sides, 2 bones, 3 depths, 9, 2] of level joint surfaces at two rows."""
    places = torch.zeros(2, 2, 3, 9, 2)
    places[:, 0, ..., 0], places[:, 1, ..., 0] = femur, tibia
    places[..., 1] = torch.tensor([[60.0], [180.0]])[:, :, None, None] + 4 * torch.arange(9)
    return places


def test_surfaces_move_against_the_look_up() -> None:
    """A frame that looks two pixels of 128 below shows the bone four pixels of 256 above."""
    from Xray2MRILib.baselines.joint_motion import fall_of_gaps, moved_places
    from Xray2MRILib.baselines.morphing_loss import motion_error

    velocity = torch.zeros(1, 2, 128, 128)
    velocity[:, 0], velocity[:, 1] = 1.0, 2.0
    places = flat_surfaces(120.0, 150.0)[None]
    moved = moved_places(velocity, places, 256)
    assert torch.allclose(moved, places - torch.tensor((4.0, 2.0)), atol=1e-4)
    assert torch.allclose(fall_of_gaps(velocity, places[:, :, :, 0], 256), torch.zeros(1, 2), atol=1e-4)
    assert float(motion_error(velocity, torch.stack((places, moved), dim=1))) == pytest.approx(0.0, abs=1e-4)
    wrong = moved.clone()
    wrong[:, :, 1, ..., 0] += 6.0  # half of the surfaces are three pixels of 128 off, and so is each space
    found = float(motion_error(velocity, torch.stack((places, wrong), dim=1)))
    assert found == pytest.approx(0.5 * 0.5 * (math.sqrt(36.25) - 0.5) + 3.0, abs=1e-3)


def test_a_linear_velocity_lets_the_joint_space_fall_by_its_exponential() -> None:
    """v = r (y - c): the frame shows what lay at c + d at c + e^-r d, so that 1 - e^-r of the space is lost."""
    from Xray2MRILib.baselines.joint_motion import fall_of_gaps
    from Xray2MRILib.baselines.morphing_loss import lent_fall_error

    rate, size = 0.6, 128
    velocity = torch.zeros(1, 2, size, size)
    velocity[:, 1] = rate * (torch.arange(float(size)) - 64.0)[:, None]
    places = flat_surfaces(119.0, 139.0)[None, :, :, 0]  # (129 + 0.5) / 2 - 0.5 is row 64.25 of 128
    lost = 1 - math.exp(-rate)
    fall = fall_of_gaps(velocity, places, 256)
    assert torch.allclose(fall, torch.full((1, 2), 20 * lost), atol=0.1)
    shares = torch.tensor([[lost, lost - 0.3]])
    assert float(lent_fall_error(velocity, places, shares)) == pytest.approx(0.5 * 0.3 * 20 / 2, abs=0.05)
    places[:, 1] = torch.nan  # no outline of the second compartment
    assert float(lent_fall_error(velocity, places, shares)) == pytest.approx(0.0, abs=0.05)


def test_courses_of_the_prior() -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel

    torch.manual_seed(0)
    model = MorphingModel(courses=("medial", "lateral")).eval()
    assert model.course_codes[:, :3].tolist() == [[1.5, -1.5, 0.0], [-1.5, 1.5, 0.0]]
    torch.nn.init.normal_(model.change.appearance.weight, std=1.0)
    radiograph = torch.rand(1, 1, 256, 256) * 2 - 1
    usual, medial, lateral = (model.changes_of(radiograph, course=c)[1] for c in (None, "medial", "lateral"))
    assert torch.equal(usual, medial)
    assert not torch.allclose(medial, lateral, atol=1e-4)
    small = model.small(radiograph)
    mean, _ = model.prior(small)
    expected = model.changes(small, mean + model.course_codes[1])[1]
    assert torch.allclose(lateral, expected, atol=1e-6)
    with pytest.raises(ValueError, match="central"):
        model.changes_of(radiograph, course="central")
    told = MorphingModel(courses=("medial", "lateral"), course_facts=((0.9, 0.1), (0.2, 0.8))).eval()
    told.load_state_dict(model.state_dict())
    of_lateral = told.prior_of(small, torch.tensor([1]))[0]
    assert torch.allclose(of_lateral[0, :2], torch.tensor([-1.2, 1.2]))  # 4 (f - 1/2)
    assert torch.equal(of_lateral[:, 2:], model.prior_of(small, 1)[0][:, 2:])
    assert torch.allclose(told.prior_of(small)[0][0, :2], torch.tensor([1.6, -1.6]))
    former = MorphingModel()  # as of an earlier version
    assert "course_codes" not in former.state_dict()
    assert torch.equal(former.prior_of(small)[0], former.prior(small)[0])


def test_variation_moves_places_with_the_picture() -> None:
    from Xray2MRILib.baselines.morphing_loss import MorphingBatch
    from Xray2MRILib.training.data.morphing_pairs import varied

    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    places = torch.tensor([[110.0, 90.0], [150.0, 170.0]])
    dots = [torch.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 18) * 2 - 1 for r, c in places.tolist()]
    pictures = torch.stack(dots)[:, None]
    batch = MorphingBatch(pictures, pictures, torch.tensor([True, False]), places[:1, None], None, places[1:, None])
    seen = varied(batch, torch.Generator().manual_seed(4))
    for picture, place in zip(seen.healthy[:, 0], (seen.surfaces, seen.joints), strict=True):
        weight = ((picture + 1) / 2) ** 2
        centre = torch.stack([(weight * axis).sum() / weight.sum() for axis in (rows, columns)])
        assert torch.allclose(place[0, 0], centre, atol=0.1)
        assert (centre - places).abs().amax(dim=1).min() > 1  # it has moved
