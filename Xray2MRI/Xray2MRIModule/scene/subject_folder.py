"""One folder per generation in the subject hierarchy, next to its radiograph."""

from __future__ import annotations

from typing import Any

import vtk

from .provenance_attributes import PREFIX

_RUN = f"{PREFIX}.run"


def create_group_folder(scene: Any, name: str) -> int:
    """A new folder for the folders of several generations; returns the item's number."""
    hierarchy = scene.GetSubjectHierarchyNode()
    return hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), hierarchy.GenerateUniqueItemName(name))


def remove_empty_group(scene: Any, folder: int) -> None:
    """Remove a folder that nothing came into; no effect on another one."""
    hierarchy = scene.GetSubjectHierarchyNode()
    if hierarchy is not None and hierarchy.GetItemLevel(folder) and not hierarchy.GetNumberOfItemChildren(folder):
        hierarchy.RemoveItem(folder, True, True)


def create_run_folder(scene: Any, name: str, sibling: Any = None, group: int | None = None) -> int:
    """A new folder in the folder ``group``, or else next to the node ``sibling``; returns the item's number."""
    hierarchy = scene.GetSubjectHierarchyNode()
    parent = hierarchy.GetSceneItemID()
    if group is not None and hierarchy.GetItemLevel(group):
        parent = group
    elif sibling is not None and sibling.GetScene() is scene:
        item = hierarchy.GetItemByDataNode(sibling)
        if item != hierarchy.GetInvalidItemID():
            parent = hierarchy.GetItemParent(item)
    folder = hierarchy.CreateFolderItem(parent, hierarchy.GenerateUniqueItemName(name))
    hierarchy.SetItemAttribute(folder, _RUN, "true")
    return folder


def put(scene: Any, folder: int | None, *nodes: Any) -> None:
    """Put nodes into a folder; None and a deleted folder are no error."""
    hierarchy = scene.GetSubjectHierarchyNode()
    if folder is None or hierarchy is None or not hierarchy.GetItemLevel(folder):
        return
    for node in nodes:
        if node is None:
            continue
        item = hierarchy.GetItemByDataNode(node)
        if item == hierarchy.GetInvalidItemID():
            hierarchy.CreateItem(folder, node)
        else:
            hierarchy.SetItemParent(item, folder)


def put_beside(scene: Any, sibling: Any, node: Any) -> None:
    """Put a node into the folder that holds another one; no effect where that one is in no folder."""
    hierarchy = scene.GetSubjectHierarchyNode()
    item = None if hierarchy is None else hierarchy.GetItemByDataNode(sibling)
    if item is not None and item != hierarchy.GetInvalidItemID():
        put(scene, hierarchy.GetItemParent(item), node)


def run_folder(scene: Any, node: Any) -> int | None:
    """The generation's folder that holds a node; None if it is elsewhere."""
    hierarchy = scene.GetSubjectHierarchyNode()
    if hierarchy is None or node is None:
        return None
    invalid = hierarchy.GetInvalidItemID()
    item = hierarchy.GetItemByDataNode(node)
    while item not in (invalid, hierarchy.GetSceneItemID()):
        item = hierarchy.GetItemParent(item)
        if item != invalid and hierarchy.GetItemAttribute(item, _RUN) == "true":
            return item
    return None


def remove_run_folder(scene: Any, folder: int | None) -> None:
    """Remove a generation's folder with all its data; no effect when it is gone."""
    hierarchy = scene.GetSubjectHierarchyNode()
    if folder is not None and hierarchy is not None and hierarchy.GetItemAttribute(folder, _RUN) == "true":
        inside = vtk.vtkIdList()
        hierarchy.GetItemChildren(folder, inside, True)
        # an item whose node was deleted would move out of the folder instead of going with it
        for number in range(inside.GetNumberOfIds()):
            hierarchy.RemoveItem(inside.GetId(number), True, False)
        hierarchy.RemoveItem(folder, True, True)


def remove_node(scene: Any, node: Any) -> None:
    """Remove a node from the scene and the hierarchy; no effect when it is gone."""
    if node is None or node.GetScene() is not scene:
        return
    hierarchy = scene.GetSubjectHierarchyNode()
    if hierarchy is not None:
        item = hierarchy.GetItemByDataNode(node)
        if item != hierarchy.GetInvalidItemID():
            hierarchy.RemoveItem(item, False, False)
    if node.GetScene() is scene:
        scene.RemoveNode(node)
