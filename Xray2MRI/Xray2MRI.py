"""The module Xray2MRI of 3D Slicer: a synthetic MRI volume from one knee radiograph. Research use, not diagnosis.

This file only declares what Slicer looks for; the package Xray2MRIModule does the work.
"""

import importlib.util
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

# An installed extension has the library in the folder of this file; a checkout has it one folder up. Append it, never
# insert it first: the root of a checkout holds folders whose names would hide other modules.
if importlib.util.find_spec("Xray2MRILib") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from Xray2MRIModule.logic import ModuleLogic

DOCUMENTATION = "https://github.com/Xray2MRI/SlicerXray2MRI/blob/main/docs/slicer-module.md"


class Xray2MRI(ScriptedLoadableModule):
    """Name, category and help of the module. Nothing is installed here and no scene is changed."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("X-ray to pseudo-MRI")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["Volumes", "VolumeRendering", "Sequences", "Plots", "Tables", "Markups", "Cameras"]
        parent.contributors = ["Xray2MRI contributors"]
        parent.helpText = _(
            "Generates a pseudo-MRI volume of the knee from one plain radiograph with a conditional diffusion model, "
            "shows each slice as soon as it is final, and compares the volume with a real MRI. "
            "<b>The volume is synthetic: a plausible guess for research, not for diagnosis.</b>"
        )
        parent.helpText += '<p><a href="{}">{}</a></p>'.format(DOCUMENTATION, _("Documentation of this module"))
        parent.acknowledgementText = _(
            "An independent implementation, with weights trained on simulated knees, of the method of Z. Wang, "
            "Y. H. Chen, M. Jarraya et al., A Diffusion-based Xray2MRI Model, arXiv 2410.06997. Please cite the paper. "
            "The documentation names the sources of the radiographs and of the anatomy."
        )
        slicer.app.connect("startupCompleted()", registerSamples)
        slicer.app.connect("startupCompleted()", registerLayout)
        slicer.app.connect("startupCompleted()", watchForReadScenes)


def registerSamples():
    """Offer the sample radiographs in the module Sample Data."""
    from Xray2MRIModule.scene import sample_data

    sample_data.registerSampleData()


def registerLayout():
    """Make the module's layout known before a scene that was saved with it is read: the views would be blank."""
    from Xray2MRIModule.application import SlicerApplication
    from Xray2MRIModule.views.layout import ViewLayout

    ViewLayout(SlicerApplication()).register()


def watchForReadScenes():
    """Mark the synthetic volumes of scenes that are loaded, even if the module was never opened."""
    slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, onSceneRead)


def onSceneRead(caller=None, event=None):
    """Put "SYNTHETIC" on the views if the scene holds a pseudo-MRI; otherwise import nothing."""
    from Xray2MRIModule.scene.provenance_attributes import is_synthetic

    if any(is_synthetic(node) for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")):
        slicer.util.getModuleLogic("Xray2MRI").views.startAnnotations()


class Xray2MRIWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Connects Slicer's widget events to the panel in Xray2MRIModule.panel."""

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
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        # the developer's "Reload" sets the module up while it is shown, and enters it no more
        if self.parent.isEntered:
            self.panel.enter()

    def enter(self):
        """The user opens the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self):
        """The user opens another module; a running job continues."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self):
        """The module is unloaded, reloaded, or Slicer ends: release everything."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()
            self.logic.close()
        self.panel = self.logic = None

    def onSceneStartClose(self, caller=None, event=None):
        """Release the nodes before they are removed."""
        if self.panel is not None:
            self.panel.onSceneStartClose()

    def onSceneEndClose(self, caller=None, event=None):
        """Start again on the empty scene, if the module is open."""
        if self.panel is not None and self.parent.isEntered:
            self.panel.onSceneEndClose()

    def onSceneStartImport(self, caller=None, event=None):
        """Release the settings while a scene is read."""
        if self.panel is not None:
            self.panel.onSceneStartImport()

    def onSceneEndImport(self, caller=None, event=None):
        """Show the settings of the scene, if the module is open."""
        if self.panel is not None and self.parent.isEntered:
            self.panel.onSceneEndImport()

    def onReload(self):
        """Reload the package Xray2MRIModule too; Slicer reloads this file only."""
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
    """The self test; its checks are in Xray2MRIModule.self_test."""

    def runTest(self):
        """Called by Slicer's "Reload and Test" and by its test driver."""
        from Xray2MRIModule.self_test import checkAll

        slicer.mrmlScene.Clear()
        logic = Xray2MRILogic()
        try:
            checkAll(logic)
        finally:
            logic.restoreLayout()
            logic.close()
        self.delayDisplay(_("All tests of Xray2MRI passed."))
