"""The fixtures of the tiny pipeline."""

from tiny_pipeline import copied, picture, pipeline, reference, saved  # noqa: F401
