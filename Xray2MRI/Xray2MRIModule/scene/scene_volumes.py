"""Which pseudo-MRI volumes and comparisons the scene holds, and with how many slices."""

from __future__ import annotations

from typing import Any

from ..application import Application
from . import density_sequence
from .comparison_nodes import Comparison
from .provenance_attributes import PREFIX, get_record, is_activation_map, is_course, is_enhanced, is_synthetic
from .volume_nodes import DEVIATION_CONTENT, slice_count


class SceneVolumes:
    """Finds the module's nodes, also those from a saved scene."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def isSynthetic(self, node: Any) -> bool:
        """Whether a node is a volume that this program made, or a map computed from one."""
        return is_synthetic(node)

    def isComplete(self, node: Any) -> bool:
        """Whether a pseudo-MRI has all its slices and its record."""
        return is_synthetic(node) and get_record(node) is not None

    def synthetic(self) -> list[Any]:
        """All complete pseudo-MRI volumes; maps, enhanced volumes and those of a course are not among them."""
        others = (is_enhanced, is_course, is_activation_map)
        return [node for node in self._nodes("vtkMRMLScalarVolumeNode") if is_synthetic(node) and get_record(node)
                and not any(other(node) for other in others)
                and node.GetAttribute(f"{PREFIX}.content") != DEVIATION_CONTENT]  # fmt: skip

    def comparisons(self, volumeNode: Any = None) -> list[Comparison]:
        """All comparisons of the scene, or those of one volume."""
        tables = self._nodes("vtkMRMLTableNode")
        found = [comparison for table in tables if (comparison := Comparison.ofTable(table)) is not None]
        return [item for item in found if volumeNode is None or item.volumeNode is volumeNode]

    def densities(self, volumeNode: Any) -> list[int]:
        """The numbers of slices in which a volume exists, in rising order."""
        return density_sequence.densities(volumeNode)

    def density(self, volumeNode: Any) -> int:
        """The number of slices that a volume shows now."""
        return slice_count(volumeNode)

    def selectDensity(self, volumeNode: Any, slices: int) -> bool:
        """Show another density that was made before. Returns whether it exists."""
        if slices == slice_count(volumeNode):
            return True
        return density_sequence.select(volumeNode, slices, self._application.moduleLogic("Sequences"))

    def _nodes(self, node_class: str) -> list[Any]:
        scene = self._application.scene
        return [
            scene.GetNthNodeByClass(index, node_class) for index in range(scene.GetNumberOfNodesByClass(node_class))
        ]
