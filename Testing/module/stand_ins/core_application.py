"""The application around real MRML without Qt: scene, module logics, slice and 3-D views that draw offscreen.

The order of the steps is that of the application's own start; some of the logics log errors in any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy
from Xray2MRIModule.application import Application

# of a slice view: before the window has been shared out, and afterwards
_NEW_SIZE, _SIZE = (360, 180), (360, 360)
_MODULES = ("Volumes", "VolumeRendering", "Sequences", "Cameras", "SubjectHierarchy", "Markups", "Plots")


class CoreApplication(Application):
    """One scene with everything that the module needs of Slicer."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.mkdtemp())
        self._scene = slicer.vtkMRMLScene()
        slicer.mrmlScene = self._scene
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(self._scene)
        colours = self._logic.GetColorLogic()
        colours.SetMRMLScene(self._scene)
        colours.AddDefaultColorNodes()
        self._logic.SetSliceLogics(vtk.vtkCollection())
        self._logic.SetViewLogics(vtk.vtkCollection())
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self._scene, True)
        self._logic.SetModuleLogic("Colors", colours)
        # bundles inside a scene file are unpacked in the cache
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / ".slicer-cache").touch()
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.SetMRMLScene(self._scene)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(str(self._folder))
        self._remote.AddDataIOToScene()
        self._modules: dict[str, Any] = {}
        for name in _MODULES:
            names = (f"vtkSlicer{name}Logic", f"vtkSlicer{name.rstrip('s')}Logic", f"vtkSlicer{name}ModuleLogic")
            found = [getattr(slicer, full, None) for full in names]
            logic_class = next((item for item in found if isinstance(item, type)), None)
            if logic_class is None:
                continue
            logic = logic_class()
            if hasattr(logic, "SetModuleShareDirectory"):
                logic.SetModuleShareDirectory(str(self._folder))
            if hasattr(logic, "SetMRMLApplicationLogic"):
                logic.SetMRMLApplicationLogic(self._logic)
            logic.SetMRMLScene(self._scene)
            self._logic.SetModuleLogic(name, logic)
            self._modules[name] = logic
        self._hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        self._layout = slicer.vtkMRMLLayoutLogic()
        self._layout.SetMRMLScene(self._scene)
        self._link = slicer.vtkMRMLSliceLinkLogic()
        self._link.SetMRMLScene(self._scene)
        self._renderers: dict[str, vtk.vtkRenderer] = {}
        self._keep: list[Any] = []
        self._made: set[str] = set()
        self._unsized: list[Any] = []
        self._soon: list[Callable[[], None]] = []
        self.rendered: list[str] = []

    @property
    def scene(self) -> Any:
        return self._scene

    @property
    def logic(self) -> Any:
        self._make_views()
        return self._logic

    @property
    def layoutNode(self) -> Any:
        return self._layout.GetLayoutNode()

    def moduleLogic(self, name: str) -> Any:
        return self._modules.get(name)

    def views(self) -> Iterator[tuple[Any, Any]]:
        self._make_views()
        for node_class in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
            for index in range(self._scene.GetNumberOfNodesByClass(node_class)):
                node = self._scene.GetNthNodeByClass(index, node_class)
                yield node, self._renderers.setdefault(node.GetID(), vtk.vtkRenderer())

    def callSoon(self, function: Callable[[], None]) -> None:
        self._soon.append(function)

    def processEvents(self) -> None:
        """What the event loop does with new views: give them their size, then call what was to be called soon."""
        self._make_views()
        views, self._unsized = self._unsized, []
        for logic in views:
            logic.ResizeSliceNode(*_SIZE)
        functions, self._soon = self._soon, []
        for function in functions:
            function()

    def render(self, viewNode: Any) -> None:
        self.rendered.append(viewNode.GetID())

    def temporaryFolder(self) -> Path:
        return self._folder

    def loadVolume(self, path: str, name: str) -> Any:
        """Pictures by Pillow, because these wheels read volume formats only."""
        from PIL import Image

        try:
            pixels = np.asarray(Image.open(path))
        except OSError:
            node = self._scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
            storage.SetFileName(path)
            storage.SetSingleFile(1)
            if Path(path).suffix in (".nrrd", ".mha", ".gz", ".dcm") and storage.ReadData(node):
                return node
            self._scene.RemoveNode(node)
            return None
        kind = "vtkMRMLVectorVolumeNode" if pixels.ndim == 3 else "vtkMRMLScalarVolumeNode"
        return slicer.util.addVolumeFromArray(
            np.ascontiguousarray(pixels[np.newaxis]), np.diag((-1.0, -1.0, 1.0, 1.0)), name, kind
        )

    def _make_views(self) -> None:
        """What the application's layout manager does when slice views come: a logic for each."""
        for index in range(self._scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
            node = self._scene.GetNthNodeByClass(index, "vtkMRMLSliceNode")
            if node.GetID() in self._made:
                continue
            self._made.add(node.GetID())
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self._logic)
            logic.SetMRMLScene(self._scene)
            logic.SetSliceNode(node)
            logic.ResizeSliceNode(*_NEW_SIZE)
            self._unsized.append(logic)
            self._logic.GetSliceLogics().AddItem(logic)
            self._keep.append(logic)

    def picture_of_slice(self, tag: str, size: tuple[int, int] = (360, 360)) -> np.ndarray:
        """[H, W, 3] uint8 of what a slice view shows, with what is drawn over it."""
        self.processEvents()
        logic = self.logic.GetSliceLogicByLayoutName(tag)
        logic.ResizeSliceNode(*size)
        node = logic.GetSliceNode()
        node.UpdateMatrices()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        connection = logic.GetImageDataConnection()
        renderer = self._renderers.setdefault(node.GetID(), vtk.vtkRenderer())
        actor = vtk.vtkActor2D()
        if connection is not None:
            mapper.SetInputConnection(connection)
            actor.SetMapper(mapper)
            actor.GetProperty().SetDisplayLocationToBackground()
            renderer.AddViewProp(actor)
        window = _window(renderer, size)
        picture = _captured(window)
        renderer.RemoveViewProp(actor)
        window.RemoveRenderer(renderer)
        return picture

    def picture_of_markups(self, tag: str, size: tuple[int, int] = (360, 360)) -> np.ndarray:
        """[H, W, 3] uint8 of the markups that a slice or 3-D view shows, drawn by Slicer's own code, on black."""
        self.processEvents()
        slices = tag in [node.GetLayoutName() for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", self._scene)]
        kind = "Slice" if slices else "ThreeD"
        node = self._scene.GetSingletonNode(tag, "vtkMRMLSliceNode" if slices else "vtkMRMLViewNode")
        if slices:
            self.logic.GetSliceLogicByLayoutName(tag).ResizeSliceNode(*size)
        renderer = vtk.vtkRenderer()
        window = _window(renderer, size)
        interactor = vtk.vtkRenderWindowInteractor()
        interactor.SetRenderWindow(window)
        interactor.Initialize()
        factory = getattr(slicer, f"vtkMRML{kind}ViewDisplayableManagerFactory").GetInstance()
        factory.SetMRMLApplicationLogic(self._logic)
        if not factory.IsDisplayableManagerRegistered("vtkMRMLMarkupsDisplayableManager"):
            factory.RegisterDisplayableManager("vtkMRMLMarkupsDisplayableManager")
        group = slicer.vtkMRMLDisplayableManagerGroup()
        group.SetRenderer(renderer)
        group.Initialize(factory, renderer)
        group.SetMRMLDisplayableNode(node)
        if not slices:
            renderer.ResetCamera(-200, 200, -200, 200, -200, 200)
        self._keep += [window, interactor, group]
        return _captured(window)

    def picture_of_rendering(self, tag: str, size: tuple[int, int] = (420, 320)) -> np.ndarray:
        """[H, W, 3] uint8 of a 3-D view with volume rendering."""
        node = self._scene.GetSingletonNode(tag, "vtkMRMLViewNode")
        renderer = self._renderers.setdefault(node.GetID(), vtk.vtkRenderer())
        window = _window(renderer, size)
        interactor = vtk.vtkRenderWindowInteractor()
        interactor.SetRenderWindow(window)
        interactor.Initialize()
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(self._logic)
        for manager in ("Camera", "View", "VolumeRendering"):
            name = f"vtkMRML{manager}DisplayableManager"
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        group = slicer.vtkMRMLDisplayableManagerGroup()
        group.SetRenderer(renderer)
        group.Initialize(factory, renderer)
        group.SetMRMLDisplayableNode(node)
        self._keep += [window, interactor, group]
        return _captured(window)


def _window(renderer: vtk.vtkRenderer, size: tuple[int, int]) -> vtk.vtkRenderWindow:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    window.AddRenderer(renderer)
    return window


def _captured(window: vtk.vtkRenderWindow) -> np.ndarray:
    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.Update()
    image = grabber.GetOutput()
    columns, rows, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3].copy()
