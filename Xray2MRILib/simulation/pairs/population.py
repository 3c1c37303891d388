"""A population of simulated knees: deterministic by seed, balanced over KL grades, resumable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...files.atomic_write import writing_error
from ..mr.image_signal import PreparedTemplate
from ..mr.texture_blocks import blocks_on
from .image_knee import ImageKnee, draw_image_knee, simulate_image_pair
from .manifest import check_same_population, write_manifest
from .pair_store import pair_path, write_pair
from .template_library import TemplateChoice, TemplateLibrary

HELD_OUT_OFFSET = 1_000_000  # seeds of held-out knees start here, so they never meet a training seed
GRADES = 5
REGRADED_OFFSET = 500_000  # pair k at its other grade is stored as pair k + this
OTHER_GRADE = (4, 4, 4, 0, 0)  # the grade far from each grade


def drawn_knee(index: int) -> tuple[int, int]:
    """Seed, counted from the population's, and KL grade of pair ``index``."""
    if index < REGRADED_OFFSET:
        return index, index % GRADES
    own = index - REGRADED_OFFSET
    return own, OTHER_GRADE[own % GRADES]


def simulate_population(
    output: Path,
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    stride: int = 1,
    label_maps: list[Path] | None = None,
    cache: Path | None = None,
    regraded_every: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write pairs ``first, first + stride, ...`` below ``count`` into ``output``; pairs that exist are kept.

    Pair k has seed ``seed + k`` and KL grade k mod 5, so several processes can share one folder by ``stride`` and a
    stopped run goes on where it was. Knees of one template are made together, since a template takes some ten seconds.
    Manifest and table are written at the beginning and at the end, on an interrupt too. ``label_maps`` are the
    outlines, by default those that ship; ``cache`` keeps what is built for them, by default the user's. Pairs whose
    number ``regraded_every`` divides are made a second time, as pair k + 500,000: the same knee at a grade far from
    its own, with the same crop and exposure; a training may then teach what the grade alone means. Raises
    InputError when the folder belongs to another population, and as ``read_label_map`` does.
    """
    library = TemplateLibrary(label_maps, cache)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, output) from error
    check_same_population(output, seed, library.hashes)
    write_manifest(output, seed, library.hashes)
    wanted: list[int] = []
    for index in range(first, count, stride):
        wanted.append(index)
        if regraded_every and index % regraded_every == 0:
            wanted.append(REGRADED_OFFSET + index)  # at once, since a training beside it may end before the last pair
    missing: dict[TemplateChoice, list[int]] = {}
    for index in wanted:
        if not pair_path(output, index).exists():
            missing.setdefault(library.draw(seed + drawn_knee(index)[0]), []).append(index)
    done = len(wanted) - sum(len(indices) for indices in missing.values())
    # processes begin with different templates, so that each is put together by one of them
    places = {choice: place for place, choice in enumerate(library.choices())}
    order = sorted(missing, key=lambda choice: (places[choice] - first) % len(places))
    try:
        while order:
            choice, source = _next_source(library, order)
            order.remove(choice)
            for index in missing[choice]:
                if not pair_path(output, index).exists():  # another process may have come this far
                    number, grade = drawn_knee(index)
                    knee = draw_image_knee(seed + number, grade, source.template)
                    write_pair(output, index, simulate_image_pair(source, knee), drawn_entries(knee, choice))
                done += 1
                if progress is not None:
                    progress(done, len(wanted))
    finally:
        write_manifest(output, seed, library.hashes)


def _next_source(
    library: TemplateLibrary, order: list[TemplateChoice]
) -> tuple[TemplateChoice, PreparedTemplate]:  # fmt: skip
    """The first template that no other process is putting together, else the first, when it is there."""
    for choice in order:
        source = library.prepared_unless_awaited(choice)
        if source is not None:
            return choice, source
    blocks_on("cpu")  # meanwhile
    return order[0], library.prepared(order[0])


def drawn_entries(knee: ImageKnee, choice: TemplateChoice) -> dict:
    """What the record of a pair holds beside the parameters: person, scan, template and shape scores."""
    return {
        "person": knee.person.to_dict(),
        "scan": knee.scan.to_dict(),
        "template": {"outline": choice.outline, "soft_tissue": choice.soft_tissue},
        "shape_scores": knee.shape_scores,
    }
