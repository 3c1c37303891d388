"""Tables of what a grade changes and of narrow joints, for fill_result_tables.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SIDES = ("medial", "lateral")
NARROW = {
    "narrow": "simulated, KL 4 or a space below 2.5 mm, beside the true volume",
    "KL 0 and 1": "simulated, KL 0 and 1, beside the true volume",
    "radiographs_cc_by_kl": "real, KL 4, Gornale and Patravali, beside the radiograph",
    "radiographs_oai_kl": "real, KL 4, OAI, beside the radiograph",
}


def what_if_rows(found: Mapping[str, Any]) -> Iterable[list[str]]:
    """Heading and rows: how far the joint band narrows from the lower to the higher grade."""
    yield ["compartment", "generated narrower by, mm", "true narrower by, mm", "share of it", "knees that narrow"]
    for side in SIDES:
        row = found[side]
        numbers = [f"{row[f'{whose} narrower by, mm']:.1f}" for whose in ("generated", "true")]
        yield [side, *numbers, f"{row['share of the true change']:.2f}", f"{100 * row['narrower in']:.0f} %"]


def narrow_joint_rows(found: Mapping[str, Any]) -> Iterable[list[str]]:
    """Heading and rows: edges, joint line and spaces of narrow joints."""
    spaces = [f"{side} space" for side in SIDES]
    yield ["knees", "number", "edge distance, mm", *(f"{name}: r (bias, mm)" for name in ("joint line", *spaces))]
    for name, title in NARROW.items():
        row = found[name]
        edge = f"{row['edge_mm']:.1f}" if "edge_mm" in row else ""
        yield [title, str(row["knees"]), edge, *(_agreement(row[part]) for part in ("joint line", *spaces))]


def _agreement(found: Mapping[str, Any]) -> str:
    if found["r"] is None:
        return f"too few ({found['knees']})"
    return f"{found['r']:.2f} ({found['bias']:+.1f})"
