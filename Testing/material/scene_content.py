"""What a MRML scene holds, to compare before and after."""

from __future__ import annotations

from typing import Any


def nodes_and_items(scene: Any) -> set[str]:
    """IDs of all nodes, numbers of all items of the subject hierarchy."""
    import vtk

    hierarchy, items = scene.GetSubjectHierarchyNode(), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    numbers = {f"item {items.GetId(n)}" for n in range(items.GetNumberOfIds())}
    return numbers | {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
