"""The module Xray2MRI of 3D Slicer: one knee radiograph becomes a synthetic MRI volume. Research use, not diagnosis.

This file only tells Slicer about the module; the package Xray2MRIModule does the work.
"""

import importlib.util
import logging
import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# An installed extension has the library beside this file; a checkout has it one folder up. Appended, never put first:
# the root of a checkout holds folders whose names would hide other modules.
if importlib.util.find_spec("Xray2MRILib") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from Xray2MRIModule.logic import ModuleLogic


class Xray2MRI(ScriptedLoadableModule):
    """Name, place and help of the module. Nothing is installed and no scene is touched here."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("X-ray to pseudo-MRI")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["Volumes", "VolumeRendering", "Sequences", "Plots", "Tables", "Markups", "Cameras"]
        parent.contributors = ["Xray2MRI contributors"]
        parent.helpText = _(
            "Makes a pseudo-MRI volume of the knee from one plain radiograph with a conditional diffusion model, shows "
            "it slice by slice as it is made, and compares it with a real MRI. <b>The volume is synthetic: a plausible "
            "guess for research, not for diagnosis.</b>"
        )
        parent.acknowledgementText = _(
            "The method is that of Z. Wang, Y. H. Chen, M. Jarraya et al., A Diffusion-based Xray2MRI Model, "
            "arXiv 2410.06997, in an independent implementation with weights trained on simulated knees. Please cite "
            "the paper. Sources of radiographs and anatomy are named in the documentation."
        )
        slicer.app.connect("startupCompleted()", registerSamples)
        slicer.app.connect("startupCompleted()", watchForReadScenes)


def registerSamples():
    """Offer the sample radiographs in the module Sample Data."""
    from Xray2MRIModule.scene.sample_data import registerSampleData

    registerSampleData()


def watchForReadScenes():
    """Follow the reading of scenes, so that their synthetic volumes are marked though nobody opened the module."""
    slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, onSceneRead)


def onSceneRead(caller=None, event=None):
    """Put "SYNTHETIC" on the views if the scene that was read holds a volume of ours; else load nothing."""
    from Xray2MRIModule.scene.provenance_attributes import is_synthetic

    if any(is_synthetic(node) for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")):
        slicer.util.getModuleLogic("Xray2MRI").startAnnotations()


class Xray2MRIWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The shell of the panel; Xray2MRIModule.panel is its inside."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None

    def setup(self):
        """Build the panel when the module is opened first."""
        ScriptedLoadableModuleWidget.setup(self)
        from Xray2MRIModule.panel.main_panel import MainPanel

        root = slicer.util.loadUI(self.resourcePath("UI/Xray2MRI.ui"))
        self.layout.addWidget(root)
        self.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.logic = Xray2MRILogic()
        self.panel = MainPanel(self.ui, self.logic, self.logic.getParameterNode(), self.parent)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)

    def enter(self):
        """The user opens the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self):
        """The user goes to another module; a running job goes on."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self):
        """The module is unloaded, reloaded, or Slicer ends: nothing may be left behind."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()
            self.panel = None
        if self.logic is not None:
            self.logic.close()
            self.logic = None

    def onSceneStartClose(self, caller=None, event=None):
        """Let go of the nodes before they go."""
        if self.panel is not None:
            self.panel.onSceneStartClose()

    def onSceneEndClose(self, caller=None, event=None):
        """Begin anew, if the module is open."""
        if self.panel is not None and self.parent.isEntered:
            self.panel.onSceneEndClose()

    def onReload(self):
        """Reload the package behind the module too; Slicer reloads this file only."""
        self.cleanup()
        for name in [name for name in sys.modules if name.split(".")[0] == "Xray2MRIModule"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class Xray2MRILogic(ScriptedLoadableModuleLogic, ModuleLogic):
    """Radiographs in, pseudo-MRI volumes out; see Xray2MRIModule.logic for use from the Python console."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        ModuleLogic.__init__(self)

    def getParameterNode(self):
        """The settings that are saved with the scene."""
        from Xray2MRIModule.parameter_node import Xray2MRIParameterNode

        return Xray2MRIParameterNode(super().getParameterNode())


class Xray2MRITest(ScriptedLoadableModuleTest):
    """The main flows in a running Slicer, with the real worker. Needs torch; takes about three minutes on a CPU."""

    def setUp(self):
        """An empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Called by Slicer's "Reload and Test" and by its test driver."""
        self.setUp()
        logic = Xray2MRILogic()
        try:
            self.checkAll(logic)
        finally:
            logic.restoreLayout()
            logic.close()
        self.delayDisplay(_("All tests of Xray2MRI passed."))

    def checkAll(self, logic):
        """One flow after the other; each works on what the one before left in the scene."""
        radiograph = self.checkRadiograph(logic)
        volume = self.checkGeneration(logic, radiograph)
        self.checkDensities(logic, volume)
        self.checkViews(logic, radiograph, volume)
        self.checkComparison(logic, volume)
        self.checkExport(logic, volume)
        self.checkCancelling(logic, radiograph)
        self.checkKilledWorker(logic, radiograph)
        self.checkSceneClose(logic, radiograph)

    def checkRadiograph(self, logic):
        """A sample radiograph is loaded and understood."""
        from Xray2MRIModule.scene.sample_data import loadSample

        radiograph = loadSample("single")
        seen = logic.prepare(radiograph).wait(300).result
        assert len(seen["probabilities"]) == 5
        assert seen["plausible"]
        return radiograph

    def checkGeneration(self, logic, radiograph):
        """A small volume is made; its geometry is that of the file."""
        arrived = []
        run = logic.generate(radiograph, {"slices": 4, "steps": 2}, onSlice=arrived.append).wait(600)
        volume = run.volumeNode
        assert len(arrived) == 4
        assert volume.GetImageData().GetDimensions() == (256, 256, 4)
        assert logic.isSynthetic(volume)
        assert abs(volume.GetSpacing()[2] - 73.5 / 3) < 1e-4
        return volume

    def checkDensities(self, logic, volume):
        """More depths keep those that exist; both densities can be shown."""
        import numpy as np

        coarse = slicer.util.arrayFromVolume(volume).copy()
        logic.densify(volume, 7).wait(600)
        assert logic.densities(volume) == [4, 7]
        assert np.array_equal(slicer.util.arrayFromVolume(volume)[::2], coarse)
        assert logic.selectDensity(volume, 4)

    def checkViews(self, logic, radiograph, volume):
        """Our layout, the words on the picture, volume rendering."""
        logic.showLayout(radiograph, volume)
        assert logic.isLayoutShown
        assert "vtkMRMLSliceNodeXray2MRISynthetic" in logic.annotatedViews()
        assert logic.setVolumeRendering(volume, True)
        slicer.app.processEvents()

    def checkComparison(self, logic, volume):
        """The volume itself, moved by 6 mm, stands in for a real MRI: figures, chart and difference map come."""
        import numpy as np
        import vtk

        matrix = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(matrix)
        matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 6.0)
        voxels = slicer.util.arrayFromVolume(volume).astype(np.float32)
        reference = slicer.util.addVolumeFromArray(voxels, matrix, name="MRI")
        comparison = logic.compare(volume, reference).wait(600).comparison
        assert comparison.verdict
        assert comparison.tableNode.GetTable().GetNumberOfRows() == logic.density(volume)
        logic.showComparison(comparison)
        assert logic.setDifferenceVisible(comparison, True)
        logic.setDifferenceVisible(comparison, False)

    def checkExport(self, logic, volume):
        """A file with its record is written."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            files = logic.export(volume, Path(folder) / "knee.nii.gz").wait(600).result["files"]
            assert len(files) == 2
            assert all(Path(name).stat().st_size > 0 for name in files)

    def checkKilledWorker(self, logic, radiograph):
        """A worker that dies costs its run and nothing else."""
        from Xray2MRIModule.jobs.failure import JobFailed
        from Xray2MRIModule.worker.process_runner import kill_process

        before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        run = logic.generate(
            radiograph, {"slices": 300, "steps": 50}, onSlice=lambda _report: kill_process(logic.workerPid)
        )
        try:
            run.wait(600)
        except JobFailed:
            pass
        assert run.state == "failed"
        assert run.failure.code == "worker-died"
        assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before
        assert logic.generate(radiograph, {"slices": 2, "steps": 1}).wait(600).state == "done"

    def checkCancelling(self, logic, radiograph):
        """A cancelled run leaves nothing in the scene."""
        before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        run = logic.generate(radiograph, {"slices": 300, "steps": 50}, onSlice=lambda _report: logic.cancel())
        self.expectCancellation(run)
        assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before

    def checkSceneClose(self, logic, radiograph):
        """Closing the scene in mid-run ends the run."""
        run = logic.generate(radiograph, {"slices": 300, "steps": 50}, onSlice=lambda _report: slicer.mrmlScene.Clear())
        self.expectCancellation(run)
        assert not logic.isBusy
        logging.info("Xray2MRI: the scene was closed in mid-run")

    def expectCancellation(self, run):
        """Wait for the end of a run that was cancelled."""
        from Xray2MRIModule.jobs.failure import JobFailed

        try:
            run.wait(600)
        except JobFailed:
            pass
        assert run.state == "cancelled"
