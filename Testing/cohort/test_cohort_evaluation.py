"""Comparison of a cohort's volumes with real MRIs: the same figures as ``evaluate``, once for each MRI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_poisoned_radiograph import ScriptedExecutor

from Xray2MRILib.cohort import CohortPlan
from Xray2MRILib.cohort.cohort_record import write_record
from Xray2MRILib.cohort.keyed_rows import KeyedRow
from Xray2MRILib.cohort.lease import Leases
from Xray2MRILib.cohort.manifest import EVALUATION
from Xray2MRILib.cohort.radiograph_rows import RadiographRow, Refusal
from Xray2MRILib.cohort.result_table import result_rows, table_text
from Xray2MRILib.cohort.run import CohortSetup
from Xray2MRILib.cohort.task import Task, volume_path
from Xray2MRILib.cohort.volume_maker import VolumeMaker
from Xray2MRILib.cohort.work_run import WorkRun


@pytest.mark.slow
def test_the_figures_are_those_of_evaluate(tmp_path):
    import SimpleITK as sitk
    from scipy.ndimage import gaussian_filter

    from Xray2MRILib import __version__
    from Xray2MRILib.cohort.content_key import model_digest
    from Xray2MRILib.comparison.compare import compare
    from Xray2MRILib.comparison.controls import shipped_knee
    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

    truth = np.ascontiguousarray(shipped_knee()[10:50:2].reshape(20, 128, 2, 128, 2).mean(axis=(2, 4)))
    pseudo = PseudoMRI.from_depth_slices(gaussian_filter(truth, (0, 0.8, 0.8)), False, {"model": {"name": "test"}})
    path = tmp_path / volume_path("ab" * 8)
    path.parent.mkdir(parents=True)
    pseudo.save(path)
    scan = tmp_path / "scan.nii.gz"
    sitk.WriteImage(pseudo.to_sitk(np.rint(truth[::-1] * 900 + 40).astype(np.int16)), str(scan))
    task = Task("ab" * 8, EVALUATION, str(tmp_path), "", {"model": "compact"}, model_digest("compact"), __version__,
                reference=str(scan), signature="s1")  # fmt: skip
    found = VolumeMaker().carry_out(task)
    expected = compare(path, scan).result["summary"]
    assert found["mri"] == "s1"
    for measure in ("edge_mm", "f1", "ssim", "psnr_db"):
        assert found["measures"][f"mri_{measure}"] == pytest.approx(expected[measure]["pseudo"], abs=1e-4)
        assert found["measures"][f"mri_{measure}_other_knee"] == pytest.approx(
            expected[measure]["other knee"], abs=1e-4
        )


def setup_with_mri(tmp_path: Path, signature: str = "s1") -> CohortSetup:
    (tmp_path / "films").mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        (tmp_path / "films" / name).write_bytes(name.encode())
    setup = CohortSetup(CohortPlan(tmp_path / "films", tmp_path / "out"), lambda event: None)
    write_record(setup.folder, setup.message, setup.model_sha256)
    first = RadiographRow(1, tmp_path / "films" / "a.png", reference=tmp_path / "m.nii")
    second = RadiographRow(2, tmp_path / "films" / "b.png", reference=tmp_path / "none.nii")
    setup.rows = [
        KeyedRow(first, "a", {"model": "compact"}, signature=signature),
        KeyedRow(second, "b", {"model": "compact"}, reference_refusal=Refusal("missing-file", "It is missing.")),
    ]
    setup.files.are_intact = lambda line: True
    setup.write_results = lambda rows: (None, None)
    return setup


def kinds(setup: CohortSetup) -> list[tuple[str, str]]:
    executor = ScriptedExecutor({})
    WorkRun(setup, Leases(setup.folder), lambda event: None, lambda: False, executor).work_off()
    return [(task.key, task.kind) for task in executor.seen]


def test_a_volume_is_compared_once_and_again_with_another_mri(tmp_path):
    setup = setup_with_mri(tmp_path)
    assert kinds(setup) == [("a", "volume"), ("b", "volume"), ("a", "evaluation")]
    assert kinds(setup_with_mri(tmp_path)) == []
    assert kinds(setup_with_mri(tmp_path, "s2")) == [("a", "evaluation")]
    rows = rows_of(setup_with_mri(tmp_path, "s2"))
    assert [(row["mri_state"], row.get("mri_code")) for row in rows] == [("done", ""), ("refused", "missing-file")]
    assert table_text(rows).splitlines()[1].endswith("mri_psnr_db,mri_psnr_db_other_knee")
    assert rows_of(setup_with_mri(tmp_path, "s3"))[0]["mri_state"] == "waiting"


def rows_of(setup: CohortSetup) -> list[dict]:
    return result_rows(setup.rows, setup.manifest, is_intact=lambda line: True)
