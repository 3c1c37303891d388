"""The sample radiographs of the Sample Data module and of the panel: included files, no network.

They are two of the radiographs in Resources/samples, as PNG because Slicer cannot read WebP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..translation import tr as _

CATEGORY = "Xray2MRI"
CREDIT = (
    'S. Gornale, P. Patravali, "Digital Knee X-ray Images", Mendeley Data V1 (2020), doi:10.17632/t9ndx37v5h.1, '
    "licensed under CC BY 4.0"
)
_RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


@dataclass(frozen=True)
class Sample:
    """One radiograph: ``title`` is its name in the Sample Data module and of the node, ``stem`` that of its files."""

    title: str
    stem: str


SAMPLES = {
    "single": Sample(_("Knee radiograph"), "knee_single"),
    "both": Sample(_("Radiograph of both knees"), "knee_both"),
}


def samplePath(name: str = "single") -> Path:
    """The PNG of a sample, "single" or "both". Raises KeyError for another name."""
    return _RESOURCES / "SampleData" / f"{SAMPLES[name].stem}.png"


def thumbnailPath(name: str = "single") -> Path:
    """The picture on the button of the Sample Data module."""
    return _RESOURCES / "Icons" / f"SampleData_{SAMPLES[name].stem}.png"


def loadSample(name: str = "single"):
    """Load a sample into the scene and return its volume node. Raises RuntimeError when Slicer cannot read it."""
    import slicer

    # without singleFile Slicer would stack pictures of similar names
    options = {"name": SAMPLES[name].title, "singleFile": True, "show": False}
    node = slicer.util.loadVolume(str(samplePath(name)), options)
    node.SetDescription(CREDIT)
    node.SetAttribute("Xray2MRI.credit", CREDIT)
    return node


def registerSampleData() -> None:
    """Register the samples in the Sample Data module; call it after the application has started."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # since Slicer 5.12
        logic.registerCustomSampleDataCategory(category=CATEGORY, title="Xray2MRI")
    for name, sample in SAMPLES.items():
        path = samplePath(name)
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.title,
            thumbnailFileName=str(thumbnailPath(name)),
            # only for the list; the file is local
            uris=path.as_uri(),
            fileNames=path.name,
            nodeNames=sample.title,
            loadFileProperties={"singleFile": True},
            customDownloader=_Loader(name),
        )


class _Loader:
    """What the button calls. Loaders of the same sample have the same text, so that none is registered twice."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, source=None):
        import slicer

        node = loadSample(self._name)
        slicer.util.setSliceViewerLayers(background=node, fit=True)
        return [node]

    def __repr__(self) -> str:
        return f"Xray2MRI sample {self._name}"
