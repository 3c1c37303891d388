"""Many knees on isotropic voxels: deterministic by seed, balanced over KL grades, every second one with lesions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...files.atomic_write import writing_error
from ..pairs.image_knee import draw_image_knee
from ..pairs.population import GRADES, drawn_entries
from ..pairs.template_library import TemplateChoice, TemplateLibrary
from .fine_scan import VOXEL_MM, scan_fine
from .fine_store import fine_path, write_fine


def simulate_fine_population(
    output: Path,
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    stride: int = 1,
    label_maps: list[Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write volumes ``first, first + stride, ...`` below ``count`` into ``output``; those that exist are kept.

    Knee k has the seed, the grade and the template that it has in ``simulate_population``, and lesions when k // 5 is
    odd. Knees of one template are made together. Raises InputError as ``simulate_population``.
    """
    library = TemplateLibrary(label_maps)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, output) from error
    wanted = range(first, count, stride)
    missing: dict[TemplateChoice, list[int]] = {}
    for index in wanted:
        if not fine_path(output, index).exists():
            missing.setdefault(library.draw(seed + index), []).append(index)
    done = len(wanted) - sum(len(indices) for indices in missing.values())
    for choice, indices in missing.items():
        source = library.prepared(choice)
        for index in indices:
            knee = draw_image_knee(seed + index, index % GRADES, source.template)
            volume = scan_fine(source, knee, with_lesions=index // GRADES % 2 == 1)
            record = {"voxel_mm": VOXEL_MM, "parameters": knee.parameters.to_dict(), **drawn_entries(knee, choice)}
            write_fine(output, index, volume, record)
            done += 1
            if progress is not None:
                progress(done, len(wanted))
