"""All that the module needs from the running application: views, logics of other modules, files, events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# a new layout shares out the window in the next turns of the event loop
_SOON_MS = 100


class Application:
    """The interface. ``SlicerApplication`` is the real one; tests have one that needs no Qt."""

    @property
    def scene(self) -> Any:
        """The vtkMRMLScene."""
        raise NotImplementedError

    @property
    def logic(self) -> Any:
        """The vtkSlicerApplicationLogic: knows the logics of slice and 3-D views by the name of the view."""
        raise NotImplementedError

    @property
    def layoutNode(self) -> Any:
        """The vtkMRMLLayoutNode."""
        raise NotImplementedError

    def moduleLogic(self, name: str) -> Any:
        """The logic of another module, e.g. "VolumeRendering"; None if it is not available."""
        raise NotImplementedError

    def views(self) -> Iterator[tuple[Any, Any]]:
        """(view node, vtkRenderer) of every slice and 3-D view that exists."""
        raise NotImplementedError

    def render(self, viewNode: Any) -> None:
        """Redraw one view soon."""
        raise NotImplementedError

    def callSoon(self, function: Callable[[], None]) -> None:
        """Call a function in a moment, when views that have just been created have their size."""
        raise NotImplementedError

    def processEvents(self) -> None:
        """Run the event loop for a moment; only for callers that wait in a console."""

    def temporaryFolder(self) -> Path:
        """Where temporary files go."""
        return Path(tempfile.gettempdir())

    def dicomFile(self, instanceUid: str) -> str | None:
        """The file of a DICOM instance in the application's database, None if it is not known."""
        return None

    def loadVolume(self, path: str, name: str) -> Any:
        """Load an image or a volume file as one node; None if it cannot be read."""
        raise NotImplementedError


class SlicerApplication(Application):
    """3D Slicer."""

    @property
    def scene(self) -> Any:
        """See Application."""
        import slicer

        return slicer.mrmlScene

    @property
    def logic(self) -> Any:
        """See Application."""
        import slicer

        return slicer.app.applicationLogic()

    @property
    def layoutNode(self) -> Any:
        """See Application."""
        import slicer

        manager = slicer.app.layoutManager()
        if manager is not None:
            return manager.layoutLogic().GetLayoutNode()
        return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")  # without main window

    def moduleLogic(self, name: str) -> Any:
        """See Application."""
        import slicer

        module = slicer.app.moduleManager().module(name)
        return None if module is None else module.logic()

    def views(self) -> Iterator[tuple[Any, Any]]:
        """See Application."""
        import slicer

        manager = slicer.app.layoutManager()
        if manager is None:
            return
        for name in manager.sliceViewNames():
            widget = manager.sliceWidget(name)
            yield widget.mrmlSliceNode(), widget.sliceView().renderWindow().GetRenderers().GetFirstRenderer()
        for index in range(manager.threeDViewCount):
            view = manager.threeDWidget(index).threeDView()
            yield view.mrmlViewNode(), view.renderWindow().GetRenderers().GetFirstRenderer()

    def render(self, viewNode: Any) -> None:
        """See Application."""
        import slicer

        manager = slicer.app.layoutManager()
        if viewNode.IsA("vtkMRMLSliceNode"):
            manager.sliceWidget(viewNode.GetLayoutName()).sliceView().scheduleRender()
            return
        for index in range(manager.threeDViewCount):
            view = manager.threeDWidget(index).threeDView()
            if view.mrmlViewNode() is viewNode:
                view.scheduleRender()

    def callSoon(self, function: Callable[[], None]) -> None:
        """See Application."""
        import qt

        qt.QTimer.singleShot(_SOON_MS, function)

    def processEvents(self) -> None:
        """See Application."""
        import slicer

        slicer.app.processEvents()

    def temporaryFolder(self) -> Path:
        """See Application."""
        import slicer

        return Path(slicer.app.temporaryPath)

    def dicomFile(self, instanceUid: str) -> str | None:
        """See Application."""
        import slicer

        database = slicer.dicomDatabase
        return (database.fileForInstance(instanceUid) or None) if database and database.isOpen else None

    def loadVolume(self, path: str, name: str) -> Any:
        """See Application."""
        import slicer

        try:
            # without singleFile, images named img1, img2 ... become one stack
            return slicer.util.loadVolume(path, {"singleFile": True, "show": False, "name": name})
        except RuntimeError:
            return None
