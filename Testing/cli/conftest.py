"""The fixtures of the door to the command line."""

from command_door import arguments, door  # noqa: F401
