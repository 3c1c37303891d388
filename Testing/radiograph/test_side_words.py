"""Which words of a description or a file name are a side, and which only look like one."""

from __future__ import annotations

import pytest
from radiograph_files import sample_pixels, write_dicom

from Xray2MRILib.radiograph.laterality import side_from_words
from Xray2MRILib.radiograph.reading import read_radiograph


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("KNEE R/O FRACTURE", None),
        ("r/o effusion, knee", None),
        ("KNEE R / O FX", None),
        ("R\\O FX", None),
        ("R.O. FX", None),
        ("R&D KNEE", None),
        ("L-SPINE", None),
        ("L SPINE AP", None),
        ("L/S SPINE", None),
        ("T/L SPINE", None),
        ("T-L JUNCTION", None),
        ("KNEE X-R", None),
        ("KNEE I/R", None),
        ("R/T PAIN", None),
        ("KNEE LT R/O FX", "left"),
        ("RIGHT KNEE R/O FX", "right"),
        ("KNEE AP/L", "left"),
        ("KNEE AP-R", "right"),
        ("L-KNEE", "left"),
        ("R/KNEE PA", "right"),
        ("knee-r", "right"),
        ("R. KNEE", "right"),
        ("RIGHT-SIDED", "right"),
        ("R/L", None),
        ("KNEES R+L", None),
        ("BOTH KNEES L&R", None),
        ("KNEE L/R", None),
        ("9003175L", "left"),
        ("film_L.nii", "left"),
        ("kneeR", "right"),
        ("L5 S1", None),
        ("ROLLER", None),
    ],
)
def test_sides(text, side):
    assert side_from_words(text) == side


@pytest.mark.parametrize("field", ["StudyDescription", "SeriesDescription", "ProtocolName"])
def test_a_request_is_no_side(tmp_path, field):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(), **{field: "KNEE R/O FRACTURE"})
    radiograph = read_radiograph(path)
    assert (radiograph.side, radiograph.side_source) == (None, "none")
