"""The requests early-oa and progress of the background worker, with small networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from worker_process import WorkerProcess

from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.radiograph_check import check_radiograph
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.radiograph.reading import read_radiograph

torch = pytest.importorskip("torch")
SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "samples" / "kl3_left.webp"


def test_the_rectangle_is_what_the_crop_shows_also_where_no_knee_was_found(tmp_path: Path) -> None:
    """Of a high radiograph without a knee the middle square is taken, as wide as the radiograph."""
    from Xray2MRILib.baselines.siamese_gap import SiameseGap
    from Xray2MRILib.generation.early_osteoarthritis import explain_early_osteoarthritis

    SiameseGap(channels=(4, 4, 4, 4)).save_pretrained(tmp_path / "average")
    ramp = np.tile(np.linspace(0, 255, 200)[:, None], (1, 120)).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    result = explain_early_osteoarthritis(tmp_path / "ramp.png", tmp_path / "map.npy", network=tmp_path / "average")
    assert result["rectangle"] == [0, 40, 120, 120]


def test_the_map_of_a_left_knee_has_the_orientation_of_the_radiograph(tmp_path: Path) -> None:
    from Xray2MRILib.baselines.class_activation import evidence_of
    from Xray2MRILib.baselines.siamese_gap import SiameseGap
    from Xray2MRILib.errors import Cancelled, InputError
    from Xray2MRILib.generation.early_osteoarthritis import explain_early_osteoarthritis

    torch.manual_seed(0)
    SiameseGap(channels=(4, 4, 4, 4)).save_pretrained(tmp_path / "average")
    network = tmp_path / "average"
    result = explain_early_osteoarthritis(SAMPLE, tmp_path / "map.npy", network=network)
    knee = prepare_knee(read_radiograph(SAMPLE), GenerationSettings())
    expected = evidence_of(knee.prepared.image, network)
    assert knee.prepared.mirrored
    values = np.load(result["map"], allow_pickle=False)
    assert np.allclose(values, expected.combined[:, ::-1], atol=1e-5)
    assert result["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert result["side"] == "left"
    assert result["rectangle"] == pytest.approx([knee.box.x, knee.box.y, knee.box.width, knee.box.height])
    assert result["film"] == check_radiograph(SAMPLE)["film"]
    with pytest.raises(InputError, match="is not a"):
        explain_early_osteoarthritis(SAMPLE, tmp_path / "map.png", network=network)
    with pytest.raises(Cancelled):
        explain_early_osteoarthritis(SAMPLE, tmp_path / "no.npy", network=network, should_cancel=lambda: True)
    assert not (tmp_path / "no.npy").exists()


@pytest.mark.slow
def test_the_worker_makes_a_series_and_a_map_and_refuses_in_sentences(tmp_path: Path) -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel
    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    torch.manual_seed(0)
    model = MorphingModel()
    torch.nn.init.normal_(model.change.appearance.weight, std=1.0)
    model.save_pretrained(tmp_path / "model")
    SiameseGap(channels=(4, 4, 4, 4)).save_pretrained(tmp_path / "average")
    asked = {"radiograph": str(SAMPLE), "morphing_model": str(tmp_path / "model")}
    worker = WorkerProcess()
    try:
        worker.send("progress", job="1", output_folder=str(tmp_path / "series"), frames=3, to_grade=2, **asked)
        result = worker.wait_for("result", "error")["result"]
        films = np.load(tmp_path / "series" / "films.npy", allow_pickle=False)
        assert films.shape == (3, 256, 256)
        assert films.dtype == np.uint8
        assert [frame["severity"] for frame in result["frames"]] == [0, 0.25, 0.5]
        assert len(result["rectangle"]) == 4
        assert "not a forecast" in result["notice"]
        assert result["film"]["turned_upright"] == []
        worker.send("progress", job="2", output_folder=str(tmp_path / "other"), frames=1, **asked)
        error = worker.wait_for("result", "error")
        assert (error["type"], error["field"]) == ("error", "frames")
        worker.send("progress", job="2b", output_folder=str(tmp_path / "other"), course="lateral", **asked)
        error = worker.wait_for("result", "error")
        assert (error["type"], error["field"]) == ("error", "course")
        worker.send("early-oa", job="3", radiograph=str(tmp_path / "none.png"), output=str(tmp_path / "map.npy"))
        assert "none.png" in worker.wait_for("result", "error")["message"]
        map_asked = {"output": str(tmp_path / "map.npy"), "network": str(tmp_path / "average")}
        worker.send("early-oa", job="4", radiograph=str(SAMPLE), **map_asked)
        result = worker.wait_for("result", "error")["result"]
        assert 0 < result["probability"] < 1
        assert np.load(tmp_path / "map.npy", allow_pickle=False).shape == (256, 256)
        assert not (tmp_path / "other").exists()
    finally:
        worker.end()


@pytest.mark.slow
def test_a_series_of_volumes_tells_how_far_it_is_and_stops_within_a_volume(tmp_path: Path, tiny_model: Path) -> None:
    from Xray2MRILib.baselines.morphing import MorphingModel

    MorphingModel().save_pretrained(tmp_path / "model")
    worker = WorkerProcess()
    try:
        worker.send("progress", job="1", radiograph=str(SAMPLE), morphing_model=str(tmp_path / "model"), frames=2,
                    output_folder=str(tmp_path / "series"), volumes=True, slices=3, steps=2,
                    model=str(tiny_model), device="cpu")  # fmt: skip
        result = worker.wait_for("result", "error")["result"]
        assert [frame["volume"] for frame in result["frames"]] == ["volume-00.nrrd", "volume-01.nrrd"]
        shares = [report["fraction"] for report in worker.reports if report["type"] == "progress"]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert [share for share in shares if 0 < share < 0.5]
        # one volume of so many steps would take minutes
        worker.send("progress", job="2", radiograph=str(SAMPLE), morphing_model=str(tmp_path / "model"), frames=2,
                    output_folder=str(tmp_path / "other"), volumes=True, slices=400, steps=1000,
                    model=str(tiny_model), device="cpu")  # fmt: skip
        worker.wait_for("progress", job="2", stage="volume")
        worker.send("cancel", job="2")
        assert worker.wait_for("result", "error", patience_s=60)["code"] == "cancelled"
        assert not (tmp_path / "other").exists()
    finally:
        worker.end()
