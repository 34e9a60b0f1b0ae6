"""The training samples of a run, by their position in its mixed order."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Integer, Num, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.bad_samples import BadSample
from harmonize.data.covering import choose_code, pasted, telling
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.drawn_picture import Donor, DrawnPicture, Treatment
from harmonize.data.good_pictures import AnyPixels, GoodPictures
from harmonize.data.mixing import Draw, MixedOrder
from harmonize.data.pixels import Pixels
from harmonize.data.rare import RareDraw
from harmonize.data.styles import DrawnStyle, Style
from harmonize.data.transforms import Augmentation, augment, draw_augmentation
from harmonize.data.warping import fill_of
from harmonize.data.windows import CutPixels, WindowedPixels
from harmonize.labels.target_space import TargetSpace

# Letters of shapes: C bands, S the side of a training crop, B samples of a batch.

_Begun = tuple[Draw, Pixels | CutPixels, Augmentation, np.random.Generator]
"""A picture, what is done to it, and where further random numbers come from."""


@dataclass(frozen=True)
class Batch:
    """A batch of training samples; bands that are missing are NaN."""

    pictures: Num[Tensor, "B C S S"]
    codes: Integer[Tensor, "B *T S S"]
    datasets: Integer[Tensor, " B"]
    """The number of each sample's data set."""
    skipped: tuple[BadSample, ...] = ()
    """What others of these stand in for."""
    plain: Num[Tensor, "B C S S"] | None = None
    """The pictures before colours were changed or parts cut out, where labels are completed."""
    levels: UInt8[Tensor, "B *T S S"] | None = None
    """The weight of each pixel in the log loss, in steps of 1 / ``WEIGHT_LEVELS``; 1 if None."""

    def pin_memory(self) -> "Batch":
        """Copy into page-locked memory, as the loader does for CUDA devices."""
        return self._with(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device) -> "Batch":
        """Move to a device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def _with(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(
            change(self.pictures),
            change(self.codes),
            change(self.datasets),
            self.skipped,
            None if self.plain is None else change(self.plain),
            None if self.levels is None else change(self.levels),
        )


class MixedSamples(Dataset[Batch]):
    """The training samples of a run, by their position in its mixed order.

    Each position gives a sample that depends on the files, the position and the run's seed alone,
    whichever process reads it.

    Attributes:
        datasets: what is mixed.
        order: which picture is at which position.
    """

    def __init__(
        self,
        datasets: list[SegmentationDataset],
        order: MixedOrder,
        space: TargetSpace,
        *,
        treatments: Sequence[Treatment],
        size: int,
        cache: Callable[[int, int], Pixels | None] | None = None,
        skip_bad: bool = False,
        plain_from: int | None = None,
    ) -> None:
        """Prepare the samples.

        Args:
            datasets: what is mixed.
            order: which picture stands at which position.
            space: gives the codes.
            treatments: of each data set; crops smaller than ``size`` are padded with void.
            size: the side S of the samples.
            cache: gives a picture by its data set and number, or None if it does not have it.
            skip_bad: take the next good picture in place of one that cannot be used.
            plain_from: the position from which batches have ``plain`` pictures; none does unless
                given.
        """
        self._plain_from = plain_from
        self.datasets = datasets
        self.order = order
        self._treatments = treatments
        self._size = size
        least = [least_side(treatment.augment, treatment.size) for treatment in treatments]
        self._good = GoodPictures(datasets, order, least, cache=cache, skip_bad=skip_bad)
        self._codes = [
            space.class_codes(dataset.spec.name).astype(space.dtype) for dataset in datasets
        ]
        self._mirror = space.mirror
        self._void = space.ignore
        self._telling = telling(space)

    def __getitem__(self, position: int) -> Batch:
        """Return the sample at a position of the run, as a batch of one.

        Raises:
            BadSampleError: it cannot be used, and such are not skipped.
        """
        found = self.find(position)
        picture, codes = self._changed(found)
        plain = None
        if self._plain_from is not None and position >= self._plain_from:
            plain = self._changed(found.plain())[0][None]
        dataset = torch.tensor([found.draw.dataset])
        return Batch(picture[None], codes[None], dataset, found.skipped, plain)

    def _changed(self, found: DrawnPicture) -> tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]]:
        """Return the picture and its codes as they are trained on."""
        picture, codes = self._augmented(found, found.pixels, found.choices)
        given = self.donation(found)
        if given is not None:
            picture, codes = pasted((picture, codes), *given)
        return self._padded(picture, codes)

    def donation(
        self, found: DrawnPicture
    ) -> tuple[tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]], int] | None:
        """Return the sample of a donor and the code that is pasted from it, if there is one."""
        donor = found.donor
        if donor is None:
            return None
        sample = self._augmented(found, donor.pixels, donor.choices)
        code = choose_code(sample[1], self._telling, donor.pick)
        return None if code is None else (sample, code)

    def find(self, position: int) -> DrawnPicture:
        """Read the picture at a position of the run; errors as for samples.

        In place of a bad one comes the next of its data set's order that is good, under the same
        seed: batches stay full, and depend on the files and the position alone.
        """
        skipped: list[BadSample] = []
        draw = self.order[position]
        treatment = self._treatments[draw.dataset]
        rare, found = None, None
        if draw.rare and treatment.rare is not None:
            rare = treatment.rare.draw(draw.seed)
            draw = dataclasses.replace(draw, picture=rare.picture)
            use = functools.partial(self._first, draw, rare=rare)
            found = self._good.read((draw.dataset, draw.picture), skipped, use)
        if found is None:
            rare = None
            found = self._good.next(position, skipped, self._first)
        draw, pixels, choices, rng = found
        donor = None
        if treatment.augment.paste and rng.random() < treatment.augment.paste:
            donor = self._donor(rng, draw, skipped)
        style = None
        if treatment.style_of is not None and rng.random() < treatment.augment.style:
            style = self._style(rng, treatment, treatment.style_of, skipped)
        return DrawnPicture(draw, pixels, choices, tuple(skipped), donor, rare, style)

    def _first(self, draw: Draw, pixels: AnyPixels, *, rare: RareDraw | None = None) -> _Begun:
        """Choose what is done to a picture, and read what that needs of it."""
        rng = np.random.default_rng(draw.seed)
        choices = self._choices(rng, pixels, self._treatments[draw.dataset].augment)
        if rare is not None:
            crop = rare.crop(choices.crop, pixels.classes, choices.warp)
            choices = dataclasses.replace(choices, crop=crop)
        return draw, self._cut(draw.dataset, pixels, choices), choices, rng

    def _cut(self, dataset: int, pixels: AnyPixels, choices: Augmentation) -> Pixels | CutPixels:
        """Read what a sample needs of a picture that is read as windows."""
        if isinstance(pixels, WindowedPixels):
            return pixels.cut(choices, self._treatments[dataset].size)
        return pixels

    def _donor(
        self, rng: np.random.Generator, draw: Draw, skipped: list[BadSample]
    ) -> Donor | None:
        """Draw another picture of a sample's data set (the same one where there is no other)."""
        number = len(self.datasets[draw.dataset])
        other = (draw.picture + 1 + int(rng.integers(max(number - 1, 1)))) % number
        augment = self._treatments[draw.dataset].augment

        def use(pixels: AnyPixels) -> Donor:
            choices = dataclasses.replace(self._choices(rng, pixels, augment), holes=())
            cut = self._cut(draw.dataset, pixels, choices)
            return Donor(other, cut, choices, float(rng.random()))

        return self._good.read((draw.dataset, other), skipped, use)

    def _style(
        self,
        rng: np.random.Generator,
        treatment: Treatment,
        dataset: int,
        skipped: list[BadSample],
    ) -> DrawnStyle | None:
        """Draw a picture of another data set, whose style a sample takes."""
        number = int(rng.integers(len(self.datasets[dataset])))

        def use(pixels: AnyPixels) -> DrawnStyle:
            assert isinstance(pixels, Pixels)  # a run that asks for others is refused
            style = Style.of(pixels.picture, treatment.augment, treatment.size)
            return DrawnStyle(dataset, number, style)

        return self._good.read((dataset, number), skipped, use)

    @staticmethod
    def _choices(
        rng: np.random.Generator, pixels: AnyPixels, config: AugmentConfig
    ) -> Augmentation:
        height, width = pixels.shape
        return draw_augmentation(rng, config, height=height, width=width)

    def _padded(
        self, picture: Num[Tensor, "C s s"], codes: Integer[Tensor, "s s"]
    ) -> tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]]:
        """Fill a smaller sample up with void pixels, at the bottom and the right."""
        side, whole = len(codes), self._size
        if side == whole:
            return picture, codes
        padded = fill_of(picture).repeat(1, whole, whole)
        padded[:, :side, :side] = picture
        void = torch.full((whole, whole), self._void, dtype=codes.dtype)
        void[:side, :side] = codes
        return padded, void

    def _augmented(
        self, found: DrawnPicture, pixels: Pixels | CutPixels, choices: Augmentation
    ) -> tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]]:
        dataset = found.draw.dataset
        if isinstance(pixels, CutPixels):
            pixels, choices = pixels.pixels, pixels.inside(choices)
        return augment(
            pixels.picture,
            pixels.classes,
            choices,
            size=self._treatments[dataset].size,
            codes=self._codes[dataset],
            mirror=self._mirror,
            void=self._void,
            style=None if found.style is None else found.style.style,
        )


def least_side(config: AugmentConfig, size: int) -> float:
    """Return the shorter side that pictures need so that no crop is smaller than ``size``."""
    return size / config.scale[0] * math.sqrt(config.stretch) / (1 - config.perspective)


def collate(samples: list[Batch]) -> Batch:
    """Join samples into one batch."""
    plain = [sample.plain for sample in samples if sample.plain is not None]
    return Batch(
        torch.cat([sample.pictures for sample in samples]),
        torch.cat([sample.codes for sample in samples]),
        torch.cat([sample.datasets for sample in samples]),
        tuple(bad for sample in samples for bad in sample.skipped),
        torch.cat(plain) if len(plain) == len(samples) else None,
    )
