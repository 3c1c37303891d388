"""The results of a benchmark in sentences: order of the methods, significance, best control."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .runner import BenchmarkResult

# the order of the published box plots (paper, Fig. 5), by words in the methods' titles
_PUBLISHED = ("xray2mri", "x-diffusion", "cola", "ldm")


def verdict(result: BenchmarkResult, found: dict[str, Any]) -> list[str]:
    """The sentences, the most important one first."""
    edges = found["measures"]["edge_mm"]
    methods = [name for name in result.plan.models if edges[name]["median"] is not None]
    if not methods:
        return ["No method could be measured."]
    sentences = [
        f"By edge distance at the joint, closest first: {_order(edges, methods, 2, higher=False, unit=' mm')}."
    ]
    first = found["first"]
    compared = [(name, value["first_against_it"]) for name, value in edges.items() if name != first]
    for sign, words in ((-1, "closer than"), (1, "farther than")):
        named = [n for n, test in compared if test["p_holm"] is not None and test["p_holm"] < 0.05
                 and test["difference"] * sign > 0]  # fmt: skip
        if named:
            sentences.append(f"{first} is {words} {', '.join(named)} (Wilcoxon's test, Holm's correction, p < 0.05).")
    undecided = [n for n, test in compared if test["p_holm"] is None or test["p_holm"] >= 0.05]
    if undecided:
        sentences.append(f"Not significant on {found['knees']} knees: {first} against {', '.join(undecided)}.")
    sentences += _controls(edges, methods) + _region(found["measures"]["rssim"], methods)
    return sentences


def _order(values: dict[str, Any], methods: list[str], digits: int, *, higher: bool, unit: str = "") -> str:
    order = sorted(methods, key=lambda name: values[name]["median"], reverse=higher)
    return "; ".join(f"{name} {values[name]['median']:.{digits}f}{unit}" for name in order)


def _controls(edges: dict[str, Any], methods: list[str]) -> list[str]:
    controls = [name for name in edges if name not in methods and edges[name]["median"] is not None]
    if not controls:
        return []
    best = min(controls, key=lambda name: edges[name]["median"])
    beaten = [name for name in methods if edges[name]["median"] >= edges[best]["median"]]
    more = f"; {', '.join(beaten)} {'is' if len(beaten) == 1 else 'are'} no better." if beaten else "."
    return [f"The best control, {best}, reaches {edges[best]['median']:.2f} mm{more}"]


def _region(values: dict[str, Any], methods: list[str]) -> list[str]:
    """The order by the paper's RSSIM, compared with the published order if at least two of its methods are present."""
    known = [name for name in methods if values[name]["median"] is not None]
    if not known:
        return ["RSSIM is undefined for all knees."]
    text = f"By the paper's RSSIM, highest first: {_order(values, known, 3, higher=True)}"
    blank = values.get("blank", {}).get("median")
    if blank is not None:
        more = " more than any method" if blank > max(values[n]["median"] for n in known) else ""
        text += f"; an empty volume reaches {blank:.3f},{more or ' for comparison'}"
    named = [next((name for name in known if _is(name, word)), None) for word in _PUBLISHED]
    published = [name for name in named if name is not None]
    if len(published) < 2:
        return [f"{text}."]
    medians = [values[name]["median"] for name in published]
    same = all(one > other for one, other in pairwise(medians))  # equal medians do not count as ordered
    return [f"{text}. The paper's order, ours above X-Diffusion above CoLa-Diff above LDM, is "
            f"{'reproduced' if same else 'not reproduced'} among {', '.join(published)}."]  # fmt: skip


def _is(title: str, word: str) -> bool:
    """Whether a title names a published method, but not an ablation of it."""
    lower = title.lower()
    return lower.startswith(word) and "without" not in lower and "broadcast" not in lower
