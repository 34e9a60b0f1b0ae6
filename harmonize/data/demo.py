"""Write two small synthetic face data sets in the layouts of Helen and LFW Parts.

Faces are drawn in face coordinates: u to the viewer's right, v down, the origin at the face's
centre, and half the face's height as the unit. "Left" is the viewer's left.
"""

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, auto
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.draw import ellipse, polygon
from skimage.filters import gaussian
from skimage.measure import grid_points_in_poly
from skimage.transform import resize
from tqdm import tqdm

NUM_PICTURES = {"train": 120, "validation": 24, "test": 12}
HELEN_LISTS = {"train": "exemplars.txt", "validation": "tuning.txt", "test": "testing.txt"}
PICTURES_PER_PERSON = 3
FIRST_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hugo")
LAST_NAMES = ("Example", "Sample", "Demo", "Sketch", "Cartoon", "Doodle", "Figure")
OVERSAMPLING = 2  # Shapes are drawn this much larger and averaged down, for smooth borders.

Floats = NDArray[np.float32]
Parts = NDArray[np.uint8]
Rng = np.random.Generator


class Part(IntEnum):
    """Name what a pixel shows, in more detail than either data set labels."""

    BACKGROUND = 0
    SKIN = auto()
    LEFT_BROW = auto()
    RIGHT_BROW = auto()
    LEFT_EYE = auto()
    RIGHT_EYE = auto()
    NOSE = auto()
    UPPER_LIP = auto()
    INNER_MOUTH = auto()
    LOWER_LIP = auto()
    HAIR = auto()
    BEARD = auto()
    EAR = auto()
    NECK = auto()
    CLOTHES = auto()
    HAT = auto()


SIDES = {-1: (Part.LEFT_EYE, Part.LEFT_BROW), 1: (Part.RIGHT_EYE, Part.RIGHT_BROW)}

# Entry i is the class of Part i; the first eleven parts are Helen's classes in Helen's order.
HELEN_CLASSES = np.array([*range(11), Part.SKIN, 0, 0, 0, 0])
LFW_COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], dtype=np.uint8)
LFW_CLASSES = np.array([2] + 9 * [1] + [0, 0, 1, 1, 2, 2])  # hair, skin, background

SKIN_TONES = np.array([(250, 224, 205), (226, 178, 146), (170, 116, 82), (66, 42, 32)]) / 255
BROWN_HAIR = [(22, 18, 18), (60, 38, 26), (104, 66, 38)]
HAIR_COLOURS = np.array([*BROWN_HAIR, (222, 188, 112), (168, 72, 32), (168, 168, 170)]) / 255
DYES = np.array([(214, 90, 160), (70, 110, 200), (80, 160, 110), (222, 176, 146)]) / 255
LIP_COLOURS = np.array([(190, 60, 70), (150, 40, 60), (215, 105, 105), (120, 40, 90)]) / 255
PINK = (0.85, 0.45, 0.45)  # of the inner corner of an eye
IRIS_COLOURS = np.array([(70, 45, 25), (60, 100, 150), (70, 120, 70), (40, 30, 25)]) / 255


@dataclass(frozen=True)
class Face:
    """Hold the geometry of one face, in half face heights unless said otherwise."""

    centre: tuple[float, float]  # row and column in drawn pixels
    scale: float  # half the face's height in drawn pixels
    angle: float  # in-plane rotation in radians
    width: float  # half the face's width
    taper: float  # how much narrower the chin is than the temples, in [0, 1]
    eye: tuple[float, float, float]  # u (of the right one), v, half width
    eye_height: float  # half of it
    gaze: tuple[float, float]
    brow: tuple[float, float, float]  # half thickness, arch, tilt
    nose: tuple[float, float, float]  # half width, tip's v, bridge's half width
    mouth: tuple[float, float, float, float]  # half width, v, opening, smile
    lips: tuple[float, float]  # thickness of the upper and of the lower lip
    hairline: tuple[float, float, float]  # v at the middle, slant, squareness
    hair_height: float  # above the skull; 0 for none
    hair_side: float  # v at which the hair in front of the face ends
    hair_length: float  # v at which the hair behind the face ends; 0 for none
    has_ears: bool
    has_beard: bool
    has_hat: bool
    has_glasses: bool


def write_demo_data(folder: Path, *, seed: int = 0, progress: bool = True) -> None:
    """Write `folder/helen` and `folder/lfw_parts`, leaving alone whichever already exists.

    Each set appears whole or not at all: it is written beside its place and renamed at the end.
    """
    writers: dict[str, Callable[[Path, str, int, Rng], None]] = {
        "helen": _write_helen,
        "lfw_parts": _write_lfw,
    }
    splits = [split for split, amount in NUM_PICTURES.items() for _ in range(amount)]
    folder.mkdir(parents=True, exist_ok=True)
    for set_index, (name, write) in enumerate(writers.items()):
        if (folder / name).exists():
            continue
        with tempfile.TemporaryDirectory(prefix=".demo-", dir=folder) as scratch:
            root = Path(scratch) / name
            root.mkdir()
            bar = tqdm(splits, desc=f"drawing {name}", unit="picture", disable=not progress)
            for index, split in enumerate(bar):
                write(root, split, index, np.random.default_rng([seed, set_index, index]))
            root.rename(folder / name)


def _write_helen(root: Path, split: str, index: int, rng: Rng) -> None:
    """Append one picture, its eleven soft masks and its line in the split's list."""
    height, width = (int(side) for side in rng.integers(128, 161, size=2))
    face = _sample_face(rng, height, width)
    parts = _draw_parts(face, height, width)
    masks = _soft_masks(HELEN_CLASSES[parts], 11)
    masks = gaussian(masks, sigma=0.6, channel_axis=-1)

    identifier = f"demo_{index + 1:04d}"
    labels = root / "labels" / identifier
    labels.mkdir(parents=True)
    for number in range(11):
        mask = np.rint(masks[..., number] * 255).astype(np.uint8)
        Image.fromarray(mask).save(labels / f"{identifier}_lbl{number:02d}.png")
    _save_jpeg(root / "images" / f"{identifier}.jpg", _paint(face, parts, rng), rng)
    with (root / HELEN_LISTS[split]).open("a") as lines:
        lines.write(f"{index + 1} , {identifier}\n")


def _write_lfw(root: Path, split: str, index: int, rng: Rng) -> None:
    """Append one picture, its three-colour label and its line in the split's list."""
    face = _sample_face(rng, 128, 128)
    parts = _draw_parts(face, 128, 128)
    label = _soft_masks(LFW_CLASSES[parts], 3).argmax(axis=-1)

    person, number = divmod(index, PICTURES_PER_PERSON)
    name = "_".join(list(product(FIRST_NAMES, LAST_NAMES))[person])
    stem = f"{name}_{number + 1:04d}"
    labels = root / "parts_lfw_funneled_gt_images"
    labels.mkdir(exist_ok=True)
    Image.fromarray(LFW_COLOURS[label]).save(labels / f"{stem}.ppm")
    _save_jpeg(root / "lfw_funneled" / name / f"{stem}.jpg", _paint(face, parts, rng), rng)
    with (root / f"parts_{split}.txt").open("a") as lines:
        lines.write(f"{name} {number + 1}\n")


def _save_jpeg(path: Path, picture: Parts, rng: Rng) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=int(rng.integers(65, 95)))


def _soft_masks(classes: NDArray[np.integer], num_classes: int) -> Floats:
    """Return the share of each class in each final pixel, H x W x num_classes."""
    return _shrink(np.eye(num_classes, dtype=np.float32)[classes])


def _shrink(drawn: Floats) -> Floats:
    """Average an oversampled H x W x C array down to the final size."""
    steps = range(OVERSAMPLING)
    corners = (drawn[row::OVERSAMPLING, column::OVERSAMPLING] for row in steps for column in steps)
    return np.add.reduce(list(corners)) / OVERSAMPLING**2


def _sample_face(rng: Rng, height: int, width: int) -> Face:
    """Draw the geometry of a face that fits a picture of this size."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    scale = min(height * between(0.34, 0.41), width * between(0.42, 0.48))
    centre = height * between(0.49, 0.55), width * between(0.44, 0.56)
    wide = between(0.70, 0.86)
    is_bald, is_long = chance(0.08), chance(0.4)
    opening = 0.0 if chance(0.1) else between(0.06, 0.17)
    return Face(
        centre=(centre[0] * OVERSAMPLING, centre[1] * OVERSAMPLING),
        scale=scale * OVERSAMPLING,
        angle=math.radians(between(-20, 20)),
        width=wide,
        taper=between(0.1, 0.35),
        eye=(wide * between(0.44, 0.5), between(-0.13, -0.07), wide * between(0.18, 0.215)),
        eye_height=between(0.08, 0.12),
        gaze=(between(-0.35, 0.35), between(-0.2, 0.2)),
        brow=(between(0.055, 0.075), between(0.0, 0.07), between(-0.05, 0.05)),
        nose=(between(0.13, 0.18), between(0.28, 0.34), between(0.05, 0.07)),
        mouth=(between(0.27, 0.36), between(0.56, 0.62), opening, between(-0.03, 0.07)),
        lips=(between(0.1, 0.13), between(0.11, 0.15)),
        hairline=(between(-0.85, -0.58), between(-0.15, 0.15), between(2.5, 7)),
        hair_height=0.0 if is_bald else between(0.06, 0.32),
        hair_side=between(0.1, 0.5) if is_long else between(-0.35, 0.0),
        hair_length=between(0.6, 1.6) if is_long and not is_bald else 0.0,
        has_ears=not is_long or chance(0.4),
        has_beard=chance(0.15),
        has_hat=chance(0.12),
        has_glasses=chance(0.2),
    )


def _draw_parts(face: Face, height: int, width: int) -> Parts:
    """Return the oversampled map of `Part` values."""
    parts = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING), dtype=np.uint8)
    cos, sin = math.cos(face.angle), math.sin(face.angle)
    for shapes in (_body_shapes, _hair_shapes, _feature_shapes):
        for part, points in shapes(face):
            u, v = points.T * face.scale
            _fill(
                parts, face.centre[0] + sin * u + cos * v, face.centre[1] + cos * u - sin * v, part
            )
    return parts


def _fill(parts: Parts, rows: Floats, columns: Floats, part: Part) -> None:
    """Set the pixels inside an outline, testing only those of its bounding box."""
    top, left = max(0, math.floor(rows.min())), max(0, math.floor(columns.min()))
    box = parts[top : max(0, math.ceil(rows.max()) + 1), left : math.ceil(columns.max()) + 1]
    outline = np.stack([rows - top, columns - left], axis=-1)
    box[grid_points_in_poly(box.shape, outline, binarize=True)] = part


def _oval(u: float, v: float, half_width: float, half_height: float) -> Floats:
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return _points(u + half_width * np.cos(turn), v + half_height * np.sin(turn))


def _points(u: NDArray[np.floating], v: NDArray[np.floating]) -> Floats:
    return np.stack([u, v], axis=-1).astype(np.float32)


def _strip(
    u: NDArray[np.floating], upper: NDArray[np.floating], lower: NDArray[np.floating]
) -> Floats:
    """Return the outline of the region between two curves over the same u."""
    return np.concatenate([_points(u, upper), _points(u, lower)[::-1]])


def _contour(face: Face, turn: NDArray[np.floating]) -> Floats:
    """Return the face's egg-shaped outline; a turn of 0 is right and of pi / 2 the chin."""
    taper = 1 - face.taper * np.maximum(np.sin(turn), 0) ** 2
    return _points(face.width * taper * np.cos(turn), np.sin(turn))


def _body_shapes(face: Face) -> Iterator[tuple[Part, Floats]]:
    """Yield what lies behind the features, back to front."""
    width = face.width
    yield Part.CLOTHES, _oval(0, 2.1, 2.1 * width, 0.95)
    if face.hair_length:
        turn = np.linspace(np.pi, 2 * np.pi, 14)
        top = _points(1.25 * width * np.cos(turn), (1 + face.hair_height) * np.sin(turn))
        bottom = [(1.4 * width, face.hair_length), (-1.4 * width, face.hair_length)]
        yield Part.HAIR, np.concatenate([top, np.array(bottom, dtype=np.float32)])
    yield Part.NECK, _oval(0, 1.0, 0.55 * width, 0.5)
    if face.has_ears:
        yield Part.EAR, _oval(-width, -0.02, 0.16, 0.22)
        yield Part.EAR, _oval(width, -0.02, 0.16, 0.22)
    yield Part.SKIN, _contour(face, np.linspace(0, 2 * np.pi, 36, endpoint=False))


def _hair_shapes(face: Face) -> Iterator[tuple[Part, Floats]]:
    """Yield the beard, the hair in front of the face and the hat."""
    if face.has_beard:
        jaw = _contour(face, np.linspace(0.15, np.pi - 0.15, 20))
        u = np.linspace(-1, 1, 17)
        edge = 0.37 + 0.1 * np.exp(-(((np.abs(u) - 0.6) / 0.2) ** 2)) - 0.2 * u**4
        yield Part.BEARD, np.concatenate([jaw, _points(jaw[-1, 0] * -u, edge)])
    if face.hair_height:
        middle, slant, squareness = face.hairline
        start = np.arcsin(face.hair_side)
        turn = np.linspace(np.pi - start, 2 * np.pi + start, 24)
        grown = 1 + face.hair_height * np.clip(-np.sin(turn), 0.25, 1)
        outer = _contour(face, turn) * grown[:, None]
        u = np.linspace(0.94, -0.94, 24)
        height = np.minimum(middle + slant * u, -0.56)
        hairline = height + (face.hair_side - height) * np.abs(u / 0.94) ** squareness
        yield Part.HAIR, np.concatenate([outer, _points(face.width * u, hairline)])
    if face.has_hat:
        turn = np.linspace(np.pi, 2 * np.pi, 16)
        yield Part.HAT, _points(1.15 * face.width * np.cos(turn), -0.64 + 0.8 * np.sin(turn))
        yield Part.HAT, _oval(0, -0.66, 1.4 * face.width, 0.09)


def _feature_shapes(face: Face) -> Iterator[tuple[Part, Floats]]:
    """Yield eyes, brows, nose and mouth."""
    line = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 13))
    bump = 1 - line**2
    (eye_u, eye_v, eye_width), eye_height = face.eye, face.eye_height
    thickness, arch, tilt = face.brow
    for side, (eye, brow) in SIDES.items():
        yield eye, _oval(side * eye_u, eye_v, eye_width, eye_height)
        # The outer end (line = 1) hangs lower and is thinner, which tells left from right.
        middle = eye_v - 0.27 - arch * bump + (tilt + 0.03) * line
        half = thickness * (0.65 + 0.4 * bump) * (1 - 0.45 * line)
        yield brow, _strip(side * (eye_u + 0.2 * line), middle - half, middle + half)

    half_width, tip, bridge = face.nose
    ridge = np.array([(bridge, -0.06), (1.3 * bridge, 0.1), (half_width, tip - 0.08)])
    base = np.array([(0.8 * half_width, tip - 0.02), (0.3 * half_width, tip)])
    right = np.concatenate([ridge, base]).astype(np.float32)
    yield Part.NOSE, np.concatenate([right, (right * (-1, 1)).astype(np.float32)[::-1]])

    half_width, mouth_v, opening, smile = face.mouth
    rest = mouth_v - smile * line**2
    round_bump = np.sqrt(bump)
    inner_top, inner_bottom = rest - opening / 2 * bump, rest + opening / 2 * bump
    cupid = 0.03 * np.exp(-((line / 0.15) ** 2))
    upper = inner_top - face.lips[0] * round_bump + cupid
    lower = inner_bottom + face.lips[1] * round_bump
    u = half_width * line
    yield Part.LOWER_LIP, _strip(u, upper, lower)  # The other two cover its upper part.
    yield Part.UPPER_LIP, _strip(u, upper, inner_top)
    if opening:
        yield Part.INNER_MOUTH, _strip(u, inner_top, inner_bottom)


def _paint(face: Face, parts: Parts, rng: Rng) -> Parts:
    """Return the 8-bit RGB picture of a part map, at the final size."""
    u, v = _face_coordinates(face, parts.shape)
    colours = _part_colours(rng)
    canvas = np.where((parts == 0)[..., None], _paint_background(parts, rng), colours[parts])
    _paint_texture(canvas, parts, u, v, rng)
    _paint_features(canvas, parts, u, v, face, rng)
    strength, turn = rng.uniform(0, 0.35), rng.uniform(0, 2 * math.pi)
    light = strength * (math.cos(turn) * u + math.sin(turn) * v)
    shade = np.clip(1 + light - 0.1 * (u**2 + v**2), 0.5, 1.1)
    canvas *= np.where(parts == 0, 1, shade)[..., None]

    picture = gaussian(_shrink(canvas), sigma=rng.uniform(0, 0.8), channel_axis=-1)
    picture = picture * rng.uniform(0.75, 1) + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _face_coordinates(face: Face, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return u and v at each drawn pixel; the inverse of the turn in `_draw_parts`."""
    rows, columns = np.indices(shape, dtype=np.float32)
    down, across = (rows - face.centre[0]) / face.scale, (columns - face.centre[1]) / face.scale
    cos, sin = math.cos(face.angle), math.sin(face.angle)
    return cos * across + sin * down, cos * down - sin * across


def _skin_colour(rng: Rng) -> Floats:
    """Return a colour between two neighbouring tones, a little tinted."""
    at, share = divmod(rng.uniform(0, len(SKIN_TONES) - 1), 1)
    tone = SKIN_TONES[int(at)] * (1 - share) + SKIN_TONES[int(at) + 1] * share
    return np.clip(tone + rng.normal(0, 0.02, 3), 0.05, 1).astype(np.float32)


def _hair_colour(rng: Rng) -> Floats:
    """Return a natural colour or, at times, a dyed one."""
    palette = DYES if rng.random() < 0.15 else HAIR_COLOURS
    return np.clip(rng.choice(palette) + rng.normal(0, 0.04, 3), 0, 1).astype(np.float32)


def _lip_colour(rng: Rng) -> Floats:
    return np.clip(rng.choice(LIP_COLOURS) + rng.normal(0, 0.03, 3), 0, 1).astype(np.float32)


def _part_colours(rng: Rng) -> Floats:
    """Return one colour in [0, 1] for each part, at row `Part`."""
    skin, hair = _skin_colour(rng), _hair_colour(rng)
    colours = np.empty((len(Part), 3), dtype=np.float32)
    colours[:] = skin
    colours[Part.EAR] = skin * 0.9
    colours[Part.NECK] = skin * rng.uniform(0.7, 0.85)
    colours[Part.NOSE] = skin * (
        1.2 if skin.mean() < 0.6 and rng.random() < 0.5 else rng.uniform(0.78, 0.88)
    )
    colours[[Part.LEFT_EYE, Part.RIGHT_EYE]] = rng.uniform(0.8, 0.95)
    colours[[Part.LEFT_BROW, Part.RIGHT_BROW]] = hair * 0.6
    colours[[Part.HAIR, Part.BEARD]] = hair
    lip = skin + rng.uniform(0.35, 1) * (_lip_colour(rng) - skin)
    colours[Part.UPPER_LIP], colours[Part.LOWER_LIP] = lip * 0.82, lip
    colours[Part.INNER_MOUTH] = rng.uniform((0.15, 0.02, 0.02), (0.4, 0.1, 0.1))
    colours[[Part.CLOTHES, Part.HAT]] = rng.uniform(0, 1, size=(2, 3))
    return colours


def _paint_background(parts: Parts, rng: Rng) -> Floats:
    """Return a gradient, often striped, under shapes in the colours of faces."""
    height, width = parts.shape
    turn = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(parts.shape, dtype=np.float32) / max(parts.shape)
    across = math.cos(turn) * columns + math.sin(turn) * rows
    first, second = rng.uniform(0, 1, size=(2, 3)).astype(np.float32)
    canvas = first + (second - first) * ((across + 1) / 2)[..., None]
    if rng.random() < 0.3:
        canvas += 0.15 * np.sign(np.sin(rng.uniform(20, 80) * across))[..., None]
    for _ in range(rng.integers(3, 10)):
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        extent = rng.uniform(0.04, 0.2, size=2) * height
        colour = (_skin_colour, _hair_colour, _lip_colour)[rng.integers(3)](rng)
        if rng.random() < 0.6:
            canvas[ellipse(row, column, extent[0], extent[1], parts.shape)] = colour
        else:
            box = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * extent
            canvas[polygon(row + box[:, 0], column + box[:, 1], parts.shape)] = colour
        radius = 0.025 * height
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        canvas[ellipse(row, column, 1.4 * radius, 2 * radius, parts.shape)] = 0.9
        canvas[ellipse(row, column, radius, radius, parts.shape)] = 0.1
    return canvas


def _paint_texture(canvas: Floats, parts: Parts, u: Floats, v: Floats, rng: Rng) -> None:
    """Darken and lighten hair in strands, clothes in stripes and everything in soft spots."""
    strands = np.sin(rng.uniform(25, 50) * u + 6 * np.sin(3 * v + rng.uniform(0, 6)))
    is_hair = np.isin(parts, (Part.HAIR, Part.BEARD))
    canvas[is_hair] *= (1 + 0.18 * strands[is_hair])[:, None]
    is_cloth = np.isin(parts, (Part.CLOTHES, Part.HAT))
    stripes = np.sign(np.sin(rng.uniform(8, 30) * v))
    canvas[is_cloth] *= (1 + rng.choice([0, 0.2]) * stripes[is_cloth])[:, None]
    spots = resize(rng.normal(0, 1, size=(12, 12)).astype(np.float32), parts.shape, order=1)
    canvas *= (1 + rng.uniform(0, 0.07) * spots)[..., None]


def _paint_features(
    canvas: Floats, parts: Parts, u: Floats, v: Floats, face: Face, rng: Rng
) -> None:
    """Add irises, teeth, nostrils and glasses inside the parts that hold them."""
    (eye_u, eye_v, eye_width), eye_height = face.eye, face.eye_height
    iris, frame = rng.choice(IRIS_COLOURS), rng.uniform(0, 0.4, size=3)
    radius = 0.85 * min(eye_width * 0.6, eye_height)
    for side, (eye, _) in SIDES.items():
        du, dv = u - side * eye_u, v - eye_v
        is_eye = parts == eye
        outward = side * du / eye_width
        rim = outward**2 + (dv / eye_height) ** 2
        canvas[is_eye & (outward < -0.55)] = PINK
        canvas[is_eye & (rim > 0.72 - 0.3 * outward)] *= 0.4
        distance = np.hypot(du - face.gaze[0] * eye_width, dv - face.gaze[1] * eye_height)
        canvas[is_eye & (distance < radius)] = iris
        canvas[is_eye & (distance < 0.5 * radius)] = 0.05
        if face.has_glasses:
            rim = np.hypot(du / (eye_width + 0.07), dv / (eye_height + 0.07))
            is_frame = (np.abs(rim - 1.1) < 0.12) | ((rim > 1.1) & (np.abs(dv + 0.02) < 0.025))
            canvas[is_frame & (parts == Part.SKIN)] = frame
    half_width, tip, _ = face.nose
    nostril = np.hypot((np.abs(u) - 0.5 * half_width) / 0.05, (v - tip + 0.05) / 0.03) < 1
    canvas[nostril & (parts == Part.NOSE)] *= 0.35
    _, mouth_v, opening, _ = face.mouth
    canvas[(parts == Part.INNER_MOUTH) & (v < mouth_v - 0.1 * opening)] = 0.85
