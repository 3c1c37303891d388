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


def test_how_far_widths_move():
    figures = result("told_person")
    for words, width in (("fat", "fat_mm"), ("between the fat", "lean_mm"), ("joint", "joint_mm")):
        for moved, name in (("BMI 22 to 34", "bmi"), ("woman to man", "sex")):
            seen, blind = (figures[network][name]["widths"][width] for network in ("radiograph", "no radiograph"))
            values = [seen["true"], seen["told"], seen["radiograph"], blind["told"]]
            assert row(f"{words} | {moved}") == [f"{value:+.1f}" for value in values]
    text = " ".join(PAGE.split())
    fat = figures["radiograph"]["bmi"]["widths"]["fat_mm"]
    assert f"in {fat['as_true']} of {fat['of']} comparisons, by {100 * fat['told'] / fat['true']:.0f} % of" in text
    sex = figures["radiograph"]["sex"]["widths"]
    counts = [sex[width]["as_true"] for width in ("lean_mm", "joint_mm", "fat_mm")]
    assert (
        f"muscle in {counts[0]} of 20 and the joint in {counts[1]} of 20**; the fat thins too little ({counts[2]} of"
        in text
    )
    errors = figures["radiograph"]["area_error_cm2"]
    told, nothing, otherwise = (errors[name] for name in ("told", "nothing told", "told otherwise"))
    assert f"{told:.1f} square centimetres off, told nothing {nothing:.1f}, told otherwise {otherwise:.1f}" in text


def test_what_fewer_knees_teach():
    few, text = result("told_person")["radiograph, fewer knees"], " ".join(PAGE.split())
    assert (few["knees"], few["steps"]) == (64, 1500)
    widths = few["bmi"]["widths"]
    fat, lean = (widths[name]["told"] for name in ("fat_mm", "lean_mm"))
    assert f"{fat:.1f} mm of fat, but takes {-lean:.1f} mm from what lies between it" in text
    assert f"told sex has a slope of {few['sex']['slope']['told']:.2f}" in text
    errors = few["area_error_cm2"]
    assert f"{errors['told']:.1f} square centimetres off instead of {errors['nothing told']:.1f}" in text


def test_how_far_volumes_move_for_sex():
    figures = result("told_person")
    for words, network, moved in (
        ("told alone, no radiograph", "no radiograph", "told"),
        ("told alone", "radiograph", "told"),
        ("the radiograph alone", "radiograph", "radiograph"),
        ("both", "radiograph", "both"),
    ):
        of = figures[network]
        assert row(words) == [str(of["steps"]), f"{of['sex']['slope'][moved]:.2f}"], words
    percent = [f"{round(100 * figures['groups'][name])} %" for name in ("sex", "bmi")]
    text = " ".join(PAGE.split())
    assert f"{percent[0]} of the square of the difference is chance for sex, {percent[1]} for BMI" in text
    for network, knees in (("radiograph", "354 pairs, 1,500 steps"), ("no radiograph", "64 pairs, 900 steps")):
        assert knees == f"{figures[network]['knees']} pairs, {figures[network]['steps']:,} steps"
        assert knees in text
