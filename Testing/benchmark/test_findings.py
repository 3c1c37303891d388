"""What the benchmark says in words, for figures made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Xray2MRILib.benchmark.findings import verdict
from Xray2MRILib.benchmark.plan import BenchmarkPlan
from Xray2MRILib.benchmark.runner import BenchmarkResult


def _found(edges: dict[str, float], rssim: dict[str, float | None], p: float) -> dict[str, Any]:
    def columns(values: dict[str, Any], first: str) -> dict[str, Any]:
        gap = {n: values[first] - v if v is not None and values[first] is not None else 0 for n, v in values.items()}
        return {
            name: {"median": value,
                   "first_against_it": None if name == first else {"p_holm": p, "difference": gap[name]}}
            for name, value in values.items()
        }  # fmt: skip

    first = next(iter(edges))
    return {"first": first, "knees": 30, "measures": {"edge_mm": columns(edges, first), "rssim": columns(rssim, first)}}


def _result(*titles: str) -> BenchmarkResult:
    return BenchmarkResult(BenchmarkPlan(dict.fromkeys(titles, "m"), Path("p"), Path("o")), ["k"] * 30, [0] * 30)


def test_order_significance_and_controls() -> None:
    edges = {"Xray2MRI": 2.0, "LDM": 4.0, "Xray2MRI with another radiograph": 3.0, "blank": 10.0}
    rssim = {"Xray2MRI": 0.5, "LDM": 0.4, "Xray2MRI with another radiograph": 0.45, "blank": 0.7}
    text = " ".join(verdict(_result("Xray2MRI", "LDM"), _found(edges, rssim, 0.001)))
    assert text.startswith("By edge distance at the joint, closest first: Xray2MRI 2.00 mm; LDM 4.00 mm.")
    assert "Xray2MRI is closer than LDM, Xray2MRI with another radiograph, blank" in text
    assert "The best control, Xray2MRI with another radiograph, reaches 3.00 mm; LDM is no better." in text
    assert "an empty volume reaches 0.700, more than any method" in text
    assert text.endswith("is reproduced among Xray2MRI, LDM.")
    equal = " ".join(verdict(_result("Xray2MRI", "LDM"), _found(edges, rssim | {"LDM": 0.5}, 0.001)))
    assert equal.endswith("is not reproduced among Xray2MRI, LDM.")


def test_what_is_not_settled_and_another_order_than_the_papers() -> None:
    edges = {"Xray2MRI": 3.0, "CoLa-Diff": 2.5, "Xray2MRI without p": 2.9, "blank": 10.0}
    rssim = {"Xray2MRI": 0.4, "CoLa-Diff": 0.5, "Xray2MRI without p": 0.6, "blank": 0.3}
    text = " ".join(verdict(_result("Xray2MRI", "CoLa-Diff", "Xray2MRI without p"), _found(edges, rssim, 0.4)))
    assert "Not significant on 30 knees: Xray2MRI against CoLa-Diff, Xray2MRI without p, blank." in text
    assert text.endswith("is not reproduced among Xray2MRI, CoLa-Diff.")
    undefined = dict.fromkeys(rssim)
    assert verdict(_result("Xray2MRI"), _found({"Xray2MRI": 3.0}, undefined, 1.0))[-1].startswith("RSSIM is undefined")
