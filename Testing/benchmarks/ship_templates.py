"""Builds what ``Resources/anatomy/templates`` ships: the outlines.

    OMP_NUM_THREADS=1 python Testing/benchmarks/ship_templates.py

Run it whenever maps, ``OUTLINE_VERSION`` or ``IMAGE_TEMPLATE_VERSION`` change. Parts that are up to date are kept,
others are built (seven minutes of processor time for all), and those that no template asks for are removed. Soft
tissue and maps do not ship, because of their size, and are removed again: templates build them when first needed.
"""

from __future__ import annotations

from pathlib import Path

BUILT = ("map-", "soft-tissue-")  # at first use
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Build, list, tidy up."""
    import torch

    torch.set_num_threads(1)
    from Xray2MRILib.simulation.pairs.template_library import SHIPPED, TemplateLibrary

    folder = ROOT / "Resources" / SHIPPED
    folder.mkdir(exist_ok=True)
    library = TemplateLibrary(cache=folder)
    wanted = set()
    for choice in library.choices():
        library.build(choice)
        wanted |= {path.name for path in library.parts(choice) if not path.name.startswith(BUILT)}
        print(choice.name, flush=True)
    for path in folder.glob("*.npz"):
        if path.name not in wanted:
            path.unlink()
    for path in sorted(folder.glob("*.npz")):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")


if __name__ == "__main__":
    main()
