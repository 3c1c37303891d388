"""Pictures of every structure of a simulated knee, with arrows: docs/knee_anatomy_*.webp.

    python Testing/benchmarks/anatomy_figures.py --output docs

Each structure is shown in the coronal slice that holds most of it. The arrow's tip is the place inside the structure
that is farthest from its edge; labels come from the template, taken through the knee's own deformation.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

SEED, GRADE = 1_000_009, 0
DISEASED_SEED = 1_000_004
CROP, SCALE = 112, 3  # pixels shown around an arrow, and how large each is drawn
COLUMNS = 6
SHOWN_PERCENTILE, GAMMA = 99.6, 0.85
_LABEL = 22  # pixels of text under a picture
_ARROW = 20.0  # length in pixels of the volume
FIGURES = {
    "bones": (
        "femur", "tibia", "fibula", "patella", "femoral cartilage", "tibial cartilage", "patellar cartilage",
        "medial meniscus", "lateral meniscus", "posterior capsule",
    ),
    "ligaments": (
        "anterior cruciate ligament", "posterior cruciate ligament", "medial collateral ligament",
        "lateral collateral ligament", "patellar ligament", "quadriceps tendon", "iliotibial band",
        "medial retinaculum", "lateral retinaculum", "popliteus tendon", "biceps tendon", "hamstring tendons",
    ),
    "muscles": (
        "vastus medialis", "vastus intermedius", "vastus lateralis", "biceps femoris", "semimembranosus",
        "semitendinosus", "sartorius", "gracilis", "medial gastrocnemius", "lateral gastrocnemius", "plantaris",
        "popliteus", "soleus", "tibialis anterior", "extensor digitorum longus", "peroneus longus",
        "tibialis posterior", "flexor digitorum longus",
    ),
    "vessels": (
        "popliteal artery", "popliteal vein", "great saphenous vein", "small saphenous vein", "genicular vessels",
        "tibial nerve", "common peroneal nerve",
    ),
    "linings": (
        "Hoffa's fat pad", "suprapatellar pouch", "synovium", "fascia", "subcutaneous fat with septa", "skin",
    ),
}  # fmt: skip
# Slices in which a sheet that wraps the leg is cut across, not shown from the front; for genicular vessels, those
# between the popliteal bundle and the middle of the condyles, where a branch runs within the slice.
ACROSS = {
    "fascia": (20, 30), "skin": (14, 34), "synovium": (20, 30), "iliotibial band": (18, 34),
    "genicular vessels": (20, 30),
}  # fmt: skip
GENICULAR_MM = {"y": (-32.0, 50.0), "z": (-58.0, 22.0)}  # vessels of the calf share their label and lie behind it
CAPSULE_MM = {"y": (-60.0, -12.0), "z": (-40.0, 12.0), "x": (-38.0, 38.0)}  # where the posterior capsule is drawn
DISEASES = ("marrow lesion", "Baker's cyst", "effusion", "extruded meniscus", "osteophyte")


@dataclass
class ShownKnee:
    """A simulated volume [50, 256, 256] and the place [50, 256, 256, 3] in the template that each voxel shows."""

    volume: np.ndarray
    index: np.ndarray
    knee: Any

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values of the template [Y, Z, X] at the volume's voxels."""
        return values[tuple(np.moveaxis(self.index, -1, 0))]


def simulated(source: Any, knee: Any) -> ShownKnee:
    """Volume with the noise of a scan, and where its voxels lie in the template."""
    import torch

    from Xray2MRILib.acquisition.acquisition_model import Acquisition, acquire
    from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM
    from Xray2MRILib.simulation.mr.flash_mri import field_axes
    from Xray2MRILib.simulation.pairs.image_knee import deformed, scan_image_knee

    deformation = deformed(source, knee)
    noisy = acquire(scan_image_knee(source, knee, deformation=deformation), Acquisition(seed=SEED, clip_share=None))
    # a window wide enough to tell vessels from muscle, unlike that of published pictures
    volume = (noisy.numpy() / np.percentile(noisy.numpy(), SHOWN_PERCENTILE)).clip(0, 1) ** GAMMA
    low = torch.tensor([lo for lo, _ in EXTENT_MM.values()])
    size = torch.tensor(source.template.code.shape)
    places = []
    y, z, x = field_axes(knee.parameters)
    for depth in y:
        grid = torch.stack(torch.meshgrid(depth[None], z, x, indexing="ij"), dim=-1)[0]
        shown = deformation.open_joint(deformation.shape(grid))
        at = torch.round((shown - low) / SPACING_MM).long()
        places.append(torch.minimum(at.clamp(min=0), size - 1))
    return ShownKnee(volume, torch.stack(places).numpy(), knee)


def masks_of(shown: ShownKnee, source: Any) -> dict[str, np.ndarray]:
    """Where the volume shows every structure of FIGURES, bool [50, 256, 256]."""
    from Xray2MRILib.simulation.anatomy.anatomical_structures import STRUCTURE
    from Xray2MRILib.simulation.anatomy.anatomy_template import template_axes
    from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

    template = source.template
    code, structure = shown.of(template.code), shown.of(template.structure)
    # drawn when the template is prepared: its tissue codes do not hold them
    tendons = np.zeros(template.code.shape, bool)
    tendons[source.box] = (source.code.numpy() == CODE["tendon"]) & (template.code[source.box] != CODE["tendon"])
    outside = shown.of(template.anatomy.outside_mm).astype(np.float32)
    p = shown.knee.parameters
    fat = (outside > 0) & (outside < p.fat_mm)
    y, z, _ = template_axes()
    (rear, front), (top, foot) = GENICULAR_MM.values()
    about_the_joint = ((y > rear) & (y < front))[:, None, None] & ((z > top) & (z < foot))[None, :, None]
    genicular = (template.structure == STRUCTURE["genicular vessels"]) & about_the_joint
    special = {
        **{name: shown.of(part) for name, part in parts_of_the_joint(template).items()},
        "genicular vessels": shown.of(genicular),
        "hamstring tendons": shown.of(tendons),
        "subcutaneous fat with septa": fat,
        "skin": (outside >= p.fat_mm) & (outside < p.fat_mm + p.skin_mm),
    }
    found = {}
    for names in FIGURES.values():
        for name in names:
            if name in special:
                found[name] = special[name]
            elif name in STRUCTURE:
                found[name] = structure == STRUCTURE[name]
            else:
                found[name] = code == CODE[name]
    return found


def parts_of_the_joint(template: Any) -> dict[str, np.ndarray]:
    """What the template's tissue codes hold under one code, bool [Y, Z, X]: cartilage by bone, menisci by side."""
    from scipy import ndimage

    from Xray2MRILib.simulation.anatomy.anatomy_template import template_axes
    from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

    code = template.code
    y, z, x = template_axes()
    cartilage = code == CODE["cartilage"]
    box = ndimage.find_objects(cartilage.astype(np.uint8))[0]
    bones = ("femur", "tibia", "patella")
    away = np.stack([ndimage.distance_transform_edt(code[box] != CODE[bone]).astype(np.float32) for bone in bones])
    nearest = np.full(code.shape, -1, np.int8)
    nearest[box] = away.argmin(axis=0)
    names = ("femoral cartilage", "tibial cartilage", "patellar cartilage")
    parts = {name: cartilage & (nearest == k) for k, name in enumerate(names)}
    meniscus = code == CODE["meniscus"]
    parts["medial meniscus"], parts["lateral meniscus"] = meniscus & (x > 0), meniscus & (x < 0)
    inside = [(a > low) & (a < high) for a, (low, high) in zip((y, z, x), CAPSULE_MM.values(), strict=True)]
    near = inside[0][:, None, None] & inside[1][None, :, None] & inside[2]
    parts["posterior capsule"] = (code == CODE["ligament"]) & (template.structure == 0) & near
    return parts


def diseases_of(shown: ShownKnee, source: Any) -> dict[str, np.ndarray]:
    """Where the volume shows every disease, bool [50, 256, 256]."""
    import torch

    from Xray2MRILib.simulation.anatomy.marrow_lesions import marrow_lesions
    from Xray2MRILib.simulation.anatomy.popliteal_cyst import fill_popliteal_cyst
    from Xray2MRILib.simulation.anatomy.tissue_classes import TISSUE_ID
    from Xray2MRILib.simulation.mr.tissue_maps import TissueMaps

    anatomy, p = source.template.anatomy, shown.knee.parameters
    diseased = TissueMaps(anatomy, p).code.numpy()
    changed = diseased != anatomy.regions.code
    cyst = torch.from_numpy(anatomy.tissue.copy())
    fill_popliteal_cyst(anatomy, p, cyst)
    sac = (cyst.numpy() != anatomy.tissue) & (cyst.numpy() == TISSUE_ID["fluid"])
    lesion = np.zeros(anatomy.tissue.shape, bool)
    bone = (anatomy.tissue >= TISSUE_ID["femur"]) & (anatomy.tissue <= TISSUE_ID["patella"])
    for found in marrow_lesions(anatomy, p):
        lesion[found.box] |= (found.share.numpy() > 0.55) & bone[found.box]
    pouch = np.zeros(anatomy.tissue.size, bool)
    pouch[anatomy.regions.recess[0]] = True
    pouch = pouch.reshape(anatomy.tissue.shape)
    return {
        "marrow lesion": shown.of(lesion),
        "Baker's cyst": shown.of(sac),
        "effusion": shown.of(changed & (diseased == TISSUE_ID["fluid"]) & pouch),
        "extruded meniscus": shown.of(changed & (diseased == TISSUE_ID["meniscus"])),
        "osteophyte": shown.of(changed & (diseased == TISSUE_ID["osteophyte"])),
    }


def target(mask: np.ndarray, name: str) -> tuple[int, int, int] | None:
    """Slice, row and column of the arrow's tip: in the slice that holds most of the structure, away from its edge."""
    from scipy import ndimage

    area = mask[:, 6:-6, 6:-6].sum(axis=(1, 2))
    first, last = ACROSS.get(name, (0, len(area)))
    area[:first] = area[last:] = 0
    if not area.any():
        return None
    place = int(np.argmax(area))
    # strands of one ligament count as one
    closed = ndimage.binary_closing(mask[place], iterations=2)
    section = np.zeros_like(closed)
    section[6:-6, 6:-6] = closed[6:-6, 6:-6]
    labels, _ = ndimage.label(section, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    depth = ndimage.distance_transform_edt(labels == sizes.argmax())
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return place, int(row), int(column)


def panel(volume: np.ndarray, at: tuple[int, int, int], name: str) -> Any:
    """The surroundings of an arrow, enlarged, with the arrow and the structure's name."""
    from PIL import Image, ImageDraw

    place, row, column = at
    size = volume.shape[1]
    top, left = (int(np.clip(v - CROP // 2, 0, size - CROP)) for v in (row, column))
    grey = (np.clip(volume[place, top : top + CROP, left : left + CROP], 0, 1) * 255).round().astype(np.uint8)
    picture = Image.new("RGB", (CROP * SCALE, CROP * SCALE + _LABEL), "black")
    picture.paste(Image.fromarray(grey).resize((CROP * SCALE,) * 2, Image.Resampling.BICUBIC), (0, 0))
    draw = ImageDraw.Draw(picture)
    tip = np.array([(column - left + 0.5) * SCALE, (row - top + 0.5) * SCALE])
    # the arrow comes from the side of the picture where there is room
    aside = np.array([-1.0 if tip[0] > CROP * SCALE / 2 else 1.0, -1.0 if tip[1] > CROP * SCALE / 2 else 1.0])
    direction = -aside / np.sqrt(2)
    tail = tip - direction * _ARROW * SCALE
    across = np.array([-direction[1], direction[0]])
    for shade, width in (("black", 5), ("#ffd400", 2)):
        draw.line([tuple(tail), tuple(tip)], fill=shade, width=width)
    head = [tip, tip - 13 * direction + 5 * across, tip - 13 * direction - 5 * across]
    draw.polygon([tuple(p) for p in head], fill="#ffd400", outline="black")
    draw.text((4, CROP * SCALE + 4), f"{name} (slice {place + 1})", fill="white", font_size=14)
    return picture


def sheet(panels: list[Any], path: Path) -> None:
    """Pictures in rows of COLUMNS, as WebP."""
    from PIL import Image

    width, height = panels[0].size
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    whole = Image.new("RGB", (columns * (width + 4), rows * (height + 4)), "#404040")
    for k, picture in enumerate(panels):
        whole.paste(picture, (k % columns * (width + 4), k // columns * (height + 4)))
    whole.save(path, "WEBP", quality=50, method=6)  # noise takes most of the room


def main() -> None:
    """Prepare the template and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from Xray2MRILib.simulation.pairs.template_library import MULTI_ECHO, TemplateChoice, TemplateLibrary

    write_figures(TemplateLibrary().prepared(TemplateChoice(MULTI_ECHO, MULTI_ECHO)), options.output)


def write_figures(source: Any, folder: Path) -> None:
    """Simulate two knees of one template and write the pictures of every structure into ``folder``."""
    from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee

    shown = simulated(source, draw_image_knee(SEED, GRADE, source.template))
    masks = masks_of(shown, source)
    for figure, names in FIGURES.items():
        panels = [panel(shown.volume, at, name) for name in names if (at := target(masks[name], name)) is not None]
        missing = [name for name in names if target(masks[name], name) is None]
        if missing:
            print(f"{figure}: this knee's field does not show {', '.join(missing)}")
        sheet(panels, folder / f"knee_anatomy_{figure}.webp")
    knee = draw_image_knee(DISEASED_SEED, 4, source.template)
    lesions = {**knee.parameters.marrow_lesion_mm, "tibia_medial": 9.0}
    all_of_them = replace(
        knee.parameters, marrow_lesion_mm=lesions, baker_cyst_mm=6.0, effusion_mm=4.0,
        extrusion_mm={"medial": 4.0, "lateral": 0.0},
    )  # fmt: skip
    shown = simulated(source, replace(knee, parameters=all_of_them))
    masks = diseases_of(shown, source)
    panels = [panel(shown.volume, at, name) for name in DISEASES if (at := target(masks[name], name)) is not None]
    sheet(panels, folder / "knee_anatomy_diseases.webp")


if __name__ == "__main__":
    main()
