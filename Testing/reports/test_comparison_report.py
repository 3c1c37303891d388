"""The page of a comparison: verdict first, every value next to those of the controls, what is undefined said once."""

from __future__ import annotations

import numpy as np
import pytest
from html_page import HtmlPage

from Xray2MRILib.comparison.controls import MEAN, OTHER, SHUFFLED
from Xray2MRILib.comparison.evaluation import MEASURES, PSEUDO
from Xray2MRILib.reports.comparison_report import comparison_context
from Xray2MRILib.reports.comparison_tables import medians_table, score_table


def test_the_page_opens_with_the_verdict(comparison_page, comparison_result):
    page = HtmlPage(comparison_page)
    assert page.text.index("Verdict") < page.text.index("Comparison with control volumes")
    first = comparison_context(comparison_result)["verdict"][0]
    assert first in page.text
    assert first.endswith(".")
    assert page.count("img") == 4 * 5
    assert "scan" not in page.text
    for words in ("artefact", "not a similarity measure", "Rank correlation over the voxels of the leg"):
        assert words in page.text


def test_the_sentences_of_the_verdict_are_whole(comparison_result):
    sentences = comparison_context(comparison_result)["verdict"]
    assert " ".join(sentences) == comparison_result.result["verdict"]
    assert len(sentences) > 1


def test_the_table_holds_the_medians_of_the_evaluation(comparison_result):
    evaluation = comparison_result.evaluation
    table = score_table(evaluation)
    assert table["names"][:4] == [PSEUDO, OTHER, SHUFFLED, MEAN]
    assert [row["measure"] for row in table["rows"]] == list(MEASURES)
    for row in table["rows"]:
        for name, cell in zip(table["names"], row["cells"], strict=True):
            summary = evaluation.summary[row["measure"]][name]
            assert float(cell["value"]) == pytest.approx(summary.median, abs=0.051)
            low, high = map(float, cell["notes"][0].split("–"))
            assert (low, high) == pytest.approx((summary.lower_quartile, summary.upper_quartile), abs=0.051)


def test_undefined_slices_are_reported_once(comparison_result):
    rows = {row["measure"]: row for row in score_table(comparison_result.evaluation)["rows"]}
    undefined = comparison_result.evaluation.summary["rssim"][PSEUDO].undefined
    assert undefined > 0
    assert rows["rssim"]["notes"][-1] == f"undefined in {undefined} of 10 slices"
    own = rows["rssim"]["cells"][0]
    assert len(own["notes"]) == 1, "the quartiles alone"
    assert not any("undefined" in note for note in rows["psnr_db"]["notes"])


def test_controls_that_do_as_well_are_marked():
    table = medians_table({
        "edge_mm": {"pseudo": 2.0, "blank": 10.0, "other knee": 2.0, "shuffled pairing": 1.0},
        "ssim": {"pseudo": 0.5, "blank": 0.6, "other knee": float("nan"), "shuffled pairing": 0.9},
        "correlation": {"pseudo": 0.8, "reference": 0.9},
    })  # fmt: skip
    kinds = {row["measure"]: dict(zip(table["names"], [cell["kind"] for cell in row["cells"]], strict=True))
             for row in table["rows"]}  # fmt: skip
    assert kinds["edge_mm"] == {"pseudo": "own", "other knee": "beaten", "shuffled pairing": "", "blank": "",
                                "reference": ""}  # fmt: skip
    assert kinds["ssim"]["blank"] == "beaten"
    assert kinds["ssim"]["other knee"] == ""
    assert kinds["correlation"]["reference"] == ""


def test_the_table_of_details_names_the_alignment(comparison_result):
    details = dict(comparison_context(comparison_result)["details"])
    assert details["alignment"].startswith("reference rotated by 0.0 degrees and scaled by 1.000")
    numbers = details["alignment"].split(": ")[1].replace(";", " ").split()
    assert [float(number) for number in numbers] == pytest.approx(np.eye(4).ravel(), abs=1e-3)
