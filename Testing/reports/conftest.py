"""One page of each kind, with names in them that would break a page that does not escape."""

from __future__ import annotations

import numpy as np
import pytest
from comparison_results import COMPARISON
from drawn_pairs import drawn_pair
from volumes import asymmetric_volume

from Xray2MRILib.benchmark.plan import BenchmarkPlan, volume_file
from Xray2MRILib.benchmark.runner import BenchmarkResult
from Xray2MRILib.benchmark.tables import summary
from Xray2MRILib.comparison.evaluation import MEASURES
from Xray2MRILib.reports.benchmark_report import write_benchmark_report
from Xray2MRILib.reports.volume_report import report_html
from Xray2MRILib.simulation.pairs.pair_store import write_pair

HOSTILE = "<script>alert(1)</script>&\"'{{ 7 * 7 }}"


@pytest.fixture(scope="session")
def benchmark_result(tmp_path_factory) -> BenchmarkResult:
    """Two methods on two drawn knees, with figures made by hand; no knee of grade 4."""
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "pairs").mkdir()
    for seed in (0, 2):
        write_pair(folder / "pairs", seed, drawn_pair(seed))
    names = sorted(path.stem for path in (folder / "pairs").glob("*.npz"))
    plan = BenchmarkPlan({"Ours": "a", HOSTILE: "b"}, folder / "pairs", folder / "run", slices=8, steps=1)
    for title in plan.models:
        for name in names:
            file = volume_file(plan, title, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, volume=np.full((8, 256, 256), 90, np.uint8), seconds=1.5)
    columns = ["Ours", HOSTILE, "training mean", "blank"]
    scores = {column: {measure: np.array([1.0 + place, 2.0]) for measure in MEASURES}
              for place, column in enumerate(columns)}  # fmt: skip
    curves = {"Ours": {3: np.array([0.9]), 5: np.array([0.95])}, "reference": {50: np.array([0.97])}}
    cards = {title: {"preset": HOSTILE, "recipe": {"steps": steps}} for title, steps in zip(plan.models, (10, 20),
                                                                                           strict=True)}  # fmt: skip
    return BenchmarkResult(
        plan, names, [0, 2], [1, 0], scores, curves, curves,
        {title: np.array([[1.0, 2.0], [3.0, 2.0]]) for title in plan.models}, cards, dict.fromkeys(plan.models, 1.5),
    )  # fmt: skip


@pytest.fixture(scope="session")
def benchmark_page(benchmark_result, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "benchmark.html"
    return write_benchmark_report(benchmark_result, summary(benchmark_result), path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def comparison_result(tmp_path_factory):
    """A comparison from files: a volume of a model with a hostile name, and a scan of the same knee."""
    import SimpleITK as sitk

    from Xray2MRILib.comparison.compare import compare
    from Xray2MRILib.comparison.controls import shipped_knee
    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

    folder = tmp_path_factory.mktemp("comparison")
    truth = np.ascontiguousarray(shipped_knee()[10:50:4, ::2, ::2])
    noise = np.random.default_rng(0).normal(0, 0.05, truth.shape)
    made = np.clip(truth + noise, 0, 1).astype(np.float32)
    pseudo = PseudoMRI.from_depth_slices(made, False, {"model": {"name": HOSTILE}}, np.abs(noise).astype(np.float32))
    sitk.WriteImage(pseudo.to_sitk(np.rint(truth[::-1] * 900).astype(np.int16)), str(folder / "scan.nii.gz"))
    done = compare(pseudo.save(folder / "pseudo.nrrd").volume, folder / "scan.nii.gz", method="none")
    done.result["warnings"].append(f"The header names {HOSTILE}.")
    return done


@pytest.fixture(scope="session")
def comparison_page(comparison_result) -> str:
    from Xray2MRILib.reports.comparison_report import report_html as comparison_html

    return comparison_html(comparison_result)


@pytest.fixture(scope="session")
def volume_page() -> str:
    comparison = {**COMPARISON, "verdict": HOSTILE, "summary": {HOSTILE: {"pseudo": 1.0, HOSTILE: 2.0}}}
    volume = asymmetric_volume(
        7, deviation=True, model={"name": HOSTILE, "training_data": HOSTILE}, warnings=[f"Patient {HOSTILE}"],
        koa={"values": [0.2] * 5, "source": HOSTILE}, created_utc=HOSTILE,
        reprojection={"applies": True, "reasons": [HOSTILE]},
    )  # fmt: skip
    return report_html(volume, comparison=comparison)


@pytest.fixture(scope="session", params=["volume", "comparison", "benchmark"])
def any_page(request) -> str:
    """Each of the three pages in turn."""
    return request.getfixturevalue(f"{request.param}_page")
