"""The signal of image-based templates against closed forms, on a template made of blocks."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Testing.material.block_knee import block_template  # noqa: E402
from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate, first_generation  # noqa: E402
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE  # noqa: E402
from Xray2MRILib.simulation.mr import texture_blocks  # noqa: E402
from Xray2MRILib.simulation.mr.image_signal import knee_signal, shell_kinds  # noqa: E402
from Xray2MRILib.simulation.mr.prepared_template import NOTCH_FAT, between_cartilages, prepared  # noqa: E402
from Xray2MRILib.simulation.mr.property_tables import PLAIN_FAT, property_tables, saturation  # noqa: E402
from Xray2MRILib.simulation.mr.scan_parameters import CHEMICAL_SHIFT_MM, ScanParameters, draw_scan  # noqa: E402
from Xray2MRILib.simulation.mr.tissue_properties import ECHO_TIME_MS, spoiled_gradient_echo  # noqa: E402

SMOOTH = ScanParameters(
    fat_residue=0.5,
    septa=0,
    lobules=0,
    fibres=0,
    bundles=0,
    bellies=0,
    strands=0,
    vessels=0,
    perimysium=0,
    marrow_grain=0,
)


@pytest.fixture(scope="module")
def blocks() -> ImageTemplate:
    """A block of muscle around z > 0 and of fat around z < 0, 60 mm wide and deep, with no fat outside the fascia."""
    y, z, x = template_axes()
    inside = (np.abs(y)[:, None, None] < 30) & (np.abs(x)[None, None] < 30) & (np.abs(z)[None, :, None] < 60)
    code = np.where(inside, np.where(z[None, :, None] > 0, CODE["muscle"], CODE["fat"]), 0).astype(np.uint8)
    water = np.where(code == CODE["muscle"], 158, 0).astype(np.uint8)
    fat = np.where(code == CODE["fat"], 180, 0).astype(np.uint8)
    plane = np.zeros((len(y), len(x)), np.float32)
    anatomy = AnatomyTemplate(
        "blocks", first_generation(code), np.zeros(code.shape, np.float16), np.zeros(code.shape, np.float16),
        plane - 3, plane + 3, (-35.0, 35.0), {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {},
    )  # fmt: skip
    return ImageTemplate(anatomy, code, water, fat, np.full(code.shape, 33, np.uint8))


def values_of(template: ImageTemplate, scan: ScanParameters = SMOOTH) -> tuple[np.ndarray, float]:
    """Signal along z through the middle of the blocks, and the place of the first value in mm."""
    volume = knee_signal(prepared(template), KneeParameters(seed=1, kl_grade=0), scan)
    middle = [n // 2 for n in volume.values.shape]
    return volume.values[middle[0], :, middle[2]].numpy(), volume.low_mm[1]


def test_muscle_has_the_signal_of_the_equation(blocks: ImageTemplate) -> None:
    line, low = values_of(blocks)
    muscle = line[round((20 - low) / 0.625)]
    expected = 0.79 * spoiled_gradient_echo(1412.0, 0.75 * 33)
    assert muscle == pytest.approx(expected, rel=0.16)  # every tissue varies by up to 15 % from knee to knee


def test_fat_lies_off_by_the_chemical_shift(blocks: ImageTemplate) -> None:
    """The edge of fat at z = -60 mm comes to lie 1.06 mm farther down; that of muscle stays at 60 mm."""
    line, low = values_of(blocks)
    place = low + 0.625 * np.arange(len(line))
    fat = line[(place > -40) & (place < -20)].mean()
    at = int(np.flatnonzero((line[:-1] < fat / 2) & (line[1:] >= fat / 2) & (place[:-1] < -50))[-1])
    found = place[at] + 0.625 * (fat / 2 - line[at]) / (line[at + 1] - line[at])
    z = template_axes()[1]
    edge = z[z > -60][0] - 0.625 / 2  # between the last voxel without and the first with fat
    assert found == pytest.approx(edge + 1.06, abs=0.12)
    assert pytest.approx(1.06) == CHEMICAL_SHIFT_MM
    muscle = line[(place > 20) & (place < 40)].mean()
    falling = place[(line > muscle / 2) & (place > 50) & (place < 62)]
    assert falling[-1] == pytest.approx(60, abs=0.7)


def test_the_shift_alone_moves_a_plane_by_a_fraction_of_a_voxel() -> None:
    from Xray2MRILib.simulation.mr.image_signal import _shifted

    ramp = torch.arange(20.0)[None, :, None] * torch.ones(2, 1, 2)
    assert _shifted(ramp, 1.7)[0, 5:, 0].numpy() == pytest.approx(np.arange(5, 20) - 1.7, abs=1e-5)


def test_marrow_is_half_to_three_quarters_of_subcutaneous_fat() -> None:
    """As on two scans: 0.5 to 0.75 with the marrow of the tables, for the drawn T2* of marrow."""
    for seed in range(12):
        scan = draw_scan(seed)
        table = property_tables(seed, scan.fat_residue, 1.0, marrow_t2star_ms=scan.marrow_t2star_ms, spread=0)
        signal = table.plain_water + table.plain_fat
        assert 0.45 < signal[CODE["femur"]] / signal[CODE["subcutaneous"]] < 0.80


def test_inflow_multiplies_blood_alone() -> None:
    still, flowing = (property_tables(3, 0.07, f, marrow_t2star_ms=10) for f in (1.0, 1.4))
    ratio = flowing.plain_water[1:] / still.plain_water[1:]
    for name, code in CODE.items():
        if name != "outside":
            assert ratio[code - 1] == pytest.approx(1.4 if name in ("artery", "vein") else 1.0)


def test_saturation_is_that_of_the_spoiled_echo() -> None:
    flip, e1 = np.radians(12), np.exp(-20 / 1412)
    assert saturation(1412.0) == pytest.approx(np.sin(flip) * (1 - e1) / (1 - np.cos(flip) * e1), rel=1e-6)
    assert pytest.approx(7.57) == ECHO_TIME_MS


def test_fat_and_skin_are_laid_by_their_thickness() -> None:
    kinds = shell_kinds(8.0, 1.8)
    assert np.array_equal(kinds[:20], np.arange(20))
    assert (kinds == CODE["subcutaneous"])[20:].sum() * 0.2 == pytest.approx(8.0, abs=0.1)
    assert (kinds == CODE["skin"])[20:].sum() * 0.2 == pytest.approx(1.8, abs=0.1)


def test_fibres_are_ten_times_longer_along_the_leg() -> None:
    """Autocorrelation of a Gaussian filter of sigma s at distance d: exp(-d^2 / 4 s^2), s = 1.8, 10 and 1 voxels."""
    field = texture_blocks.fibres()
    across = float((field * np.roll(field, 2, axis=2)).mean())
    along = float((field * np.roll(field, 20, axis=1)).mean())
    through = float((field * np.roll(field, 3, axis=0)).mean())
    assert across == pytest.approx(np.exp(-1.0), abs=0.05)
    assert along == pytest.approx(np.exp(-1.0), abs=0.08)
    assert through == pytest.approx(np.exp(-9 / (4 * 1.8**2)), abs=0.05)


def test_sheets_run_along_the_leg() -> None:
    """Perimysium: the mean step along z is at most a third of that across; sheets are a share of the muscle only."""
    sheets = texture_blocks.perimysium()
    across = np.abs(np.diff(sheets, axis=2)).mean()
    along = np.abs(np.diff(sheets, axis=1)).mean()
    assert along < across / 3
    assert 0.05 < (sheets > 0.4).mean() < 0.4


def test_a_block_is_placed_periodically() -> None:
    block = torch.arange(4.0 * 5 * 6).view(4, 5, 6)
    part = texture_blocks.placed(block, (9, 11, 13), (3, 8, 1))
    assert part.shape == (9, 11, 13)
    assert part[0, 0, 0] == block[3, 3, 1]
    assert torch.equal(part[:4], part[4:8])
    assert torch.equal(torch.unique(part), block.flatten())


def test_one_seed_gives_one_signal(blocks: ImageTemplate) -> None:
    scan = ScanParameters()
    first, again = (values_of(blocks, scan)[0] for _ in range(2))
    assert np.array_equal(first, again)


def test_cartilage_grows_brighter_from_the_bone_to_its_surface() -> None:
    """T2* 14 ms at the bone, 28 ms at the surface; menisci are darker at their surface than in their core."""
    template = block_template()
    source = prepared(template)
    water = np.zeros(template.code.shape, np.float32)
    water[source.box] = source.water.numpy()
    index, depth, _ = template.anatomy.regions.cartilage
    layer = water.reshape(-1)[index]
    assert layer[depth > 0.8].mean() > 1.15 * layer[depth < 0.3].mean()
    for part in (depth < 0.3, depth > 0.8):
        t2star = 14 + 14 * depth[part].mean()
        assert layer[part].mean() == pytest.approx(0.80 * np.exp(-ECHO_TIME_MS / t2star), rel=0.02)
    meniscus = np.where(template.code == CODE["meniscus"], water, np.nan)
    assert np.nanmin(meniscus) == pytest.approx(0.65 * np.exp(-ECHO_TIME_MS / 6.0), rel=0.02)
    assert np.nanmax(meniscus) > 1.15 * np.nanmin(meniscus)


def test_cartilages_touch() -> None:
    """A gap between the layers is filled; fat beside the joint, and above one layer alone, stays."""
    template = block_template()
    _, z, x = template_axes()
    gap = (np.abs(z) < 0.7)[None, :, None] & (template.code == CODE["cartilage"])
    lower = (z > 0)[None, :, None] & (template.code == CODE["cartilage"]) & (x < -15)[None, None]
    template.code[gap | lower] = CODE["fat"]
    found = between_cartilages(template)
    expected = gap & (x >= -15)[None, None]
    assert expected.any()
    assert np.array_equal(found, expected)
    source = prepared(template)
    code = np.zeros(template.code.shape, np.uint8)
    code[source.box] = source.code.numpy()
    assert (code[expected] == CODE["cartilage"]).all()
    assert (code[lower & ~expected] == CODE["fat"]).all()


def test_loose_tissue_of_the_notch_is_no_pure_fat(blocks: ImageTemplate) -> None:
    source = prepared(blocks)
    fat = np.zeros(blocks.code.shape, np.float32)
    fat[source.box] = source.fat.numpy()
    y, z, x = template_axes()

    def at(*place: float) -> float:
        index = [int(np.argmin(np.abs(axis - value))) for axis, value in zip((y, z, x), place, strict=True)]
        return float(fat[tuple(index)])

    assert at(-8, -14, 0) == pytest.approx(NOTCH_FAT * PLAIN_FAT["fat"], rel=0.01)
    assert at(-8, -50, 0) == at(-8, -14, 28) == pytest.approx(0.9)


def test_the_free_edge_of_a_meniscus_fades_into_what_lies_beside_it() -> None:
    """A wedge of one voxel has cartilage's signal, the body its own."""
    template = block_template()
    _, z, x = template_axes()
    thin = (template.code == CODE["meniscus"]) & (x > 0)[None, None] & (np.abs(z) > 0.4)[None, :, None]
    template.code[thin] = CODE["fat"]
    source = prepared(template)
    water = np.zeros(template.code.shape, np.float32)
    water[source.box] = source.water.numpy()
    meniscus = template.code == CODE["meniscus"]
    edge, body = (water[meniscus & side[None, None]] for side in (x > 0, x <= 0))
    assert edge == pytest.approx(0.80 * np.exp(-ECHO_TIME_MS / 28.0), rel=0.01)
    assert body.max() < edge.min()


def test_vessels_are_thin_and_run_on_over_the_edge_of_their_block() -> None:
    tubes = texture_blocks.vessels()
    assert 0.002 < (tubes > 0.5).mean() < 0.03
    steps = np.abs(np.diff(tubes, axis=1)).mean()
    assert np.abs(tubes[:, 0] - tubes[:, -1]).mean() == pytest.approx(steps, rel=0.5)
