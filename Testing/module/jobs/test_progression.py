"""A synthetic course through the real worker: sequences of radiographs and volumes, shown with a mark."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
import vtk
from slicer.util import arrayFromVolume
from small_networks import save_morphing_model
from Xray2MRIModule.failure import JobFailed
from Xray2MRIModule.scene import subject_folder, synthetic_course
from Xray2MRIModule.views.annotations import COURSE_TEXT
from Xray2MRIModule.views.layout import RADIOGRAPH, SYNTHETIC

QUICK = {"slices": 3, "steps": 2, "device": "cpu", "seed": 3}


@pytest.fixture(scope="module")
def morphing_model(tmp_path_factory):
    return str(save_morphing_model(tmp_path_factory.mktemp("morphing") / "model"))


@pytest.fixture(scope="module")
def radiograph(warm, knee_radiograph):
    """A radiograph in the hierarchy, so that results can lie beside it."""
    node = warm.application.loadVolume(str(knee_radiograph), "Somebody's knee")
    hierarchy = warm.application.scene.GetSubjectHierarchyNode()
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    return node


@pytest.fixture(scope="module")
def course(warm, radiograph, morphing_model, tiny_model):
    """A finished course of three frames with volumes, and the shares that were reported."""
    shares = []
    job = warm.progress(
        radiograph, toGrade=2, frames=3, volumes=True, morphingModel=morphing_model,
        settings={**QUICK, "model": str(tiny_model), "kl": [0, 0, 0, 0, 1.0], "samples": 4},
        onProgress=lambda progress: shares.append(progress.fraction),
    ).wait(400)  # fmt: skip
    return job, shares


def nodes(kind="vtkMRMLScalarVolumeNode"):
    return slicer.mrmlScene.GetNumberOfNodesByClass(kind)


def test_the_frames_are_one_sequence_whose_nodes_keep_their_identity(warm, course, radiograph):
    job, shares = course
    browser, film, volume = job.node("course"), job.node("film"), job.node("courseVolume")
    assert warm.courses() == warm.courses(radiograph) == [browser]
    assert synthetic_course.frame_count(browser) == 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    seen = []
    for index in (2, 0, 1):
        warm.selectFrame(browser, index)
        assert synthetic_course.frame_index(browser) == index
        record = json.loads(film.GetAttribute("Xray2MRI.record"))
        assert record["severity"] == [0, 0.25, 0.5][index]
        of_volume = json.loads(volume.GetAttribute("Xray2MRI.record"))
        assert of_volume["radiograph"]["morphing"]["severity"] == [0, 0.25, 0.5][index]
        # the grade of each volume is its radiograph's, not the one that the user set by hand
        assert "user" not in json.dumps(of_volume["koa"]["source"])
        seen.append((arrayFromVolume(film).copy(), arrayFromVolume(volume).copy()))
        assert synthetic_course.film_of(browser) is film
        assert synthetic_course.volume_of(browser) is volume
    for first, second in ((0, 1), (1, 2)):
        assert not np.array_equal(seen[first][0], seen[second][0])
        assert not np.array_equal(seen[first][1], seen[second][1])
    assert "Somebody" not in film.GetName() + volume.GetName() + browser.GetName() + browser.GetAttribute(
        synthetic_course.COURSE
    )
    # beside the radiograph, nothing left over, and offered neither as a pseudo-MRI nor as a radiograph
    assert subject_folder.run_folder(warm.application.scene, film) == job.folderItem
    assert nodes() == 3
    assert film not in warm.syntheticVolumes()
    assert volume not in warm.syntheticVolumes()
    assert warm.allRadiographs.loaded() == [radiograph]
    assert not job.folder.exists()


def test_the_first_frame_is_the_radiograph_at_its_place(warm, course, radiograph):
    job, _ = course
    warm.selectFrame(job.node("course"), 0)
    film = job.node("film")
    frame = arrayFromVolume(film)[0].astype(float)
    matrices = []
    for node, method in ((film, "GetIJKToRASMatrix"), (radiograph, "GetRASToIJKMatrix")):
        matrix = vtk.vtkMatrix4x4()
        getattr(node, method)(matrix)
        matrices.append(slicer.util.arrayFromVTKMatrix(matrix))
    rows, columns = np.mgrid[16:240:4, 16:240:4]
    points = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], -1) @ (matrices[1] @ matrices[0]).T
    pixels = arrayFromVolume(radiograph)[0].astype(float)
    pixels = pixels if pixels.ndim == 2 else pixels[..., :3].mean(-1)
    x, y = np.rint(points[..., 0]).astype(int), np.rint(points[..., 1]).astype(int)
    inside = (x >= 0) & (x < pixels.shape[1]) & (y >= 0) & (y < pixels.shape[0])
    here = pixels[y.clip(0, pixels.shape[0] - 1), x.clip(0, pixels.shape[1] - 1)]

    def agreement(shift):
        moved = np.roll(frame[16:240:4, 16:240:4], shift, (0, 1))
        return np.corrcoef(moved[inside], here[inside])[0, 1]

    assert agreement((0, 0)) > 0.95
    assert agreement((0, 0)) > max(agreement(shift) for shift in ((2, 0), (-2, 0), (0, 2), (0, -2)))


def test_every_view_of_a_course_says_that_it_is_no_forecast(warm, course):
    job, _ = course
    warm.views.showCourse(job.node("course"))
    layout = warm.views.layout
    assert layout.backgroundVolume(RADIOGRAPH) is job.node("film")
    assert layout.backgroundVolume(SYNTHETIC) is job.node("courseVolume")
    assert warm.views.isCourseShown(job.node("course"))
    assert {f"vtkMRMLSliceNode{tag}" for tag in (RADIOGRAPH, SYNTHETIC)} <= set(warm.views.annotatedViews())
    texts = [actor.GetInput() for _, actor in warm.views._annotations._actors.values()]
    assert texts
    assert all(text == COURSE_TEXT for text in texts)
    assert "not a forecast" in COURSE_TEXT
    picture = warm.application.picture_of_slice(RADIOGRAPH)
    # yellow letters at the top of a grey picture
    top = picture[:40].astype(int)
    assert ((top[..., 0] - top[..., 2]) > 80).sum() > 100


def test_a_saved_course_is_found_again_with_its_frames(warm, course, tmp_path, application):
    from subprocess_runner import SubprocessRunner
    from Xray2MRIModule.logic import ModuleLogic

    job, _ = course
    warm.selectFrame(job.node("course"), 0)
    scene = warm.application.scene
    scene.SetURL(str(tmp_path / "scene.mrb"))
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"), None)
    slicer.mrmlScene = application.scene
    try:
        logic = ModuleLogic(application, SubprocessRunner)
        assert application.scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
        (browser,) = logic.courses()
        film = synthetic_course.film_of(browser)
        logic.selectFrame(browser, 2)
        assert json.loads(film.GetAttribute("Xray2MRI.record"))["severity"] == 0.5
        assert film.GetAttribute("Xray2MRI.synthetic") == "true"
        assert synthetic_course.about_course(browser)["severities"] == [0, 0.25, 0.5]
        logic.close()
    finally:
        slicer.mrmlScene = scene


def test_with_a_wrong_model_or_number_there_is_a_sentence_and_no_node(warm, course, radiograph, tmp_path):
    before, browsers = nodes(), nodes("vtkMRMLSequenceBrowserNode")
    with pytest.raises(JobFailed, match=r"checksums\.json is missing"):
        warm.progress(radiograph, frames=3, morphingModel=str(tmp_path)).wait(200)
    job = warm.progress(radiograph, frames=1, morphingModel=str(tmp_path))
    with pytest.raises(JobFailed, match="frames cannot be 1"):
        job.wait(200)
    assert job.failure.field == "frames"
    assert (nodes(), nodes("vtkMRMLSequenceBrowserNode")) == (before, browsers)
    assert not warm.isBusy


def test_cancelling_while_frames_come_leaves_nothing(warm, course, radiograph, morphing_model, until):
    before, browsers = nodes(), nodes("vtkMRMLSequenceBrowserNode")
    sequences = nodes("vtkMRMLSequenceNode")
    failures = []
    job = warm.progress(radiograph, frames=12, morphingModel=morphing_model, onError=failures.append)
    until(warm, lambda: job.result is not None)
    assert nodes() > before  # the first frames are in the scene
    warm.cancel(job)
    assert [failure.code for failure in failures] == ["cancelled"]
    assert (nodes(), nodes("vtkMRMLSequenceBrowserNode"), nodes("vtkMRMLSequenceNode")) == (before, browsers, sequences)
    assert not warm.isBusy
