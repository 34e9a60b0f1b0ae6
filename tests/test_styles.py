"""Samples in the style of another data set: colours and spectra by brute force, and the draws."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray

from dataset_files import save
from harmonize import HarmonizeError
from harmonize.config.augment_config import AugmentConfig
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, load_text
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.drawn_picture import Treatment
from harmonize.data.loading import load
from harmonize.data.mixing import MixedOrder
from harmonize.data.open_datasets import open_trained
from harmonize.data.samples import MixedSamples, collate
from harmonize.data.styles import Style
from harmonize.data.training_samples import treatments
from harmonize.data.warping import FILL
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import load_sources
from harmonize.labels.target_space import TargetSpace
from harmonize.tools.look.seen import see_samples
from tiny import tiny_config, tiny_values, write_project


def painted(seed: int, size: int = 12, low: int = 60, high: int = 190) -> torch.Tensor:
    """Return a random picture (3, S, S), whose channels hang together as colours do."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(low, high, (1, size, size))
    return torch.from_numpy((grey + rng.integers(-20, 20, (3, size, size))).astype(np.uint8))


CONES = [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]


def opponent(pixel: list[float]) -> list[float]:
    """Return a pixel's l, alpha and beta as Reinhard et al. write them, of levels from 1 on."""
    light = [(level + 1) / 256 for level in pixel]
    el, em, es = (math.log10(sum(a * b for a, b in zip(row, light, strict=True))) for row in CONES)
    return [(el + em + es) / 3**0.5, (el + em - 2 * es) / 6**0.5, (el - em) / 2**0.5]


def pixel_of(color: list[float]) -> list[float]:
    """Undo ``opponent``."""
    first, second, third = color[0] / 3**0.5, color[1] / 6**0.5, color[2] / 2**0.5
    logs = first + second + third, first + second - third, first - 2 * second
    light = np.linalg.solve(np.array(CONES), [10**log for log in logs])
    return [256 * level - 1 for level in light.tolist()]


def recolored(pixels: ndarray, style: ndarray) -> ndarray:
    """Move pixels (P, 3) to the means and deviations of others, one after the other."""
    own = np.array([opponent(pixel) for pixel in pixels.tolist()])
    others = np.array([opponent(pixel) for pixel in style.tolist()])
    moved = (own - own.mean(0)) * (others.std(0) / own.std(0)) + others.mean(0)
    return np.array([pixel_of(color) for color in moved.tolist()])


def flat(picture: torch.Tensor) -> ndarray:
    """Return the pixels (P, 3) of a picture."""
    return picture.flatten(1).T.numpy().astype(float)


def test_colours_have_the_mean_and_deviation_of_the_others() -> None:
    own, other = painted(0), painted(1, low=90, high=160)
    found = flat(Style("color", 0.01, other).given_to(own))
    expected = recolored(flat(own), flat(other)).clip(0, 255)
    assert np.abs(found - expected).max() <= 0.51  # rounded
    after = np.array([opponent(pixel) for pixel in found.tolist()])
    aim = np.array([opponent(pixel) for pixel in flat(other).tolist()])
    assert after.mean(0) == pytest.approx(aim.mean(0), abs=3e-3)
    assert after.std(0) == pytest.approx(aim.std(0), rel=0.05)


def frequencies_exchanged(picture: ndarray, style: ndarray, band: float) -> ndarray:
    """Exchange amplitudes as the code that FDA was published with does."""
    spectrum, other = np.fft.fft2(picture), np.fft.fft2(style)
    amplitude = np.fft.fftshift(np.abs(spectrum), axes=(-2, -1))
    others = np.fft.fftshift(np.abs(other), axes=(-2, -1))
    height, width = picture.shape[-2:]
    b = math.floor(min(height, width) * band)
    row, column = height // 2, width // 2
    rows, columns = slice(row - b, row + b + 1), slice(column - b, column + b + 1)
    amplitude[:, rows, columns] = others[:, rows, columns]
    amplitude = np.fft.ifftshift(amplitude, axes=(-2, -1))
    return np.real(np.fft.ifft2(amplitude * np.exp(1j * np.angle(spectrum))))


@pytest.mark.parametrize("size", [12, 13])
@pytest.mark.parametrize("band", [0.01, 0.09, 0.3, 0.5])
def test_low_frequencies_are_exchanged_as_in_the_published_code(size: int, band: float) -> None:
    own, other = painted(2, size), painted(3, size, 100, 180)
    found = Style("fourier", band, other).given_to(own).numpy().astype(float)
    expected = frequencies_exchanged(own.numpy().astype(float), other.numpy().astype(float), band)
    assert np.abs(found - expected.clip(0, 255)).max() <= 0.5 + 1e-6
    assert not np.array_equal(found, own.numpy())


@pytest.mark.parametrize("by", ["color", "fourier"])
def test_a_picture_in_its_own_style_is_as_it_was(by: Any) -> None:
    own = painted(4, low=20, high=235)
    assert torch.equal(Style(by, 0.09, own).given_to(own), own)


@pytest.mark.parametrize("by", ["color", "fourier"])
def test_what_is_no_picture_stays_and_counts_for_nothing(by: Any) -> None:
    style, own = Style(by, 0.3, painted(5, low=100, high=180)), painted(6)
    known = np.ones((12, 12), dtype=bool)
    known[:, 7:] = False
    outcomes = []
    for value in (0, 255):
        spoiled = own.clone()
        spoiled[:, :, 7:] = value
        found = style.given_to(spoiled, known)
        assert (found[:, :, 7:] == value).all()
        outcomes.append(found[:, :, :7])
    assert torch.equal(*outcomes)
    assert not torch.equal(outcomes[0], own[:, :, :7])
    if by == "color":
        expected = recolored(flat(own[:, :, :7]), flat(style.picture)).clip(0, 255)
        assert np.abs(flat(outcomes[0]) - expected).max() <= 0.51
    nothing = np.zeros((12, 12), dtype=bool)
    assert torch.equal(style.given_to(own, nothing), own)


def test_a_picture_of_one_colour_gets_another_and_no_noise() -> None:
    style = Style("color", 0.01, painted(7))
    found = style.given_to(torch.full((3, 12, 12), 128, dtype=torch.uint8))
    assert len(np.unique(flat(found), axis=0)) == 1
    almost = torch.full((3, 12, 12), 128, dtype=torch.uint8)
    almost[:, 0, 0] = 129  # drawn apart four times, where the others' spread is much more
    levels = flat(style.given_to(almost))
    assert 1 <= np.ptp(levels, axis=0).max() <= 6


TREE = Ontology("background\nthing\n", name="tiny")


@pytest.fixture
def samples(tmp_path: Path) -> Any:
    """Return a function that mixes two sets of four pictures; the first takes a style."""
    rng = np.random.default_rng(8)
    datasets: list[SegmentationDataset] = []
    for name, low, high in (("plain", 80, 200), ("dark", 5, 60)):
        for number in range(4):
            save(tmp_path / name / f"{number}.png", rng.integers(low, high, (20, 24, 3)))
            save(tmp_path / name / f"{number}_ids.png", rng.integers(2, size=(20, 24)))
        text = (
            f"name: {name}\npicture: '{{id}}.png'\nlabel: '{{id}}_ids.png'\nencoding: ids\n"
            "splits: {train: {range: [0, 3]}}\nclasses: {background: 0, thing: 1}\n"
            "meaning: {tiny: {background: background, thing: thing}}\n"
        )
        spec = DatasetSpec.from_document(load_text(text, f"{name}.yaml"))
        datasets.append(SegmentationDataset(spec, "train", root=tmp_path / name))
    space = TargetSpace(TREE, [dataset.spec for dataset in datasets])

    def mixed(*, style_of: int | None = 1, plain: bool = False, **config: Any) -> MixedSamples:
        augment = AugmentConfig(**config)
        treated = [Treatment(augment, 16, style_of=style_of), Treatment(augment, 16)]
        order = MixedOrder([4, 4], [1, 1], seed=0)
        plain_from = 0 if plain else None
        return MixedSamples(
            datasets, order, space, treatments=treated, size=16, plain_from=plain_from
        )

    return mixed


@pytest.mark.parametrize("by", ["color", "fourier"])
def test_only_pictures_change_and_only_of_the_other_sets(samples: Any, by: str) -> None:
    config = {"scale": (0.6, 1.0), "rotate": 10.0, "color": 0.0}
    plain = samples(style_of=None, **config, flip=0.0)
    styled = samples(style=0.5, style_by=by, style_band=0.2, **config, flip=0.0)
    donors: list[int] = []
    for position in range(80):
        found, before, after = styled.find(position), plain[position], styled[position]
        assert torch.equal(before.codes, after.codes)
        if found.style is None:
            assert torch.equal(before.pictures, after.pictures)
            continue
        assert int(after.datasets) == 0
        assert found.style.dataset == 1
        donors.append(found.style.picture)
        changed = (before.pictures != after.pictures).any(1)
        outside = (before.pictures == torch.tensor(FILL)[:, None, None]).all(1)
        assert changed.float().mean() > 0.5
        assert not (changed & outside).any()
        assert abs(after.pictures.float().mean() - before.pictures.float().mean()) > 20
    assert 12 <= len(donors) <= 28  # of 40
    assert set(donors) == {0, 1, 2, 3}


def test_a_style_comes_before_flips_colours_and_holes(samples: Any) -> None:
    plain = samples(style_of=None, flip=0.0)
    styled = samples(style=1.0, flip=1.0, cutout=1)
    found, before, after = styled.find(0), plain[0], styled[0]
    expected = found.style.style.given_to(before.pictures[0]).flip(-1)
    hole = (after.pictures[0] == torch.tensor(FILL, dtype=torch.uint8)[:, None, None]).all(0)
    assert 0 < hole.float().mean() < 0.2
    assert torch.equal(after.pictures[0][:, ~hole], expected[:, ~hole])


def test_what_is_pasted_takes_the_style_too(samples: Any) -> None:
    config: dict[str, Any] = {"paste": 1.0, "flip": 0.0}
    plain, styled = samples(style_of=None, **config), samples(style=1.0, **config)
    given, taken = plain.donation(plain.find(0)), styled.donation(styled.find(0))
    assert given is not None
    assert taken is not None
    style = styled.find(0).style.style
    assert torch.equal(taken[0][0], style.given_to(given[0][0]))
    assert torch.equal(taken[0][1], given[0][1])


def test_pictures_that_complete_labels_have_no_style(samples: Any) -> None:
    expected = samples(style_of=None, plain=True, flip=0.0)[0].plain
    found = samples(style=1.0, plain=True, flip=0.0)[0]
    assert torch.equal(found.plain, expected)
    assert not torch.equal(found.pictures, expected)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("by", ["color", "fourier"])
def test_a_position_gives_the_same_style_whichever_process_reads_it(samples: Any, by: str) -> None:
    mixed, batches = samples(style=0.7, style_by=by), [[0, 1, 2, 3], [4], [40, 41, 0]]
    alone = list(load(mixed, batches, collate, workers=0))
    shared = list(load(mixed, batches, collate, workers=2))
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one.pictures, other.pictures)
        assert torch.equal(one.codes, other.codes)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("styles"))


def test_a_style_of_the_whole_run_leaves_out_the_set_itself(project: Path) -> None:
    config = tiny_config(project, "out", "augment.style=0.5", "augment.style_of=coarse")
    sources = load_sources(config)
    treated = treatments(config, sources, open_trained(sources, config))
    assert [one.style_of for one in treated] == [1, None]
    own = tiny_config(project, "out", "datasets.1.augment={style: 1, style_of: fine}")
    sources = load_sources(own)
    treated = treatments(own, sources, open_trained(sources, own))
    assert [one.style_of for one in treated] == [None, 0]


def test_a_set_can_do_without_the_runs_style(project: Path) -> None:
    values: dict[str, Any] = tiny_values(project, "out")
    values["augment"] = {"style": 0.5, "style_of": "coarse", "style_by": "fourier"}
    values["datasets"][0]["augment"] = {"style": 0}
    config = RunConfig.from_document(Document("config", values))
    assert config.datasets[0].augment == AugmentConfig()
    assert config.augment == replace(
        AugmentConfig(), style=0.5, style_of="coarse", style_by="fourier"
    )


@pytest.mark.parametrize(
    ("augment", "problem"),
    [
        ("{style: 1.5}", "style: expected a number at least 0 and at most 1, got 1.5"),
        ("{style: 0.5}", "style: whose? give augment.style_of too"),
        (
            "{style_of: fine}",
            "style_of: belongs to style; give augment.style too, or remove the key",
        ),
        (
            "{style_by: fourier}",
            "style_by: belongs to style; give augment.style too, or remove the key",
        ),
        (
            "{style_band: 0.05}",
            "style_band: belongs to style; give augment.style too, or remove the key",
        ),
        (
            "{style: 1, style_of: fine, style_band: 0.05}",
            "style_band: belongs to style_by: fourier; say so, or remove the key",
        ),
        (
            "{style: 1, style_of: fine, style_by: fourier, style_band: 0.6}",
            "style_band: expected a number above 0 and at most 0.5, got 0.6",
        ),
        (
            "{style: 1, style_of: fine, style_by: grey}",
            "style_by: expected one of color, fourier, got 'grey'",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_told(project: Path, augment: str, problem: str) -> None:
    with pytest.raises(HarmonizeError) as error:
        tiny_config(project, "out", f"augment={augment}")
    assert str(error.value).endswith(f"augment.{problem}")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["augment={style: 1, style_of: coarser}"],
            "augment.style_of: no data set 'coarser' is trained on; did you mean coarse?",
        ),
        (
            ["augment={style: 1, style_of: fine}", "datasets.1.train=null"],
            "augment.style_of: fine would take its own style; name another data set",
        ),
        (
            ["datasets.1.augment={style: 1, style_of: coarse}"],
            "datasets.1.augment.style_of: coarse would take its own style; name another data set",
        ),
        (
            ["datasets.1.augment={style: 1, style_of: fin}"],
            "datasets.1.augment.style_of: no data set 'fin' is trained on; did you mean fine?",
        ),
    ],
)
def test_sets_that_have_no_style_to_take_are_told(
    project: Path, overrides: list[str], problem: str
) -> None:
    with pytest.raises(HarmonizeError) as error:
        load_sources(tiny_config(project, "out", *overrides))
    assert str(error.value) == problem


@pytest.mark.parametrize(("by", "words"), [("color", "colours"), ("fourier", "low frequencies")])
def test_pages_of_samples_say_whose_style_it_is(project: Path, by: str, words: str) -> None:
    told = ["augment.style=1", "augment.style_of=coarse", f"augment.style_by={by}"]
    config = tiny_config(project, "out", *told)
    for one in see_samples(config, 6, augmented=True):
        said = one.done[-1].startswith(f"{words} of coarse c")
        assert said == (one.dataset == "fine"), one.done
    plain = see_samples(config, 2, augmented=False)
    assert not any("coarse" in word for one in plain for word in one.done)
