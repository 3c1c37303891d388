"""A template that went through the cache's arrays is the same, value by value, with all that is worked out from it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Testing.material.block_knee import block_template  # noqa: E402
from Testing.material.template_comparison import check_same  # noqa: E402
from Xray2MRILib.simulation.anatomy import assembled_template  # noqa: E402
from Xray2MRILib.simulation.anatomy.assembled_template import code_digest, from_arrays, to_arrays  # noqa: E402


@pytest.mark.parametrize("changed", ["", "tissue", "bone_depth_mm"])
def test_a_template_is_the_same_afterwards(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """Also where the geometry is not what the codes say."""
    template = block_template()
    # blocks are no bones that a shape model could be laid over
    template.anatomy.__dict__["_modes_mm"] = np.random.default_rng(0).random((2, 3, 4), np.float32)
    if changed:
        getattr(template.anatomy, changed)[0, 0, 0] = 7
    check_same(from_arrays(to_arrays(template)), template)


def test_the_digest_follows_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    before = code_digest()
    assert before == code_digest()
    (tmp_path / "one.py").write_text("a = 1\n", encoding="utf-8")
    monkeypatch.setattr(assembled_template, "__file__", str(tmp_path / "one.py"))
    other = code_digest()
    (tmp_path / "one.py").write_text("a = 2\n", encoding="utf-8")
    assert len({before, other, code_digest()}) == 3
