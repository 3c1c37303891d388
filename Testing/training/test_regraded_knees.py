"""Knees at two grades: the radiograph of one, the volume of the other, and p as a reader of the volume gives it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee
from Xray2MRILib.simulation.pairs.population import GRADES, OTHER_GRADE, REGRADED_OFFSET, drawn_knee
from Xray2MRILib.simulation.pairs.template_library import TemplateLibrary
from Xray2MRILib.training.data.pair_data import KneeLatents, partner_rows, reader_grades
from Xray2MRILib.training.slice_batch import SliceBatch, draw_batch


def knees_at(grades: list[int], partners: list[int] | None) -> KneeLatents:
    """Knees whose mean, crops and histograms hold the number of their row."""
    count = len(grades)
    row = torch.arange(count, dtype=torch.float32)
    return KneeLatents(
        mean=row.view(-1, 1, 1, 1, 1).expand(count, 50, 4, 2, 2).half(),
        deviation=torch.zeros(count, 50, 4).half(),
        crops=row.view(-1, 1, 1, 1).expand(count, 2, 256, 256).to(torch.uint8),
        radiograph_latents=row.view(-1, 1, 1, 1, 1).expand(count, 2, 4, 2, 2).half(),
        histograms=row.view(-1, 1, 1).expand(count, 2, 64),
        grades=torch.tensor(grades),
        partners=None if partners is None else torch.tensor(partners),
    )


def drawn(knees: KneeLatents, share: float, seed: int = 0, **more: int) -> SliceBatch:
    generator = torch.Generator().manual_seed(seed)
    return draw_batch(
        knees, knees_per_batch=64, depths_per_knee=2, noise_emphasis=2.0, timesteps=1000, generator=generator,
        regraded_share=share, **more,
    )  # fmt: skip


def rows_of(batch: SliceBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """The row of each knee's volume and of its radiograph."""
    volume = batch.clean[::2].mean(dim=(1, 2, 3)).round().long()
    shown = ((batch.crops.mean(dim=(1, 2, 3)) + 1) * 127.5).round().long()
    assert torch.equal(shown, batch.radiograph_latents.mean(dim=(1, 2, 3)).round().long())
    assert torch.equal(shown, batch.conditions["i"][::2].mean(dim=1).round().long())
    return volume, shown


def test_all_with_a_partner_are_shown_at_its_grade_and_keep_their_own_p() -> None:
    knees = knees_at([0, 4, 2], [1, 0, -1])
    batch = drawn(knees, 1.0)
    volume, shown = rows_of(batch)
    assert torch.equal(shown, torch.tensor([1, 0, 2])[volume])
    told = batch.conditions["p"][::2]
    partnered = volume < 2
    assert torch.equal(told.argmax(dim=1)[partnered], knees.grades[volume][partnered])
    assert told.max(dim=1).values[partnered].min() >= 0.9
    assert batch.dropout is not None
    assert batch.dropout.view(-1, 2)[partnered].min() == 1.0  # nothing is dropped
    assert batch.dropout.view(-1, 2)[~partnered].min() < 1.0


def test_about_the_share_is_regraded() -> None:
    volume, shown = rows_of(drawn(knees_at([0, 4], [1, 0]), 0.25))
    assert 0.1 < (volume != shown).float().mean() < 0.4


def test_without_share_or_partners_the_draws_are_those_of_before() -> None:
    with_partners, without = knees_at([0, 4, 2], [1, 0, -1]), knees_at([0, 4, 2], None)
    for one, other in ((drawn(with_partners, 0.0), drawn(without, 0.0)), (drawn(without, 1.0), drawn(without, 0.0))):
        for field in dataclasses.fields(SliceBatch):
            first, second = getattr(one, field.name), getattr(other, field.name)
            if isinstance(first, torch.Tensor):
                assert torch.equal(first, second), field.name


def test_the_control_with_another_radiograph_regrades_nothing() -> None:
    knees = knees_at([0, 4, 2], [1, 0, -1])
    volume, shown = rows_of(drawn(knees, 1.0, radiograph_shift=1))
    assert torch.equal(shown, (volume + 1) % 3)


def test_partners_are_the_same_knee_at_the_farthest_grade() -> None:
    assert partner_rows([7, 8, 7, 7, 9], [1, 0, 4, 2, 3]) == [2, -1, 0, 2, -1]
    assert partner_rows([7, 7], [2, 2]) == [-1, -1]
    assert partner_rows([7, 7], [-1, 2]) == [-1, -1]


def test_joined_sets_keep_their_partners() -> None:
    joined = KneeLatents.concatenate([knees_at([0, 1], None), knees_at([0, 4], [1, 0]), knees_at([3, 0], [1, -1])])
    assert joined.partners is not None
    assert joined.partners.tolist() == [-1, -1, 3, 2, 5, -1]
    assert KneeLatents.concatenate([knees_at([0], None)] * 2).partners is None


@pytest.mark.parametrize("grade", range(5))
def test_a_reader_s_grade_is_that_of_the_pipeline(grade: int) -> None:
    found = reader_grades(torch.full((200,), grade), torch.Generator().manual_seed(1))
    for row in found:
        expected = KoaProbabilities.reader(grade, smear=float(1 - row[grade]))
        assert torch.allclose(row, torch.tensor(expected.values), atol=1e-6)
    assert 0.9 <= found[:, grade].min() < 0.91
    assert found[:, grade].max() > 0.99
    assert torch.allclose(reader_grades(torch.tensor([-1]), None), torch.full((1, 5), 0.2))


def test_the_second_knee_differs_in_its_grade_alone() -> None:
    template = TemplateLibrary().prepared(TemplateLibrary().draw(3)).template
    for index in range(5):
        seed, grade = drawn_knee(REGRADED_OFFSET + index)
        assert (seed, grade) == (index, OTHER_GRADE[index])
        assert grade != index % GRADES == drawn_knee(index)[1]
        one, other = (draw_image_knee(seed, g, template) for g in (index % GRADES, grade))
        same = ("seed", "crop_mm", "crop_offset_mm", "size", "mean_crop_mm")
        for name in same:
            if hasattr(one.parameters, name):
                assert getattr(one.parameters, name) == getattr(other.parameters, name), name
        assert one.person == other.person
        assert one.shape_scores == other.shape_scores
