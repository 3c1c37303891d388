"""The sample radiographs for Slicer: the shipped radiographs unchanged, and their entries in the Sample Data module."""

from __future__ import annotations

import sys
import types
from typing import ClassVar

import numpy as np
import pytest
from cmake_file_lists import ROOT
from PIL import Image
from Xray2MRIModule.scene import sample_data


@pytest.mark.parametrize("name", sample_data.SAMPLES)
def test_the_png_has_the_pixels_of_the_radiograph(name):
    sample = Image.open(sample_data.samplePath(name))
    assert sample.mode == "L"  # a scalar volume in Slicer, without a question about colours
    radiograph = Image.open(ROOT / "Resources" / "samples" / f"{sample_data.SAMPLES[name].stem}.webp")
    colours = np.asarray(radiograph.convert("RGB"))
    np.testing.assert_array_equal(colours[..., 0], colours[..., 1])
    np.testing.assert_array_equal(np.asarray(sample), colours[..., 0])


@pytest.mark.parametrize("name", sample_data.SAMPLES)
def test_the_thumbnail_shows_something(name):
    thumbnail = Image.open(sample_data.thumbnailPath(name))
    assert thumbnail.size == (300, 200)
    assert np.asarray(thumbnail).std() > 20


def test_the_credit_is_that_of_the_collection():
    about = (ROOT / "Resources" / "samples" / "README.md").read_text(encoding="utf-8")
    assert "10.17632/t9ndx37v5h.1" in sample_data.CREDIT
    assert "10.17632/t9ndx37v5h.1" in about
    assert "CC BY 4.0" in sample_data.CREDIT


class SampleDataLogic:
    """The part of Slicer's class that modules call, which accepts no other parameters."""

    sources: ClassVar[list[dict]] = []
    categories: ClassVar[dict[str, str]] = {}

    @classmethod
    def registerCustomSampleDataCategory(cls, category, title):
        cls.categories[category] = title

    @classmethod
    def registerCustomSampleDataSource(cls, category="Custom", sampleName=None, uris=None, fileNames=None,
                                       nodeNames=None, customDownloader=None, thumbnailFileName=None,
                                       loadFileTypes=None, loadFiles=None, loadFileProperties=None, checksums=None,
                                       loadFileType=None):  # fmt: skip
        source = {"category": category, "name": sampleName, "uri": uris, "loader": customDownloader,
                  "text": f"{sampleName} {thumbnailFileName} {customDownloader}"}  # fmt: skip
        # Slicer compares the printed forms
        if source["text"] not in [known["text"] for known in cls.sources]:
            cls.sources.append(source)


@pytest.fixture
def slicer(monkeypatch):
    """Stand-ins for the calls into Slicer; volumes are dictionaries."""
    shown = []

    class Node(dict):
        def SetDescription(self, text):
            self["description"] = text

        def SetAttribute(self, name, value):
            self[name] = value

    module = types.ModuleType("slicer")
    module.util = types.SimpleNamespace(
        loadVolume=lambda path, options: Node(path=path, **options),
        setSliceViewerLayers=lambda background, fit: shown.append(background),
    )
    monkeypatch.setitem(sys.modules, "slicer", module)
    samples = types.ModuleType("SampleData")
    samples.SampleDataLogic = SampleDataLogic
    monkeypatch.setitem(sys.modules, "SampleData", samples)
    SampleDataLogic.sources, SampleDataLogic.categories = [], {}
    return shown


def test_both_radiographs_are_entered_once(slicer):
    sample_data.registerSampleData()
    sample_data.registerSampleData()
    assert [source["name"] for source in SampleDataLogic.sources] == ["Knee radiograph", "Radiograph of both knees"]
    assert {source["category"] for source in SampleDataLogic.sources} == {"Xray2MRI"}
    assert SampleDataLogic.categories == {"Xray2MRI": "Xray2MRI"}
    for source in SampleDataLogic.sources:
        assert source["uri"].startswith("file:///")


def test_the_button_loads_one_radiograph_as_one_picture(slicer):
    sample_data.registerSampleData()
    [node] = SampleDataLogic.sources[1]["loader"](None)
    assert node["path"].endswith("knee_both.png")
    assert node["singleFile"] is True
    assert node["description"] == sample_data.CREDIT
    assert slicer == [node]
