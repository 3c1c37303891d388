"""``xray2mri enhance``: finer voxels for a knee MRI or a pseudo-MRI."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..super_resolution.enhance import EnhancementSettings
from ..super_resolution.enhance import enhance as run_enhancement
from .radiograph_arguments import add_json_argument
from .terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    preset = EnhancementSettings()
    add("volume", metavar="VOLUME", type=Path, help="volume of a knee: NRRD, NIfTI, MHA, or a DICOM series")
    add(
        "-o",
        "--output",
        metavar="OUTPUT",
        type=Path,
        required=True,
        help="volume to write: .nrrd, .nii.gz or .mha; its provenance is written beside it as .json",
    )
    add(
        "--spacing",
        metavar="MM",
        type=float,
        default=preset.spacing_mm,
        help="largest voxel edge of the result, at most four times finer than measured (default: %(default)s)",
    )
    add(
        "--model",
        metavar="NAME|FOLDER",
        default=preset.model,
        help="network that enhances, or interpolation for none (default: %(default)s)",
    )
    add("--teacher", action="store_true", help="use the teacher of the model, a diffusion model, which takes minutes")
    add("--steps", metavar="N", type=int, default=preset.steps, help="steps of the teacher (default: %(default)s)")
    add("--seed", metavar="N", type=int, default=preset.seed, help="seed of the teacher (default: %(default)s)")
    add(
        "--slice-thickness",
        metavar="MM",
        type=float,
        help="thickness of the measured slices (default: from the header, else the distance between them)",
    )
    add("--bias-map", action="store_true", help="estimate the bias field (N4) and give it to the network")
    add("--device", default=preset.device, help="auto, cpu, cuda or mps (default: %(default)s)")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Enhance and print the path of the volume."""
    from ..errors import InputError

    if options.steps < 1 or not 0 <= options.seed < 2**31:
        raise InputError("--steps needs 1 or more, --seed 0 or more.", code="bad-option", hint="Change them.")
    if options.slice_thickness is not None and options.slice_thickness <= 0:
        raise InputError("--slice-thickness needs more than 0 mm.", code="bad-option", hint="Change it.")
    terminal.progress({"stage": "start", "step": 0, "of": 1, "fraction": 0.0, "eta_s": None})
    result = run_enhancement(
        options.volume,
        options.output,
        EnhancementSettings(
            spacing_mm=options.spacing, model=options.model, teacher=options.teacher, steps=options.steps,
            seed=options.seed, thickness_mm=options.slice_thickness, bias_map=options.bias_map, device=options.device,
        ),
        on_progress=terminal.progress,
    )  # fmt: skip
    terminal.warn(result["warnings"])
    if options.json:
        terminal.print_json(result)
        return
    terminal.print(result["volume"])
    edges = " x ".join(f"{edge:.3g}" for edge in result["spacing_mm"])
    terminal.say(
        f"Voxels of {edges} mm. Measured voxels are explained up to {result['residual_in_noise']:.2f} of the noise."
    )
    terminal.say(result["notice"])
