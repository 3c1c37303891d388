"""Pairs of a population that one process simulates on a device, such as a GPU, beside those that use processors.

It begins with the last pair and goes towards the first, while the others go the other way; each leaves out what is
there. So they need not know of each other, and if this process fails the others make all pairs.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..mr.image_signal import PreparedTemplate, prepared
from .image_knee import draw_image_knee, image_pair_tensors, stored_pair
from .pair_store import pair_path, write_pair
from .population import GRADES, drawn_entries
from .template_library import TemplateChoice, TemplateLibrary

_WRITERS = 4  # a pair takes 0.13 s of a core to be written


def simulate_on_device(
    output: Path, count: int, device: str, *, seed: int = 0, library: TemplateLibrary | None = None
) -> int:
    """Write the missing ones of the pairs ``count`` - 1, ``count`` - 2, ... to 0 into ``output``; returns their number.

    Pair k is that of ``simulate_population`` up to rounding. All templates stay on the device (0.3 GB each). Manifest
    and table are left to the other processes. Raises what the device raises, and ProcessingError for a full disk.
    """
    library = library or TemplateLibrary()
    sources: dict[TemplateChoice, PreparedTemplate] = {}
    pending: deque[Future[Path]] = deque()
    later: list[int] = []
    made = 0
    with ThreadPoolExecutor(_WRITERS) as writers:

        def simulate(index: int, choice: TemplateChoice) -> None:
            nonlocal made
            if pair_path(output, index).exists():
                return
            source = sources[choice]
            knee = draw_image_knee(seed + index, index % GRADES, source.template)
            pair = stored_pair(image_pair_tensors(source, knee))
            pending.append(writers.submit(write_pair, output, index, pair, drawn_entries(knee, choice)))
            made += 1
            while len(pending) > 2 * _WRITERS:
                pending.popleft().result()

        for index in range(count - 1, -1, -1):
            choice = library.draw(seed + index)
            if choice not in sources:
                # what another process is putting together comes later
                template = library.template_unless_awaited(choice)
                if template is None:
                    later.append(index)
                    continue
                sources[choice] = prepared(template, device)
            simulate(index, choice)
        for index in later:
            choice = library.draw(seed + index)
            if choice not in sources:
                sources[choice] = prepared(library.template(choice), device)
            simulate(index, choice)
        while pending:
            pending.popleft().result()
    return made
