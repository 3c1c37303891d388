"""`generate` writes the agreement with the radiograph where the rest of the provenance is."""

from __future__ import annotations

import json

import pytest

from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.generation.volume_from_radiograph import generate


@pytest.fixture(scope="module")
def former_model(tmp_path_factory):
    """An untrained model in the frame that models had before the crop spanned 91 mm."""
    import torch

    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "former"
    frame = {"span_mm": 82.0, "centre_row": 151.0}
    Xray2MRIPipeline(**build_components("tiny", radiograph_encoder=frame)).save_pretrained(folder, card={})
    return folder


def test_the_record_is_in_the_result_the_side_car_and_the_header(knee_radiograph, tiny_model, tmp_path):
    import SimpleITK as sitk

    settings = GenerationSettings(slices=9, steps=1, model=str(tiny_model))
    made = generate(knee_radiograph, tmp_path / "knee.nrrd", settings)
    record = made.result["reprojection"]
    assert record["applies"] is True
    assert record["found"]["joint_line_on_film"] > 0.7
    assert record["other_films"]["count"] == 20
    side_car = json.loads((tmp_path / "knee.json").read_text(encoding="utf-8"))
    assert side_car["reprojection"] == record
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(tmp_path / "knee.nrrd"))
    reader.ReadImageInformation()
    assert reader.GetMetaData("Xray2MRI.reprojection.applies") == "true"
    assert "does not prove" in reader.GetMetaData("Xray2MRI.reprojection.summary")


def test_another_frame_is_said_to_be_not_applicable(knee_radiograph, former_model, tmp_path):
    settings = GenerationSettings(slices=9, steps=1, model=str(former_model))
    record = generate(knee_radiograph, tmp_path / "knee.nrrd", settings).result["reprojection"]
    assert record["applies"] is False
    assert "another frame" in record["reason"]
