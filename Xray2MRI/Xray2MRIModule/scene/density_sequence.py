"""The densities of one pseudo-MRI (numbers of slices over the same depth range) as items of one sequence.

The volume node that the user sees is the proxy of the sequence: it keeps its ID when another density is selected, so
that views, selectors and volume rendering stay bound to it. Its attributes are those of the density shown.
"""

from __future__ import annotations

from typing import Any

from slicer.util import NodeModify

from ..translation import tr as _
from .provenance_attributes import NOT_FOR_DIAGNOSIS, PREFIX, RECORD, get_record, mark_synthetic, set_record
from .volume_nodes import CONTENT, remove, slice_count

BROWSER_ROLE = f"{PREFIX}.densities"


def begin(scene: Any, volume: Any) -> Any:
    """Make a finished volume the first item of a sequence; returns the browser node."""
    name = _("{volume} densities").format(volume=volume.GetName())
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", scene.GenerateUniqueName(name))
    sequence.SetIndexName("slices")
    sequence.SetIndexUnit("")
    sequence.SetIndexTypeFromString("numeric")
    sequence.SetDescription(NOT_FOR_DIAGNOSIS)
    _keep(sequence, volume)
    name = _("{volume} density").format(volume=volume.GetName())
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", scene.GenerateUniqueName(name))
    with NodeModify(browser):
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        created = browser.GetProxyNode(sequence)
        browser.AddProxyNode(volume, sequence, False)
        browser.SetSaveChanges(sequence, False)
    if created is not None and created is not volume:
        remove(scene, created)  # by the browser itself
    volume.SetNodeReferenceID(BROWSER_ROLE, browser.GetID())
    return browser


def browser_of(volume: Any) -> Any:
    """The browser node that chooses the density of a volume; None when there is none."""
    return None if volume is None else volume.GetNodeReference(BROWSER_ROLE)


def sequence_of(volume: Any) -> Any:
    """The sequence node with the densities of a volume; None when there is none."""
    browser = browser_of(volume)
    return None if browser is None else browser.GetMasterSequenceNode()


def densities(volume: Any) -> list[int]:
    """The numbers of slices that were made, in rising order."""
    sequence = sequence_of(volume)
    if sequence is None:
        return [slice_count(volume)] if volume is not None and slice_count(volume) else []
    return sorted(int(float(sequence.GetNthIndexValue(n))) for n in range(sequence.GetNumberOfDataNodes()))


def add(volume: Any, other: Any) -> None:
    """Keep the content of the node ``other`` as one more density of a volume."""
    sequence = sequence_of(volume)
    shown = slice_count(volume)
    _keep(sequence, other)
    # items are sorted: the selected one may have moved
    browser_of(volume).SetSelectedItemNumber(_item(sequence, shown))


def select(volume: Any, slices: int, sequences_logic: Any) -> bool:
    """Show another density in the volume node. Returns whether it exists."""
    sequence, browser = sequence_of(volume), browser_of(volume)
    if sequence is None:
        return slice_count(volume) == slices
    item = _item(sequence, slices)
    if item < 0:
        return False
    browser.SetSelectedItemNumber(item)
    sequences_logic.UpdateProxyNodesFromSequences(browser)
    _restore_record(sequence, volume)
    return slice_count(volume) == slices


def _item(sequence: Any, slices: int) -> int:
    for number in range(sequence.GetNumberOfDataNodes()):
        if int(float(sequence.GetNthIndexValue(number))) == slices:
            return number
    return -1


def _keep(sequence: Any, volume: Any) -> None:
    sequence.SetDataNodeAtValue(volume, str(slice_count(volume)))
    # some file formats of a sequence keep only the voxels of its items
    sequence.SetAttribute(f"{RECORD}.{slice_count(volume)}", volume.GetAttribute(RECORD) or "")


def _restore_record(sequence: Any, volume: Any) -> None:
    kept = sequence.GetAttribute(f"{RECORD}.{slice_count(volume)}")
    if kept and volume.GetAttribute(RECORD) != kept:
        volume.SetAttribute(RECORD, kept)
        mark_synthetic(volume, CONTENT)
        set_record(volume, get_record(volume) or {})
