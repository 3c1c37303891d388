"""What varies from scan to scan beyond the knee's own parameters: marrow, texture, ligaments, inflow."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

CHEMICAL_SHIFT_MM = 1.06  # 440 Hz of fat at 3 T, 130 Hz a pixel of 0.3125 mm


@dataclass(frozen=True)
class ScanParameters:
    """One scan.

    Attributes
    ----------
    marrow_t2star_ms
        Of marrow, dephased by trabeculae.
    fat_residue
        Share of the fat signal that water excitation leaves.
    septa
        Water density of the septa between fat lobules.
    lobules
        Relative standard deviation between lobules.
    fibres
        Relative standard deviation of muscle along its fibres.
    bundles
        Relative standard deviation between muscle bundles.
    bellies
        Relative standard deviation between muscles.
    strands
        Relative standard deviation of ligament and tendon along their fibres, and between folds of synovium.
    vessels
        Blood's share of the signal in the small vessels of fat.
    perimysium
        Share of the signal that a sheet between muscle bundles takes away.
    marrow_grain
        Relative standard deviation of marrow.
    inflow
        Of the vessels, against the table.
    """

    marrow_t2star_ms: float = 10.5
    fat_residue: float = 0.055
    septa: float = 0.22
    lobules: float = 0.10
    fibres: float = 0.08
    bundles: float = 0.06
    bellies: float = 0.06
    strands: float = 0.35
    vessels: float = 0.8
    perimysium: float = 0.30
    marrow_grain: float = 0.10
    inflow: float = 1.0

    def to_dict(self) -> dict[str, float]:
        """Plain JSON-able dictionary."""
        return asdict(self)


def draw_scan(seed: int) -> ScanParameters:
    """Draw one scan. Marrow T2* U(8.7, 12.3) ms gives 0.5 to 0.7 of the subcutaneous fat, as measured on real scans."""
    rng = np.random.default_rng([seed, 43])
    uniform = rng.uniform
    return ScanParameters(
        marrow_t2star_ms=float(uniform(8.7, 12.3)),
        fat_residue=float(uniform(0.050, 0.058)),
        septa=float(uniform(0.10, 0.19)),
        lobules=float(uniform(0.06, 0.14)),
        fibres=float(uniform(0.05, 0.08)),
        bundles=float(uniform(0.01, 0.03)),
        strands=float(uniform(0.35, 0.60)),
        vessels=float(uniform(0.85, 1.15)),
        perimysium=float(uniform(0.11, 0.21)),
        marrow_grain=float(uniform(0.05, 0.15)),
        inflow=float(uniform(0.8, 1.3)),
        bellies=float(uniform(0.02, 0.04)),
    )
