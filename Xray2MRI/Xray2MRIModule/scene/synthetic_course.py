"""A synthetic course: radiographs of rising severity and, if wanted, their pseudo-MRIs as one sequence.

The nodes that the user sees are proxies of two sequences that one browser keeps together: they keep their IDs when
another frame is selected, so that views stay bound to them, and Slicer's own Sequences module can play the course.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from slicer.util import NodeModify

from ..translation import tr as _
from .provenance_attributes import COURSE_CONTENT, PREFIX, RECORD, get_record, mark_synthetic, set_record
from .radiograph_part import put_over_radiograph
from .subject_folder import remove_node
from .volume_nodes import load_volume, reading_window, remove, show_grey

COURSE = f"{PREFIX}.course"  # attribute of the browser: the frames in words
RADIOGRAPH_ROLE, FILM_ROLE, VOLUME_ROLE = f"{PREFIX}.radiograph", f"{PREFIX}.courseFilm", f"{PREFIX}.courseVolume"


class CourseDraft:
    """The nodes of a course that is being read, frame by frame; ``discard`` removes them all."""

    def __init__(self, scene: Any, radiograph: Any, result: dict[str, Any], films: np.ndarray) -> None:
        """``result`` is that of the worker's request ``progress``, ``films`` its radiographs, uint8 [N, H, W]."""
        if films.dtype != np.uint8 or films.ndim != 3 or len(films) != len(result["frames"]):
            raise ValueError(f"the radiographs of {len(result['frames'])} frames are {films.dtype} {films.shape}")
        self._scene, self._radiograph, self._result, self._films = scene, radiograph, result, films
        self._sequences: list[Any] = []
        self.film, self.volume, self.browser = None, None, None

    @property
    def sequences(self) -> list[Any]:
        """The sequence of the radiographs and, with volumes, that of the pseudo-MRIs."""
        return self._sequences

    def add(self, index: int, folder: Any) -> None:
        """Keep a frame as an item of the sequences. Raises OSError for a volume that cannot be read."""
        frame = self._result["frames"][index]
        if self.film is None:
            name = self._scene.GenerateUniqueName(_("Synthetic course, radiograph"))
            self.film = self._scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            mark_synthetic(self.film, COURSE_CONTENT)
            show_grey(self.film, 0.0, 255.0)
            self._sequences.append(self._sequence(self.film))
        put_over_radiograph(self.film, self._films[index], self._radiograph, self._result["rectangle"])
        self._keep(0, self.film, frame, self._film_record(frame))
        if frame.get("volume"):
            self._add_volume(folder / frame["volume"], frame)

    def finish(self) -> Any:
        """Tie the sequences together and show the first frame; returns the browser."""
        scene, result = self._scene, self._result
        name = scene.GenerateUniqueName(_("Synthetic course"))
        browser = self.browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", name)
        with NodeModify(browser):
            for sequence, node, role in zip(
                self._sequences, (self.film, self.volume), (FILM_ROLE, VOLUME_ROLE), strict=False
            ):
                _add_sequence(scene, browser, sequence, node)
                browser.SetNodeReferenceID(role, node.GetID())
            browser.SetNodeReferenceID(RADIOGRAPH_ROLE, self._radiograph.GetID())
            about = {name: result.get(name) for name in ("to_grade", "side", "expected_grade", "notice", "warnings")}
            about["severities"] = [frame["severity"] for frame in result["frames"]]
            browser.SetAttribute(COURSE, json.dumps(about, ensure_ascii=True))
            browser.SetDescription(result["notice"])
        return browser

    def discard(self) -> None:
        """Remove everything from the scene."""
        remove_node(self._scene, self.browser)
        for sequence in self._sequences:
            remove_node(self._scene, sequence)
        for node in (self.film, self.volume):
            remove(self._scene, node)

    def _add_volume(self, path: Any, frame: dict[str, Any]) -> None:
        node = load_volume(self._scene, path, _("Synthetic course, pseudo-MRI"))
        try:
            mark_synthetic(node, COURSE_CONTENT)
            record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if self.volume is None:
                show_grey(node, *reading_window(node))
                self.volume = node
                self._sequences.append(self._sequence(node))
            self._keep(1, node, frame, record)
        finally:
            if node is not self.volume:
                remove(self._scene, node)

    def _sequence(self, node: Any) -> Any:
        name = self._scene.GenerateUniqueName(_("{volume}, frames").format(volume=node.GetName()))
        sequence = self._scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
        sequence.SetIndexName("severity")
        sequence.SetIndexUnit("")
        sequence.SetIndexTypeFromString("numeric")
        sequence.SetDescription(self._result["notice"])
        return sequence

    def _keep(self, place: int, node: Any, frame: dict[str, Any], record: dict[str, Any]) -> None:
        set_record(node, record)
        value = f"{frame['severity']:.4f}"
        self._sequences[place].SetDataNodeAtValue(node, value)
        # some file formats of a sequence keep only the voxels of its items
        self._sequences[place].SetAttribute(f"{RECORD}.{value}", node.GetAttribute(RECORD))

    def _film_record(self, frame: dict[str, Any]) -> dict[str, Any]:
        named = ("to_grade", "side", "morphing_weights_sha256", "notice")
        return {**{name: self._result.get(name) for name in named},
                "severity": frame["severity"], "kl_probabilities": frame["kl_probabilities"]}  # fmt: skip


def courses(scene: Any, radiograph: Any = None) -> list[Any]:
    """The browsers of all courses of the scene, or of those of one radiograph, oldest first."""
    kind = "vtkMRMLSequenceBrowserNode"
    browsers = [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
    found = [browser for browser in browsers if browser.GetAttribute(COURSE) and film_of(browser) is not None]
    return [item for item in found if radiograph is None or item.GetNodeReference(RADIOGRAPH_ROLE) is radiograph]


def about_course(browser: Any) -> dict[str, Any]:
    """to_grade, side, expected_grade (of each frame, by the classifier), severities, notice, warnings."""
    try:
        found = json.loads(browser.GetAttribute(COURSE) or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def film_of(browser: Any) -> Any:
    """The node that shows the radiograph of the frame selected."""
    return browser.GetNodeReference(FILM_ROLE)


def volume_of(browser: Any) -> Any:
    """The node that shows the pseudo-MRI of the frame selected; None without volumes."""
    return browser.GetNodeReference(VOLUME_ROLE)


def frame_count(browser: Any) -> int:
    """Number of frames."""
    sequence = browser.GetMasterSequenceNode()
    return 0 if sequence is None else sequence.GetNumberOfDataNodes()


def frame_index(browser: Any) -> int:
    """The frame selected, from 0."""
    return max(browser.GetSelectedItemNumber(), 0)


def select_frame(browser: Any, index: int, sequences_logic: Any) -> None:
    """Show a frame in the nodes of the course."""
    browser.SetSelectedItemNumber(min(max(index, 0), frame_count(browser) - 1))
    sequences_logic.UpdateProxyNodesFromSequences(browser)
    restore_records(browser)


def restore_records(browser: Any) -> None:
    """Give the shown nodes the record of their frame, where the file of a saved sequence has lost it."""
    for node in (film_of(browser), volume_of(browser)):
        sequence = None if node is None else browser.GetSequenceNode(node)
        if sequence is None:
            continue
        kept = sequence.GetAttribute(f"{RECORD}.{sequence.GetNthIndexValue(frame_index(browser))}")
        if kept and node.GetAttribute(RECORD) != kept:
            node.SetAttribute(RECORD, kept)
            mark_synthetic(node, COURSE_CONTENT)
            set_record(node, get_record(node) or {})


def _add_sequence(scene: Any, browser: Any, sequence: Any, node: Any) -> None:
    """Let a browser show a sequence in a node of ours, not in one that it creates."""
    if browser.GetMasterSequenceNode() is None:
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    else:
        browser.AddSynchronizedSequenceNode(sequence)
    created = browser.GetProxyNode(sequence)
    browser.AddProxyNode(node, sequence, False)
    browser.SetSaveChanges(sequence, False)
    if created is not None and created is not node:
        remove(scene, created)
