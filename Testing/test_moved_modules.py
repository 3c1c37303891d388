"""Documented modules go on working under their old names, with a warning."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import importlib, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    old = [importlib.import_module({old!r}) for _ in range(2)]
    new = importlib.import_module({new!r})
assert old[0] is old[1] is new, (old, new)
assert new.__spec__.name == {new!r}, new.__spec__
told = [str(warning.message) for warning in caught if {new!r} in str(warning.message)]
assert told == [{old!r} + " is now " + {new!r} + "."], told
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Xray2MRILib.pipeline", "Xray2MRILib.generation.pipeline"),
        ("Xray2MRILib.generation_settings", "Xray2MRILib.generation.settings"),
        ("Xray2MRILib.protocol", "Xray2MRILib.worker.protocol"),
        ("Xray2MRILib.radiograph.preparation", "Xray2MRILib.preparation.joint_crop"),
    ],
)
def test_the_old_name_leads_to_the_module_and_warns_once(old, new):
    subprocess.run([sys.executable, "-c", _PROGRAM.format(old=old, new=new)], check=True, timeout=120)
