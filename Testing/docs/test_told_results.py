"""The figures of docs/told-conditions.md are those of the two benchmarks."""

from __future__ import annotations

import json
import re
from typing import Any

from documentation import ROOT

PAGE = (ROOT / "docs/told-conditions.md").read_text(encoding="utf-8")


def result(name: str) -> dict[str, Any]:
    """The figures that a benchmark wrote."""
    return json.loads((ROOT / f"docs/results/{name}.json").read_text(encoding="utf-8"))["figures"]


def row(first: str) -> list[str]:
    """The cells of the table row that begins with these words."""
    found = re.search(rf"^\| {re.escape(first)} \|(.*)\|$", PAGE, re.MULTILINE)
    assert found, first
    return [cell.strip() for cell in found[1].split("|")]


def test_what_a_radiograph_leaves_to_be_told():
    figures = result("left_to_tell")
    for words, name, digits in (("thickness of fat, mm", "fat_mm", 1), ("size of the bones", "size", 3),
                                ("area of the leg, square centimetres", "area_cm2", 1)):  # fmt: skip
        about = figures[name]
        values = [*about["man"], *about["obese"]]
        explained = [about["explained"][by] for by in ("person", "radiograph", "both")]
        assert row(words) == [*(f"{value:+.{digits}f}" for value in values), *(f"{share:.2f}" for share in explained)]


def test_how_far_volumes_move():
    figures = result("told_person")
    for words, network, moved in (
        ("told alone, no radiograph", "no radiograph", "told"),
        ("told alone", "radiograph", "told"),
        ("the radiograph alone", "radiograph", "radiograph"),
        ("both", "radiograph", "both"),
    ):
        of = figures[network]
        slopes = [f"{of[name]['slope'][moved]:.2f}" for name in ("sex", "bmi")]
        assert row(words) == [str(of["steps"]), *slopes], words
    percent = [f"{round(100 * figures['groups'][name])} %" for name in ("sex", "bmi")]
    assert f"{percent[0]} of the square of the difference is chance for sex, {percent[1]} for BMI" in " ".join(
        PAGE.split()
    )
