"""Small parts of the panel that need no scene: grade sliders, file names, words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("faultless", "slicer_modules")

shares = st.floats(0, 1)


@given(st.lists(shares, min_size=5, max_size=5), st.integers(0, 4), shares)
def test_grades_always_add_to_one(weights: list[float], grade: int, share: float) -> None:
    from Xray2MRIModule.panel.grade_panel import withShare

    total = sum(weights)
    grades = [weight / total for weight in weights] if total > 1e-6 else [0.2] * 5
    changed = withShare(grades, grade, share)
    assert changed[grade] == share
    assert sum(changed) == pytest.approx(1.0, abs=1e-9)
    assert min(changed) >= 0.0


def test_other_grades_keep_their_ratio() -> None:
    from Xray2MRIModule.panel.grade_panel import withShare

    assert withShare([0.1, 0.2, 0.3, 0.4, 0.0], 4, 0.5) == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.5])
    # a certain grade gives way to all others alike
    assert withShare([0.0, 0.0, 1.0, 0.0, 0.0], 2, 0.6) == pytest.approx([0.1, 0.1, 0.6, 0.1, 0.1])


def test_histogram_bars_have_the_heights_of_the_counts() -> None:
    from Xray2MRIModule.panel.grade_panel import histogramPicture

    counts = [0.0] * 64
    counts[10], counts[20] = 8.0, 4.0
    image = histogramPicture(counts)._qt.toImage()
    assert (image.width(), image.height()) == (256, 48)

    def bar(index: int) -> int:
        x = 4 * index + 2
        return sum(image.pixelColor(x, y).lightness() < 180 for y in range(48))

    assert bar(0) == 0
    assert bar(10) == pytest.approx(46, abs=1)
    assert bar(20) == pytest.approx(23, abs=1)


def test_files_that_exist_are_never_chosen(tmp_path: Path) -> None:
    from Xray2MRIModule.panel.export_panel import freePath

    first = freePath(tmp_path, "knee-synthetic", ".nii.gz")
    first.touch()
    assert first.name == "knee-synthetic.nii.gz"
    assert freePath(tmp_path, "knee-synthetic", ".nii.gz").name == "knee-synthetic-2.nii.gz"


def test_a_volume_never_takes_the_record_of_another_one(tmp_path: Path) -> None:
    from Xray2MRIModule.panel.export_panel import freePath

    for name in ("knee.nrrd", "knee.json"):
        (tmp_path / name).touch()
    assert freePath(tmp_path, "knee", ".nii.gz").name == "knee-2.nii.gz"
    assert freePath(tmp_path, "knee", ".csv").name == "knee.csv"
    (tmp_path / "knee-2_deviation.nrrd").touch()
    assert freePath(tmp_path, "knee", ".nrrd").name == "knee-3.nrrd"


def test_headline_of_a_verdict_is_one_sentence_without_figures() -> None:
    from Xray2MRIModule.panel.compare_panel import headline

    verdict = (
        "The pseudo-MRI is closer to its reference than another knee's volume by every measure (edge distance 0.0 "
        "against 2.6 mm; SSIM 0.36 against 0.18). It is also closer than the mean of training knees."
    )
    assert headline(verdict) == (
        "The pseudo-MRI is closer to its reference than another knee's volume by every measure."
    )
    assert headline("") == ""
    assert headline("One sentence.") == "One sentence."


def test_durations_in_words() -> None:
    from Xray2MRIModule.panel.progress_text import durationText

    assert [durationText(seconds) for seconds in (0.2, 14.4, 89, 200)] == ["1 s", "14 s", "89 s", "3 min"]


@pytest.mark.parametrize("immediately", [True, False])
def test_a_job_is_kept_until_it_is_over_even_if_it_ends_before_it_is_returned(immediately: bool) -> None:
    from Xray2MRIModule.panel.section import Section

    section = Section(SimpleNamespace(ui=None, logic=None, refresh=lambda: None))
    job, outcomes, callbacks = SimpleNamespace(isOver=False), [], {}

    def end() -> None:
        job.isOver = True
        callbacks["onError"]("refused")

    def start(given: dict) -> SimpleNamespace:
        callbacks.update(given)
        if immediately:
            end()
        return job

    section.watch(start, outcomes.append, lambda failure: outcomes.append((failure, section.job)))
    if not immediately:
        assert section.job is job
        end()
    assert section.job is None
    assert outcomes == [("refused", None)]
