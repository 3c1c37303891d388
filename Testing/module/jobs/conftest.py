"""Real MRML and the real worker, see stand_ins/mrml_fixtures.py."""

from mrml_fixtures import *  # noqa: F403
