"""Only volume/geometry.py states the numbers of the field; every other file of library and module imports them.

Read are numbers in code, not those in comments and docstrings, where a reader wants them written out. Two rules hold:

- numbers that mean nothing but the field (FIELD_ONLY) stand nowhere else;
- numbers that also mean other things (SHARED) stand only where ALLOWED names the file and says what is meant there. An
  entry that no longer applies fails, so that the list stays true.

Tests may state the numbers: those of the geometry itself must, as the reference that does not depend on the code. So
may the self test of the module, whose functions are called ``check...``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from Xray2MRILib.volume.geometry import CROP_FRAME, OAI_FIELD

ROOT = Path(__file__).resolve().parents[2]
OWNER = "Xray2MRILib/volume/geometry.py"
# pixel, extent, half of it, edge of the crop, its centre row (with and without half a pixel), the joint row; as
# decimal fractions 128 and 160 are the centre column and the width of the field
FIELD_ONLY = {0.625, 73.5, 36.75, 91, 141, 140.5, 152}
FIELD_ONLY_AS_FRACTIONS = {128, 160}
SHARED = {256, 50, 1.5, 160}

ALLOWED = {
    ("Xray2MRILib/simulation/anatomy/drawn_shapes.py", 1.5): "mm of one step outwards",
    ("Xray2MRILib/simulation/anatomy/fat_shell.py", 1.5): "smoothing in voxels",
    ("Xray2MRILib/simulation/anatomy/joint_linings.py", 50): "mm above the joint",
    ("Xray2MRILib/simulation/anatomy/ligament_strands.py", 1.5): "radius of a strand in mm",
    ("Xray2MRILib/simulation/anatomy/multi_echo_structures.py", 160): "signal of fat and muscle",
    ("Xray2MRILib/simulation/anatomy/muscle_compartments.py", 1.5): "gain of a septum",
    ("Xray2MRILib/simulation/anatomy/vessels_and_nerves.py", 50): "mm along a vessel's course",
    ("Xray2MRILib/simulation/anatomy/multi_echo_joint.py", 1.5): "mm that a meniscus stands out",
    ("Xray2MRILib/simulation/anatomy/multi_echo_bones.py", 1.5): "mm of a bone's rim, and a slope",
    ("Xray2MRILib/simulation/anatomy/multi_echo_maps.py", 160): "signal of fat",
    ("Xray2MRILib/simulation/anatomy/multi_echo_tissue.py", 50): "signal of fluid",
    ("Xray2MRILib/simulation/anatomy/shape_variation.py", 1.5): "voxels of a surface",
    ("Xray2MRILib/simulation/anatomy/tissue_codes.py", 256): "values of a byte",
    ("Xray2MRILib/simulation/mr/texture_blocks.py", 160): "voxels of a block",
    ("Xray2MRILib/simulation/pairs/standing_knee.py", 1.5): "mm of the leg's contour",
    ("Xray2MRILib/simulation/radiograph/drr.py", 1.5): "mm of the leg's contour",
    ("Xray2MRILib/simulation/mr/hamstring_tendons.py", 50): "mm, points of a tendon",
    ("Xray2MRILib/simulation/radiograph/stations.py", 1.5): "scatter over primary dose",
    ("Xray2MRILib/comparison/dicom_stack.py", 1.5): "gap in units of the pitch",
    ("Xray2MRILib/comparison/nifti_frame.py", 256): "bytes of a header",
    ("Xray2MRILib/baselines/morphing.py", 1.5): "entry of a code",
    ("Xray2MRILib/baselines/siamese_gap.py", 256): "channels",
    ("Xray2MRILib/baselines/x_diffusion.py", 50): "N of the published code",
    ("Xray2MRILib/benchmark/plan.py", 50): "one of the numbers of slices on the density curve",
    ("Xray2MRILib/benchmark/statistics.py", 50): "per cent",
    ("Xray2MRILib/generation/scanner_noise.py", 50): "slices that get their noise together",
    ("Xray2MRILib/reprojection/bone_projection.py", 50): "slices that are filtered together",
    ("Xray2MRILib/volume/writing.py", 50): "slices that are converted together",
    ("Xray2MRILib/cli/benchmark.py", 50): "one of the numbers of slices on the density curve",
    ("Xray2MRILib/cohort/work_run.py", 50): "radiographs between two writings of the table",
    ("Xray2MRILib/comparison/compare.py", 1.5): "seconds",
    ("Xray2MRILib/comparison/preconditions.py", 1.5): "ratio of lengths",
    ("Xray2MRILib/conditions/registry.py", 50): "years",
    ("Xray2MRILib/diffusion/batch_size.py", 50): "slices in one batch on a GPU",
    ("Xray2MRILib/localization/detector.py", 256): "canvas of the localiser, in its own pixels",
    ("Xray2MRILib/metrics/joint_region.py", 1.5): "slope of the evidence",
    ("Xray2MRILib/metrics/ssim.py", 1.5): "sigma of SSIM's window in pixels",
    ("Xray2MRILib/metrics/summary.py", 50): "per cent",
    ("Xray2MRILib/models/autoencoder.py", 256): "MiB",
    ("Xray2MRILib/models/presets.py", 160): "channels",
    ("Xray2MRILib/models/presets.py", 256): "channels",
    ("Xray2MRILib/radiograph/file_format.py", 256): "longest plausible length of a first DICOM element in bytes",
    ("Xray2MRILib/radiograph/header_faults.py", 256): "NIfTI's number for signed bytes",
    ("Xray2MRILib/radiograph/tiff_file.py", 256): "TIFF's tag of the width",
    ("Xray2MRILib/rendering/activation_picture.py", 160): "pixels of the scale of colours",
    ("Xray2MRILib/rendering/activation_picture.py", 50): "pixels of the lower margin",
    ("Xray2MRILib/rendering/grade_bars.py", 50): "colour",
    ("Xray2MRILib/rendering/montage.py", 50): "pixels of the page",
    ("Xray2MRILib/rendering/slice_grid.py", 50): "length of the scale bar in mm",
    ("Xray2MRILib/reports/box_plot.py", 1.5): "whisker in lengths of the box",
    ("Xray2MRILib/reports/box_plot.py", 50): "per cent",
    ("Xray2MRILib/reprojection/joint_space.py", 1.5): "distance from the joint line in mm",
    ("Xray2MRILib/reprojection/outline_tracing.py", 1.5): "places from the end of a search",
    ("Xray2MRILib/reprojection/radiograph_outline.py", 1.5): "smoothing along an edge in mm",
    ("Xray2MRILib/reprojection/similarity.py", 1.5): "residual in mm beyond which weights fall",
    ("Xray2MRILib/simulation/anatomy/deformation.py", 50): "height above the joint in mm",
    ("Xray2MRILib/simulation/anatomy/knee_parameters.py", 1.5): "slices to the slab's edge; largest bone density",
    ("Xray2MRILib/simulation/anatomy/knee_parameters.py", 50): "keV",
    ("Xray2MRILib/simulation/mr/tissue_properties.py", 50): "keV",
    ("Xray2MRILib/simulation/high_resolution/scanner.py", 1.5): "tesla",
    ("Xray2MRILib/super_resolution/interpolation.py", 1.5): "coefficient of Keys' cubic",
    ("Xray2MRILib/super_resolution/knee_check.py", 50): "Hounsfield units below zero",
    ("Xray2MRILib/training/autoencoder.py", 1.5): "sigma of SSIM's window in pixels",
    ("Xray2MRILib/training/cae.py", 256): "radiographs that measure the loss",
    ("Xray2MRILib/training/data/anatomy_views.py", 1.5): "attenuation relative to soft tissue",
    ("Xray2MRILib/training/data/body_phantoms.py", 1.5): "blur in pixels",
    ("Xray2MRILib/training/data/body_phantoms.py", 160): "edge of a phantom in pixels",
    ("Xray2MRILib/training/data/composite_radiographs.py", 256): "canvas of the localiser, in its own pixels",
    ("Xray2MRILib/training/data/graded_radiographs.py", 50): "radiographs in a block",
    ("Xray2MRILib/training/data/negative_examples.py", 1.5): "contrast of a texture",
    ("Xray2MRILib/training/data/radiograph_finish.py", 1.5): "degrees",
    ("Xray2MRILib/training/data/radiograph_views.py", 256): "canvas of the localiser, in its own pixels",
    ("Xray2MRILib/training/data/view_training_data.py", 50): "degrees",
    ("Xray2MRI/Xray2MRIModule/views/comparison_chart.py", 1.5): "width of a line",
    ("Xray2MRI/Xray2MRIModule/scene/difference_colours.py", 256): "colours of a table",
    ("Xray2MRI/Xray2MRIModule/worker/poll_timer.py", 50): "milliseconds",
}


def numbers_of(tree: ast.AST, self_tests: bool = False) -> Iterator[tuple[float, int]]:
    """Value and line of every number in code; without functions called ``check...`` where a file may hold them."""
    if self_tests and isinstance(tree, ast.FunctionDef) and re.match("check[A-Z]", tree.name):
        return
    if isinstance(tree, ast.Constant) and type(tree.value) in (int, float):
        yield tree.value, tree.lineno
    for child in ast.iter_child_nodes(tree):
        yield from numbers_of(child, self_tests)


def faults_of(file: str, text: str, used: set[tuple[str, float]]) -> Iterator[str]:
    """One sentence for each number that belongs to the owner; entries of ALLOWED that apply are added to ``used``."""
    for value, line in numbers_of(ast.parse(text), self_tests=file.startswith("Xray2MRI/")):
        if value in FIELD_ONLY or (isinstance(value, float) and value in FIELD_ONLY_AS_FRACTIONS):
            yield f"{file}:{line} states {value}; import it from volume/geometry.py"
        elif (file, value) in ALLOWED:
            used.add((file, value))
        elif value in SHARED:
            yield f"{file}:{line} states {value}; import it from volume/geometry.py, or add what it means to ALLOWED"


def test_no_other_file_states_a_number_of_the_field():
    used: set[tuple[str, float]] = set()
    faults: list[str] = []
    for folder in ("Xray2MRILib", "Xray2MRI"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            if file != OWNER:
                faults += faults_of(file, path.read_text(encoding="utf-8"), used)
    assert not faults, "\n".join(faults)
    assert used == set(ALLOWED), f"no longer stated: {sorted(set(ALLOWED) - used)}"


def test_the_owner_states_each_number_once():
    """What follows from others is computed: pixel, extent and the rows and columns of crop and slices."""
    stated = [value for value, _ in numbers_of(ast.parse((ROOT / OWNER).read_text(encoding="utf-8")))]
    assert not {0.625, 73.5, 36.75} & set(stated)
    for value in (160, 50, 1.5, 152, 91, 141):
        assert stated.count(value) == 1, value
    assert stated.count(256) == 2  # pixels of a slice; pixels of the crop, which need not be the same


def test_the_numbers_are_those_of_the_protocol():
    """The reference: written out here, whatever the code computes."""
    assert (OAI_FIELD.width_mm, OAI_FIELD.pixels, OAI_FIELD.pixel_mm) == (160.0, 256, 0.625)
    assert (OAI_FIELD.num_slices, OAI_FIELD.slice_thickness_mm, OAI_FIELD.extent_mm) == (50, 1.5, 73.5)
    assert (OAI_FIELD.shape, OAI_FIELD.joint_row) == ((50, 256, 256), 152.0)
    assert (CROP_FRAME.span_mm, CROP_FRAME.centre, CROP_FRAME.shape) == (91.0, (141.0, 128.0), (1, 256, 256))
    assert CROP_FRAME.span_px(OAI_FIELD) == pytest.approx(145.6)
    # the joint line, 7 mm below the centre of the crop
    assert CROP_FRAME.centre[0] + 7 / OAI_FIELD.pixel_mm == pytest.approx(OAI_FIELD.joint_row, abs=0.5)


@pytest.mark.parametrize(
    "text",
    [
        "PIXEL_MM = 0.625",
        "def f(span_mm: float = 91): ...",
        "row = 141 - 0.5",
        "encoder = RadiographEncoder(field_mm=160.0)",
        "mean = np.zeros((50, 2))",
        "assert volume.shape == (4, 256, 256)",
    ],
)
def test_a_second_statement_would_be_found(text):
    assert list(faults_of("Xray2MRILib/somewhere.py", text, set()))


def test_numbers_in_words_are_free():
    assert not list(faults_of("Xray2MRILib/somewhere.py", '"""[50, 256, 256] over 73.5 mm."""  # 91 mm\n', set()))
    assert not list(faults_of("Xray2MRI/self_test.py", "def checkVolume():\n    assert shape == (256, 73.5)\n", set()))
    assert list(faults_of("Xray2MRILib/somewhere.py", "def checkVolume():\n    assert shape == (256, 73.5)\n", set()))
