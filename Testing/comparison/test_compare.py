"""A whole comparison from files: figures, refusals, warnings, verdict, report."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Xray2MRILib.cli.evaluate import table_lines
from Xray2MRILib.comparison.compare import compare
from Xray2MRILib.comparison.controls import shipped_knee, shipped_mean
from Xray2MRILib.comparison.reference_volume import read_reference
from Xray2MRILib.errors import Cancelled, InputError
from Xray2MRILib.metrics.psnr import psnr_db
from Xray2MRILib.reports.comparison_files import write_comparison
from Xray2MRILib.reports.comparison_record import read_comparison
from Xray2MRILib.volume.pseudo_mri import PseudoMRI


@pytest.fixture
def others(tmp_path) -> Path:
    """A folder with two other knees: the mean of many, and one that is mirrored."""
    folder = tmp_path / "others"
    folder.mkdir()
    for name, slices in (("a", shipped_mean()), ("b", shipped_knee()[:, :, ::-1])):
        image = PseudoMRI.from_depth_slices(slices[::2, ::2, ::2], False, {}).to_sitk()
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    return folder


def test_everything_of_one_comparison(pseudo_file, reference_file, others, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    events = []
    done = compare(pseudo_file, reference_file, method="none", controls=others, output_folder=folder,
                   on_progress=events.append, write=write_comparison)  # fmt: skip
    result = done.result
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["aligned.nrrd", "difference.nrrd", "difference_paper.nrrd", "report.html", "table.csv", "comparison.json"]
    )
    # the verdict: this pseudo-MRI is a smoothed copy of its reference
    assert result["verdict"].startswith("The pseudo-MRI is closer to its reference than another knee's volume")
    assert result["closer_than"]["edge_mm"] == [2, 2]
    assert result["summary"]["edge_mm"]["blank"] == 10.0
    assert result["summary"]["edge_mm"]["pseudo"] < 1.5
    assert set(result["summary"]["ssim"]) == {
        "pseudo", "blank", "constant 10 %", "training mean", "other knee", "shuffled pairing"
    }  # fmt: skip
    # undefined is null and counted, never a number
    rows = result["per_slice"]
    assert [row["index"] for row in rows] == list(range(20))
    missing = [row["index"] for row in rows if row["rssim"] is None]
    assert len(missing) == result["undefined"]["rssim"]["pseudo"]
    assert rows[-1]["correlation"] is None
    # files carry the volume's own geometry, and the table and the record the same figures
    for name in ("aligned", "difference", "difference_paper"):
        image = sitk.ReadImage(result[name])
        assert image.GetSpacing() == pytest.approx(done.volume.spacing)
        assert "not for diagnosis" in image.GetMetaData("NRRD_content")
    difference = sitk.GetArrayFromImage(sitk.ReadImage(result["difference"]))
    assert difference == pytest.approx(done.evaluation.matched_difference)
    assert "both smoothed to 2 mm" in sitk.ReadImage(result["difference"]).GetMetaData("NRRD_content")
    # the paper's form stays that of the volumes as they are
    paper = sitk.GetArrayFromImage(sitk.ReadImage(result["difference_paper"]))
    assert paper == pytest.approx(np.maximum(done.evaluation.difference, 0))
    assert paper.max() > 0.05
    assert result["difference_noise"] == pytest.approx(done.evaluation.difference_noise, abs=1e-5)
    assert difference.min() < -0.02 < 0.02 < difference.max()
    lines = Path(result["table"]).read_text(encoding="utf-8").splitlines()
    assert float(list(csv.DictReader(lines[1:]))[3]["PSNR (dB)"]) == rows[3]["psnr_db"]
    assert read_comparison(result["record"])["summary"] == result["summary"]
    assert str(tmp_path) not in Path(result["record"]).read_text(encoding="ascii")
    fractions = [event["fraction"] for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_figures_are_those_of_the_metrics(pseudo_file, reference_file, pseudo):
    done = compare(pseudo_file, reference_file, method="none")
    reference = done.evaluation.target.volume
    stored = PseudoMRI.load(pseudo_file).array
    expected = psnr_db(reference, stored)
    assert [row["psnr_db"] for row in done.result["per_slice"]] == pytest.approx(expected, abs=1e-4)
    # the calibration belongs to the deviation, which was made from the error itself
    assert done.result["calibration"]["spearman"] > 0.5
    assert any("times the deviation over seeds" in line for line in table_lines(done.result))


def test_the_report_stands_alone_and_opens_with_the_verdict(pseudo_file, reference_file, tmp_path):
    target = tmp_path / "report.html"
    done = compare(pseudo_file, reference_file, method="none", report=target, write=write_comparison)
    page = target.read_text(encoding="utf-8")
    assert page.index("Verdict") < page.index("<table")
    assert done.result["verdict"].split(".")[0].replace("'", "&#39;") in page
    assert "not for diagnosis" in page
    assert "artefact" in page
    assert 'src="http' not in page
    assert "href" not in page
    assert page.count("data:image/png;base64,") == 4 * 5
    assert str(tmp_path) not in page
    assert "scan" not in page


def test_an_empty_volume_is_called_what_it_is(reference_file, truth, tmp_path):
    empty = PseudoMRI.from_depth_slices(np.zeros_like(truth), False, {}).save(tmp_path / "empty.nrrd").volume
    done = compare(empty, reference_file, method="none")
    assert done.result["verdict"].startswith("The pseudo-MRI is farther")
    assert done.result["summary"]["edge_mm"]["pseudo"] == 10.0
    assert done.result["summary"]["f1"]["pseudo"] == 0.0


def test_another_contrast_is_named(pseudo_file, truth, pseudo, tmp_path):
    inverted = np.where(truth[::-1] > 0.06, 1.1 - truth[::-1], 0.0)
    path = tmp_path / "t2.mha"
    sitk.WriteImage(pseudo.to_sitk(inverted.astype(np.float32)), str(path))
    assert any(
        "contrast of the reference" in text for text in compare(pseudo_file, path, method="none").result["warnings"]
    )


def test_what_the_reference_does_not_cover_counts_nowhere(pseudo_file, reference_file, tmp_path):
    whole = sitk.ReadImage(str(reference_file))
    part = tmp_path / "part.nrrd"
    sitk.WriteImage(whole[:, :, 8:], str(part))
    done = compare(pseudo_file, part, method="none")
    rows = done.result["per_slice"]
    assert all(rows[index]["psnr_db"] is None and rows[index]["edge_mm"] is None for index in range(7))
    assert all(rows[index]["psnr_db"] is not None for index in range(9, 20))
    assert any("covers" in text for text in done.result["warnings"])


def test_refusals(pseudo_file, reference_file, pseudo, tmp_path):
    def refused(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            compare(pseudo_file, path, report=tmp_path / "report.html", write=write_comparison)
        assert not (tmp_path / "report.html").exists()
        return caught.value.message

    assert "no reference" in refused(tmp_path / "missing.nrrd")
    (tmp_path / "text.nrrd").write_text("nothing", encoding="utf-8")
    assert "not an image" in refused(tmp_path / "text.nrrd")
    assert "synthetic" in refused(pseudo_file)
    stem = tmp_path / "renamed.nrrd"
    shutil.copy(pseudo_file, stem)
    assert "synthetic" in refused(stem), "the header tells without its side-car"
    flat = tmp_path / "flat.nrrd"
    sitk.WriteImage(sitk.Image(64, 64, 20, sitk.sitkInt16), str(flat))
    assert "constant" in refused(flat)
    slice_only = tmp_path / "slice.nrrd"
    sitk.WriteImage(sitk.ReadImage(str(reference_file))[:, :, :2], str(slice_only))
    assert "at least 3 slices" in refused(slice_only)
    empty = tmp_path / "nothing"
    empty.mkdir()
    assert "no DICOM series" in refused(empty)
    with pytest.raises(InputError, match="contains no volume"):
        compare(pseudo_file, reference_file, method="none", controls=empty)
    with pytest.raises(InputError, match="must end in"):
        compare(pseudo_file, reference_file, report=tmp_path / "report.pdf", write=write_comparison)


def test_undefined_measures_beat_nobody(pseudo, truth):
    """Without a joint line RSSIM is undefined, and no rank by it is told; a constant deviation is not called honest."""
    from Xray2MRILib.comparison.controls import OTHER, Control
    from Xray2MRILib.comparison.evaluation import evaluate
    from Xray2MRILib.reports.comparison_charts import calibration
    from Xray2MRILib.reports.comparison_tables import remarks

    rows = np.linspace(0, 1, truth.shape[1], dtype=np.float32)[None, :, None] * np.ones_like(truth)
    others = [Control(f"{OTHER} {k}", "a knee", truth[::-1], True) for k in (1, 2)]
    found = evaluate(rows, pseudo.array, others, deviation=np.full_like(truth, 0.1), pixel_mm=1.25)
    assert not found.target.region.valid.any()
    assert "rssim" not in found.closer_than
    assert found.closer_than["ssim"][1] == 2
    assert calibration(found) == {"chart": ""}, "the page says that this cannot be determined"
    (rank,) = (text for text in remarks(found) if "other knees" in text)
    assert "of 2 other knees" in rank
    assert "RSSIM" not in rank


def test_the_report_says_when_samples_were_drawn_otherwise_than_the_volume(pseudo, truth):
    from Xray2MRILib.comparison.evaluation import evaluate
    from Xray2MRILib.reports.comparison_charts import calibration

    deviation = np.random.default_rng(0).uniform(0.01, 0.1, truth.shape)
    found = evaluate(truth, pseudo.array, [], deviation=deviation, pixel_mm=1.25)
    assert calibration(found)["other_sampling"] is False
    assert calibration(found, other_sampling=True)["other_sampling"] is True


def test_it_can_be_cancelled(pseudo_file, reference_file, tmp_path):
    with pytest.raises(Cancelled):
        compare(pseudo_file, reference_file, report=tmp_path / "r.html", write=write_comparison,
                should_cancel=lambda: True)  # fmt: skip
    assert not (tmp_path / "r.html").exists()


def test_a_dicom_series_is_read_from_its_folder_or_one_of_its_files(truth, pseudo, tmp_path):
    from pydicom.uid import generate_uid

    folder = tmp_path / "series"
    folder.mkdir()
    image = pseudo.to_sitk(np.rint(truth[::-1] * 900).astype(np.int16))
    series, study = generate_uid(), generate_uid()
    for k in range(image.GetSize()[2]):
        picture = image[:, :, k]
        tags = {
            "0008|0060": "MR", "0020|000e": series, "0020|000d": study, "0020|0013": str(k),
            "0020|0032": "\\".join(f"{v:.6f}" for v in image.TransformIndexToPhysicalPoint((0, 0, k))),
            "0020|0037": "1\\0\\0\\0\\0\\-1",
        }  # fmt: skip
        for tag, value in tags.items():
            picture.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(picture)
    by_folder, by_file = read_reference(folder).image, read_reference(folder / "004.dcm").image
    assert by_folder.GetSize() == by_file.GetSize() == image.GetSize()
    assert sitk.GetArrayFromImage(by_folder).max() == pytest.approx(sitk.GetArrayFromImage(image).max())


def test_two_results_of_one_comparison_are_the_same(pseudo_file, reference_file):
    first, second = (compare(pseudo_file, reference_file, method="rigid").result for _ in range(2))
    for result in (first, second):
        result.pop("created_utc")
    assert json.dumps(first) == json.dumps(second)


def test_what_is_no_pseudo_mri_is_refused_in_one_sentence(pseudo_file, reference_file, tmp_path):
    radiograph = tmp_path / "film.png"
    radiograph.write_bytes(b"")
    scan = tmp_path / "scan.nrrd"
    sitk.WriteImage(sitk.ReadImage(str(reference_file)), str(scan))
    for first, second, words in (
        (radiograph, reference_file, "film.png is not a volume"),
        (scan, pseudo_file, "scan.nrrd, is not a pseudo-MRI, but the second one is"),
        (scan, reference_file, "no side-car"),
        (tmp_path / "nothing.nrrd", reference_file, "no volume nothing.nrrd"),
    ):
        with pytest.raises(InputError, match=words):
            compare(first, second)


def test_noise_free_voxels_are_measured_and_their_absence_is_said(pseudo, reference_file, tmp_path):
    from dataclasses import replace

    rng = np.random.default_rng(2)
    seen = np.clip(np.abs(pseudo.array + rng.normal(0, 0.05, pseudo.array.shape)), 0, 1).astype(np.float32)
    record = {**pseudo.provenance, "acquisition": {"scanner_noise": 1.0}}
    noisy = replace(pseudo, acquired=seen, provenance=record).save(tmp_path / "noisy.nrrd")
    plain = compare(pseudo.save(tmp_path / "plain.nrrd").volume, reference_file, method="none").result
    both = compare(noisy.volume, reference_file, method="none").result
    assert both["per_slice"] == plain["per_slice"]
    assert both["voxels_sha256"] != plain["voxels_sha256"]  # of what viewers see
    noisy.noise_free.unlink()
    alone = compare(noisy.volume, reference_file, method="none").result
    assert alone["summary"]["ssim"]["pseudo"] < plain["summary"]["ssim"]["pseudo"]
    assert [w for w in alone["warnings"] if "scanner noise" in w]
    assert not [w for w in both["warnings"] if "scanner noise" in w]


def test_controls_are_measured_without_their_noise(pseudo, tmp_path):
    from dataclasses import replace

    from Xray2MRILib.comparison.controls import control_files, measured_file

    folder = tmp_path / "others"
    folder.mkdir()
    pseudo.save(folder / "a.nrrd")
    noisy = replace(pseudo, acquired=np.clip(pseudo.array + 0.01, 0, 1)).save(folder / "b.nrrd")
    assert [path.name for path in control_files(folder)] == ["a.nrrd", "b.nrrd"]
    assert [measured_file(path).name for path in control_files(folder)] == ["a.nrrd", noisy.noise_free.name]
