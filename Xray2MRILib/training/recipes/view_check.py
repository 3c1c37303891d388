"""The recipe of the view check: frontal knee or not, left or right."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared
from .augmentation import Augmentation


@dataclass(frozen=True)
class ViewClassifierSection(Recipe):
    """Arguments of ``ViewClassifier``."""

    size: int = entry("the edge of the picture that the network sees", unit="pixels", low=16)
    channels: tuple[int, int, int, int] = entry("the channels of the stages", low=1)
    dropout: float = entry("the dropout before the two outputs", low=0, high=1)


@dataclass(frozen=True)
class ViewCheckRecipe(Recipe):
    """What ``xray2mri train film_check`` reads; its loop is ``training/view_check.py``."""

    data: str | None = shared.graded_folder()
    whole_radiographs: str | None = entry(
        "the folder of whole radiographs with index.csv: one part trains, the other is measured", key="whole_films"
    )
    mr_slices: str | None = entry("the folder of one DICOM series whose slices are counter-examples")
    limit: int = shared.limit()
    pictures_per_kind: int = entry("the number of training pictures of each drawn kind", unit="pictures", low=1)
    pictures_measured: int = entry("the number of pictures of each kind to measure on", unit="pictures", low=1)
    second_share: float = entry("the share of frontal pictures that do not come from 'data'", low=0, high=1)
    network: ViewClassifierSection = entry("the sizes of the network")  # noqa: RUF009
    variation: Augmentation = entry("the limits of the random changes of a picture")  # noqa: RUF009
    steps: int = shared.steps()
    batch_size: int = shared.batch_size("pictures", low=2)
    learning_rate: float = shared.learning_rate()
    weight_decay: float = shared.weight_decay()
    warm_up_steps: int = shared.warm_up_steps()
    ema_decay: float = shared.ema_decay()
    accepted_share: float = entry("the share of real validation knees that the threshold lets pass", low=0, high=1)
    precision: str = shared.precision()
    threads: int = shared.threads()
    seed: int = shared.seed()
    checkpoint_every: int = shared.save_every()
