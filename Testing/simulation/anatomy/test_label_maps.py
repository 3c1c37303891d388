"""Label maps of one's own: a small made one becomes a template and a pair; faults are named; soft tissue is carried."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError, Xray2MRIError
from Xray2MRILib.simulation.anatomy.anatomy_template import TISSUE_ID, AnatomyTemplate, template_axes
from Xray2MRILib.simulation.anatomy.label_map import label_map_hash, read_label_map
from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE
from Xray2MRILib.simulation.pairs.template_library import LABEL_MAPS, MULTI_ECHO, TemplateChoice, TemplateLibrary

LABELS = {
    "1": {"structure": "femur", "tissue": "bone"},
    "2": {"structure": "tibia", "tissue": "bone"},
    "3": {"structure": "tibial_cartilage", "tissue": "cartilage"},
    "4": {"structure": "femoral_cartilage", "tissue": "cartilage"},
    "5": {"structure": "thigh", "tissue": "muscle"},
}
SPACING = (2.0, 2.0, 2.5)  # x, y, z in mm
GAP_MM = 5.0


def made_map(folder: Path, *, side: str = "right", muscle: bool = True, **changes: object) -> Path:
    """Two bones of rounded condyles and a flat plateau with 2.5 mm of cartilage on each, in LPS order on disk."""
    import SimpleITK as sitk

    folder.mkdir(parents=True, exist_ok=True)
    x, y, z = (np.arange(-60, 60.1, s) for s in (SPACING[0], SPACING[1], SPACING[2]))
    z = np.arange(-68.75, 70, SPACING[2])  # voxel faces at +-2.5 mm, where the gap ends
    up, back, left = np.meshgrid(z, y, x, indexing="ij")  # LPS: x to the left, y to the back, z upwards
    labels = np.zeros(up.shape, np.uint8)
    if muscle:
        labels[np.hypot(back, left) < 55] = 5
    condyles = [np.hypot(back - 4, up - GAP_MM / 2 - 24) < 24 for _ in range(2)]
    centres = (-20, 20)
    femur = (np.hypot(back, left) < 15) & (up > 20)
    for inside, centre in zip(condyles, centres, strict=True):
        femur |= inside & (np.abs(left - centre) < 16)
    tibia = (up < -GAP_MM / 2) & (np.abs(left) < 38) & (np.abs(back) < 24) & (up > -20)
    tibia |= (up < -18) & (np.hypot(back, left) < 16)
    labels[(np.abs(up) < GAP_MM / 2) & (np.abs(np.abs(left) - 20) < 14) & (np.abs(back) < 18)] = 3
    labels[femur], labels[tibia] = 1, 2
    # the medial plateau is wider in front, so that sides can be told apart
    if side == "left":
        labels = labels[:, :, ::-1]
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(SPACING)
    sitk.WriteImage(image, str(folder / "labels.nrrd"), True)
    description = {"name": "made knee", "side": side, "labels": LABELS if muscle else {k: LABELS[k] for k in "1234"}}
    (folder / "labels.json").write_text(json.dumps(description | changes), encoding="utf-8")
    return folder


def test_reading_puts_every_map_into_right_knee_space(tmp_path: Path) -> None:
    right, left = (read_label_map(made_map(tmp_path / side, side=side)) for side in ("right", "left"))
    assert np.array_equal(right.labels, left.labels)
    assert right.spacing_mm == pytest.approx([2.0, 2.5, 2.0])
    femur, tibia = (np.argwhere(right.labels == right.label_of(b))[:, 1].mean() for b in ("femur", "tibia"))
    assert femur < tibia  # z from superior to inferior
    # one label of tibial cartilage became two, the lateral one at x < 0 (the patient's right)
    sides = [
        np.argwhere(right.labels == right.label_of(f"{s}_tibial_cartilage"))[:, 2].mean() for s in ("lateral", "medial")
    ]
    assert sides[0] < sides[1]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"side": "both"}, "neither"),
        ({"labels": {}}, "no voxels of femur"),
        ({"labels": {"1": {"structure": "femur", "tissue": "stone"}}}, "the tissue 'stone'"),
        ({"labels": {"1": {"structure": "rib", "tissue": "bone"}}}, "a bone that is none of"),
        ({"labels": {"one": {"structure": "femur", "tissue": "bone"}}}, "not a whole number"),
        ({"labels": {"1": {"tissue": "bone"}}}, 'no "structure"'),
        ({"labels": [1, 2]}, 'no object "labels"'),
        ({"file": "other.nrrd"}, "holds no other.nrrd"),
    ],
)
def test_faults_are_named(tmp_path: Path, change: dict, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read_label_map(made_map(tmp_path / "map", **change))


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_label_map(tmp_path / "nowhere")
    (tmp_path / "labels.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not readable JSON"):
        read_label_map(tmp_path)
    folder = made_map(tmp_path / "map")
    (folder / "labels.nrrd").write_text("no volume", encoding="utf-8")
    with pytest.raises(InputError, match="not a readable volume"):
        read_label_map(folder)


def test_hash_follows_volume_and_json(tmp_path: Path) -> None:
    folder = made_map(tmp_path / "map")
    first = label_map_hash(folder)
    assert label_map_hash(folder) == first
    made_map(folder, name="another name")
    assert label_map_hash(folder) != first


def test_outline_keeps_the_joint_and_its_shafts_reach_both_ends(tmp_path: Path) -> None:
    from Xray2MRILib.simulation.anatomy.outline import build_outline

    outline = build_outline(made_map(tmp_path / "made", muscle=False))
    x = template_axes()[2]
    column = int(np.argmin(np.abs(x - outline.compartment_mm["medial"][1])))
    along = outline.code[int((outline.compartment_mm["medial"][0] - EXTENT_MM["y"][0]) / SPACING_MM), :, column]
    gap = (np.argmax(along == CODE["tibia"]) - np.flatnonzero(along == CODE["femur"])[-1] - 1) * SPACING_MM
    assert gap == pytest.approx(GAP_MM, abs=1.3)
    assert (outline.code[:, 0] == CODE["femur"]).any()
    assert (outline.code[:, -1] == CODE["tibia"]).any()
    assert outline.ends_mm == pytest.approx((-68, 68), abs=6)
    assert not outline.has("patella")


@pytest.mark.slow
def test_made_map_becomes_a_pair(tmp_path: Path) -> None:
    """Soft tissue is lent to the map's bones; the joint space drawn for a knee is found again in it."""
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair, read_record
    from Xray2MRILib.simulation.pairs.population import simulate_population

    folder = made_map(tmp_path / "made", muscle=False)
    library = TemplateLibrary()
    library.build(TemplateChoice(MULTI_ECHO, MULTI_ECHO))
    soft_tissue = library.parts(TemplateChoice(MULTI_ECHO, MULTI_ECHO))[0]
    (tmp_path / "cache").mkdir()
    shutil.copy(soft_tissue, tmp_path / "cache")
    simulate_population(tmp_path / "pairs", 1, seed=3, label_maps=[folder], cache=tmp_path / "cache")
    (path,) = list_pairs(tmp_path / "pairs")
    pair, record = read_pair(path), read_record(path)
    assert record["template"] == {"outline": "made", "soft_tissue": "multi_echo_knee"}
    assert pair.joint_space_mm["medial"] == pytest.approx(pair.parameters.joint_space_mm["medial"], abs=0.8)
    assert pair.volume.shape == (50, 256, 256)
    assert pair.bone.max() > 0.5  # a bone absorbs more than half
    # outline and map are kept for the next run
    assert {p.name.split("-")[0] for p in (tmp_path / "cache").iterdir()} == {
        "soft", "outline", "map", "assembled"
    }  # fmt: skip


def test_a_template_that_cannot_be_kept_is_one_sentence(tmp_path: Path) -> None:
    box, plane = np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2), np.float32)
    centres = {"medial": (0.0, 18.0), "lateral": (0.0, -18.0)}
    template = AnatomyTemplate("made", box, box, box, plane, plane, (-36.0, 36.0), centres, {})
    (tmp_path / "no folder").write_text("", encoding="utf-8")
    with pytest.raises(Xray2MRIError):
        template.save(tmp_path / "no folder" / "template.npz")
    template.save(tmp_path / "template.npz")
    assert AnatomyTemplate.load(tmp_path / "template.npz").compartment_mm == centres


def test_shipped_maps() -> None:
    library = TemplateLibrary()
    assert {name: library.own_soft_tissue[name] for name in LABEL_MAPS} == {
        "spl_knee_atlas": True, "dess_knee": False, "mskt_right_knee": False, "mskt_left_knee": False
    }  # fmt: skip


def test_structures_stay_connected_in_deformed_knees(tmp_path: Path) -> None:
    """Each bone of the shipped atlas stays one piece in MR space for extreme knees (the map is one-to-one)."""
    import torch
    from scipy import ndimage

    from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation
    from Xray2MRILib.simulation.anatomy.knee_parameters import draw
    from Xray2MRILib.simulation.anatomy.tissue_volume import TissueVolume
    from Xray2MRILib.simulation.mr.flash_mri import scan

    y, z, x = template_axes()
    shape = (len(y), len(z), len(x))
    far = np.hypot(y[:, None, None] / 26, x[None, None] / 36)
    tissue = np.zeros(shape, np.uint8)
    tissue[np.broadcast_to(far < 1, shape) & (z < -2.5)[None, :, None]] = TISSUE_ID["femur"]
    tissue[np.broadcast_to(far < 1, shape) & (z > 2.5)[None, :, None]] = TISSUE_ID["tibia"]
    plane = np.zeros((len(y), len(x)), np.float32)
    template = AnatomyTemplate(
        "columns", tissue, np.zeros(shape, np.float16), np.zeros(shape, np.float16), plane - 2.5, plane + 2.5,
        (-36.0, 36.0), {"medial": (0.0, 18.0), "lateral": (0.0, -18.0)}, {},
    )  # fmt: skip
    for seed in (4, 9, 14):
        parameters = draw(seed, 4, ("columns",), {"columns": 72.0})
        deformation = KneeDeformation(template, parameters)
        for bone in ("femur", "tibia"):
            mask = torch.from_numpy((tissue == TISSUE_ID[bone]).astype(np.float32))
            volume = scan(deformation, TissueVolume.of_template(mask), parameters).numpy()
            volume = volume / volume.max(axis=(1, 2), keepdims=True).clip(1e-3)
            _, pieces = ndimage.label(volume > 0.5)
            assert pieces == 1
