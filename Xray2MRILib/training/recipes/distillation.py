"""The recipe of a student of few steps, distilled from a trained model."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class DistillationRecipe(Recipe):
    """What ``xray2mri train distillation`` reads; its loop is ``training/distillation.py``."""

    data: str = shared.pairs_folder()
    held_out: str = shared.held_out_folder()
    teacher: str = entry("the model folder to distil")
    autoencoder: str | None = entry(
        "the folder that train autoencoder wrote for the teacher, to use the knees that it encoded; null for the "
        "teacher's own, whose weights are rounded"
    )
    latents: str | None = entry("the folder of the encoded knees, which runs may share; null for the output folder")
    knees: int | None = shared.knees()
    growing: bool = entry("whether the knees are those that a training of the teacher with 'growing' encoded")
    variants: int = shared.variants()
    bend_mm: float = shared.bend_mm()
    exposures: int = shared.exposures()
    unreadable_share: float = shared.unreadable_share()
    regraded_share: float = shared.regraded_share()
    rounds: tuple[int, ...] = entry(
        "the student's steps, round by round; the first round folds the guidance in, each later one halves the steps",
        unit="steps",
        low=1,
        high=500,
    )
    updates: tuple[int, ...] = entry("the optimiser steps of each round", unit="steps", low=1)
    minutes: float | None = shared.minutes()
    knees_per_batch: int = entry("the number of knees of a step", unit="knees", low=1)
    depths_per_knee: int = entry("the number of slices of each of these knees", unit="slices", low=1)
    printed_share: float = entry(
        "the share of samples that begin with unit noise and are not guided, as printed", low=0, high=1
    )
    learning_rate: float = entry("the learning rate at the beginning of a round, which falls linearly to 0", above=0)
    weight_decay: float = shared.weight_decay()
    ema_decay: float = shared.ema_decay()
    eight_bit: bool = entry("whether the model is stored as int8 instead of float16")
    precision: str = shared.precision()
    device: str = shared.device()
    threads: int = shared.threads()
    workers: int = shared.workers()
    compile: bool = shared.compile()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()
