"""The page of a benchmark, for figures made by hand."""

from __future__ import annotations

from html_page import HtmlPage

from Xray2MRILib.benchmark.tables import summary
from Xray2MRILib.reports.benchmark_report import benchmark_context
from Xray2MRILib.reports.benchmark_tables import differences_table, medians_table, specificity_table


def test_the_verdict_comes_first_and_all_sections_are_there(benchmark_page):
    page = HtmlPage(benchmark_page)
    assert page.text.index("By edge distance") < page.text.index("Medians over knees")
    for words in (
        "2 knees that no method was trained on, 8 slices each, 1 denoising step,",
        "1 of 16 slices of the references show no joint line",
        "The model cards do not record every training budget.",
        "KL 0, knee knee-000000",
        "No knee of this grade was measured.",
        "chance 50%",
        "1.5",
    ):
        assert words in page.text
    assert page.count("img") == 2 * 4, "radiograph, reference and two methods for each of two knees"
    assert page.count("svg") == 8 + 2


def test_medians_mark_the_best_method_and_no_control(benchmark_result):
    table = medians_table(summary(benchmark_result), list(benchmark_result.plan.models))
    kinds = {row["name"]: ([cell["kind"] for cell in row["cells"]], row["kind"]) for row in table["rows"]}
    ours, other = list(benchmark_result.plan.models)
    # medians: ours 1.5, the other 2; the first measure is a distance, the second is better high; the last an artefact
    assert kinds[ours] == (["best"] + [""] * 7, "")
    assert kinds[other] == (["", *["best"] * 6, ""], "")
    assert kinds["blank"] == ([""] * 8, "control")
    assert table["rows"][0]["cells"][0]["value"] == "1.50"
    assert table["columns"][-1]["notes"] == ["not a similarity measure"]


def test_differences_are_those_of_the_summary(benchmark_result):
    found = summary(benchmark_result)
    table = differences_table(found)
    assert table["corner"] == "Ours minus"
    names = [row["name"] for row in table["rows"]]
    assert "Ours" not in names
    row = table["rows"][names.index("blank")]
    test = found["measures"]["edge_mm"]["blank"]["first_against_it"]
    assert row["cells"][0]["value"] == f"{test['difference']:+.2f}"
    assert f"closer on {test['closer_share']:.0%}" in row["cells"][0]["notes"]
    alone = {**found, "measures": {m: {"Ours": columns["Ours"]} for m, columns in found["measures"].items()}}
    assert differences_table(alone) is None


def test_what_was_not_measured_is_said(benchmark_result):
    found = {**summary(benchmark_result), "specificity": {}}
    assert specificity_table(found) is None
    assert benchmark_context(benchmark_result, found)["specificity_knees"] == 0


def test_budgets_are_called_equal_only_where_all_are_known_and_the_same(benchmark_result):
    found = summary(benchmark_result)
    ours, other = found["training"].values()
    assert benchmark_context(benchmark_result, found)["equal_budgets"] is None
    for budget in (ours, other):
        budget.update(steps=10, per_step=8, slice_size=256, sampling="as in the paper")
    assert benchmark_context(benchmark_result, found)["equal_budgets"] is True
    other["steps"] = 20
    assert benchmark_context(benchmark_result, found)["equal_budgets"] is False
