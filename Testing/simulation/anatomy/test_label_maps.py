"""Label maps of one's own: a small made one becomes a template and a pair; faults are named; soft tissue is carried."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError, Xray2MRIError
from Xray2MRILib.simulation.anatomy.anatomy_template import TISSUE_ID, AnatomyTemplate, template_axes
from Xray2MRILib.simulation.anatomy.label_map import label_map_hash, lacks_soft_tissue, read_label_map
from Xray2MRILib.simulation.pairs.population import shipped_label_maps

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
    (folder / "labels.json").write_text(json.dumps(description | changes))
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
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        read_label_map(tmp_path)
    folder = made_map(tmp_path / "map")
    (folder / "labels.nrrd").write_text("no volume")
    with pytest.raises(InputError, match="not a readable volume"):
        read_label_map(folder)


def test_hash_follows_volume_and_json(tmp_path: Path) -> None:
    folder = made_map(tmp_path / "map")
    first = label_map_hash(folder)
    assert label_map_hash(folder) == first
    made_map(folder, name="another name")
    assert label_map_hash(folder) != first


@pytest.mark.slow
def test_made_map_becomes_a_pair(tmp_path: Path) -> None:
    """The joint space of the map is found again in the template, and a drawn one in the knee."""
    from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation
    from Xray2MRILib.simulation.anatomy.knee_parameters import draw
    from Xray2MRILib.simulation.pairs.knee_pair import simulate_pair
    from Xray2MRILib.simulation.pairs.population import load_templates

    folder = made_map(tmp_path / "made")
    template = load_templates([folder], tmp_path / "cache")["made"]
    y, _, x = template_axes()
    i, j = int(np.argmin(np.abs(x - template.compartment_mm["medial"][1]))), int(np.argmin(np.abs(y)))
    assert template.tibia_roof_mm[j, i] - template.femur_floor_mm[j, i] == pytest.approx(GAP_MM, abs=1.3)
    assert template.plateau_mm[1] - template.plateau_mm[0] == pytest.approx(76, abs=3)
    assert (template.tissue == TISSUE_ID["muscle"]).any()
    width = template.plateau_mm[1] - template.plateau_mm[0]
    parameters = draw(3, 3, ("made",), {"made": width})
    deformation = KneeDeformation(template, parameters)
    measured = deformation.joint_space_mm()
    assert measured["medial"] == pytest.approx(parameters.joint_space_mm["medial"], abs=0.8)
    pair = simulate_pair(template, parameters)
    assert pair.volume.shape == (50, 256, 256)
    assert pair.bone.max() > 0.5  # a bone absorbs more than half
    # the second call takes the kept template
    kept = next((tmp_path / "cache").glob("template-made-*.npz"))
    before = kept.stat().st_mtime_ns
    load_templates([folder], tmp_path / "cache")
    assert kept.stat().st_mtime_ns == before


@pytest.mark.slow
def test_soft_tissue_is_carried_to_a_map_without_any(tmp_path: Path) -> None:
    """The map's own bones stay to the voxel; muscle comes from the atlas, registered on the bones."""
    from Xray2MRILib.simulation.anatomy.soft_tissue_transfer import bone_overlap, carry_soft_tissue
    from Xray2MRILib.simulation.anatomy.template_building import build_template

    atlas = build_template(made_map(tmp_path / "atlas"))
    bones_only = np.where(
        np.isin(atlas.tissue, [TISSUE_ID[t] for t in ("femur", "tibia", "cartilage")]), atlas.tissue, 0
    )
    # a smaller knee, shifted: every axis by 0.9 about the joint
    from scipy import ndimage

    centre = np.array(atlas.tissue.shape) / 2
    small = ndimage.affine_transform(bones_only, np.full(3, 1 / 0.9), centre * (1 - 1 / 0.9) + (2, 0, 3), order=0)
    done = carry_soft_tissue(small, np.where(atlas.outside_mm > 0, 0, atlas.tissue), (-65.0, 65.0))
    own = np.abs(template_axes()[1]) < 60
    for bone in ("femur", "tibia"):
        assert np.array_equal((done == TISSUE_ID[bone])[:, own], (small == TISSUE_ID[bone])[:, own])
    muscle, whole = (done == TISSUE_ID["muscle"])[:, own], (atlas.tissue == TISSUE_ID["muscle"])[:, own]
    assert muscle.sum() == pytest.approx(whole.sum() * 0.9**2, rel=0.15)
    assert bone_overlap(small, atlas.tissue) > 0.93


def test_a_template_that_cannot_be_kept_is_one_sentence(tmp_path: Path) -> None:
    box, plane = np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2), np.float32)
    centres = {"medial": (0.0, 18.0), "lateral": (0.0, -18.0)}
    template = AnatomyTemplate("made", box, box, box, plane, plane, (-36.0, 36.0), centres, {})
    (tmp_path / "no folder").write_text("")
    with pytest.raises(Xray2MRIError):
        template.save(tmp_path / "no folder" / "template.npz")
    template.save(tmp_path / "template.npz")
    assert AnatomyTemplate.load(tmp_path / "template.npz").compartment_mm == centres


def test_shipped_maps() -> None:
    atlas, dess = shipped_label_maps()
    assert not lacks_soft_tissue(atlas)
    assert lacks_soft_tissue(dess)


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
