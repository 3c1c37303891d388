"""Studies that several tests read; each is written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from cohort_archive import drawn_scan, write_study


@pytest.fixture(scope="session")
def voxels():
    """A drawn scan, uint16 [80, 512, 512], posterior first."""
    return drawn_scan()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, voxels) -> Path:
    """An archive of two participants: the right knee of one, the left knee of the other."""
    folder = tmp_path_factory.mktemp("archive")
    write_study(folder, "9000099", "right", voxels=voxels)
    write_study(folder, "9000123", "left", voxels=voxels)
    return folder
