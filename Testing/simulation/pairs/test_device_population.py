"""A process with a device makes the pairs that the others do not, the same ones, and its failure harms nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Testing.material.block_knee import block_template  # noqa: E402
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate  # noqa: E402
from Xray2MRILib.simulation.anatomy.shape_variation import MODES  # noqa: E402
from Xray2MRILib.simulation.anatomy.template_regions import lattice_points  # noqa: E402
from Xray2MRILib.simulation.mr.image_signal import prepared  # noqa: E402
from Xray2MRILib.simulation.pairs.device_population import simulate_on_device  # noqa: E402
from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, simulate_image_pair  # noqa: E402
from Xray2MRILib.simulation.pairs.pair_store import pair_path, read_pair, read_record, write_pair  # noqa: E402
from Xray2MRILib.simulation.pairs.template_library import TemplateChoice  # noqa: E402

CHOICE = TemplateChoice("blocks", "blocks")


class OneTemplate:
    """A library of blocks, which need no minutes; at the first question another process puts them together."""

    def __init__(self, template: ImageTemplate) -> None:
        self._template, self.asked = template, 0

    def draw(self, seed: int) -> TemplateChoice:
        return CHOICE

    def template_unless_awaited(self, choice: TemplateChoice) -> ImageTemplate | None:
        self.asked += 1
        return None if self.asked == 1 else self._template

    def template(self, choice: TemplateChoice) -> ImageTemplate:
        return self._template


@pytest.fixture(scope="module")
def template() -> ImageTemplate:
    made = block_template()
    # blocks are no bones that a shape model could be laid over
    made.anatomy.__dict__["_modes_mm"] = np.zeros((MODES, 3, *lattice_points().shape[:3]), np.float32)
    return made


@pytest.mark.slow
def test_missing_pairs_are_made_from_the_last_one_on(template: ImageTemplate, tmp_path: Path) -> None:
    source = prepared(template)
    knees = [draw_image_knee(20 + k, k % 5, template) for k in range(3)]
    expected = simulate_image_pair(source, knees[1])
    write_pair(tmp_path, 0, expected)  # as another process did
    before = pair_path(tmp_path, 0).read_bytes()
    assert simulate_on_device(tmp_path, 3, "cpu", seed=20, library=OneTemplate(template)) == 2
    assert pair_path(tmp_path, 0).read_bytes() == before
    found = read_pair(pair_path(tmp_path, 1))
    write_pair(tmp_path, 9, expected)
    assert np.array_equal(found.volume, read_pair(pair_path(tmp_path, 9)).volume)
    assert found.parameters == knees[1].parameters
    record = read_record(pair_path(tmp_path, 2))
    assert record["person"] == knees[2].person.to_dict()
    assert record["template"] == {"outline": "blocks", "soft_tissue": "blocks"}
    assert not list(tmp_path.glob("*.tmp.npz"))


def test_what_the_device_raises_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from Xray2MRILib.training import whole_model

    whole_model.report_on_device(tmp_path, 1, 0, "no-such-device")
    assert capsys.readouterr().out.startswith("No pairs are simulated on no-such-device: This machine has no device")
    assert not list(tmp_path.iterdir())
