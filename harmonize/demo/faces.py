"""The geometry of drawn faces: random parameters, and a map of what each pixel shows.

Faces are drawn in face coordinates: u to the viewer's right, v down, the origin at the face's
centre, and half the face's height as the unit. "Left" is the viewer's left.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray
from skimage.measure import grid_points_in_poly

OVERSAMPLING = 2  # Shapes are drawn this much larger and averaged down, for smooth borders.

Floats = NDArray[np.floating]
Parts = NDArray[np.uint8]
Rng = np.random.Generator


class FacePart(IntEnum):
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


SIDES = {-1: (FacePart.LEFT_EYE, FacePart.LEFT_BROW), 1: (FacePart.RIGHT_EYE, FacePart.RIGHT_BROW)}


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


def shrink(drawn: Floats) -> Floats:
    """Average an oversampled H x W x C array down to the final size."""
    steps = range(OVERSAMPLING)
    corners = (drawn[row::OVERSAMPLING, column::OVERSAMPLING] for row in steps for column in steps)
    return np.add.reduce(list(corners)) / OVERSAMPLING**2


def sample_face(rng: Rng, height: int, width: int) -> Face:
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
        angle=math.radians(between(-12, 12)),
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


def draw_parts(face: Face, height: int, width: int) -> Parts:
    """Return the oversampled map of `FacePart` values."""
    parts = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING), dtype=np.uint8)
    cos, sin = math.cos(face.angle), math.sin(face.angle)
    for shapes in (_body_shapes, _hair_shapes, _feature_shapes):
        for part, points in shapes(face):
            u, v = points.T * face.scale
            _fill(
                parts, face.centre[0] + sin * u + cos * v, face.centre[1] + cos * u - sin * v, part
            )
    return parts


def _fill(parts: Parts, rows: Floats, columns: Floats, part: FacePart) -> None:
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


def _body_shapes(face: Face) -> Iterator[tuple[FacePart, Floats]]:
    """Yield what lies behind the features, back to front."""
    width = face.width
    yield FacePart.CLOTHES, _oval(0, 2.1, 2.1 * width, 0.95)
    if face.hair_length:
        turn = np.linspace(np.pi, 2 * np.pi, 14)
        top = _points(1.25 * width * np.cos(turn), (1 + face.hair_height) * np.sin(turn))
        bottom = [(1.4 * width, face.hair_length), (-1.4 * width, face.hair_length)]
        yield FacePart.HAIR, np.concatenate([top, np.array(bottom, dtype=np.float32)])
    yield FacePart.NECK, _oval(0, 1.0, 0.55 * width, 0.5)
    if face.has_ears:
        yield FacePart.EAR, _oval(-width, -0.02, 0.16, 0.22)
        yield FacePart.EAR, _oval(width, -0.02, 0.16, 0.22)
    yield FacePart.SKIN, _contour(face, np.linspace(0, 2 * np.pi, 36, endpoint=False))


def _hair_shapes(face: Face) -> Iterator[tuple[FacePart, Floats]]:
    """Yield the beard, the hair in front of the face and the hat."""
    if face.has_beard:
        jaw = _contour(face, np.linspace(0.15, np.pi - 0.15, 20))
        u = np.linspace(-1, 1, 17)
        edge = 0.37 + 0.1 * np.exp(-(((np.abs(u) - 0.6) / 0.2) ** 2)) - 0.2 * u**4
        yield FacePart.BEARD, np.concatenate([jaw, _points(jaw[-1, 0] * -u, edge)])
    if face.hair_height:
        middle, slant, squareness = face.hairline
        start = np.arcsin(face.hair_side)
        turn = np.linspace(np.pi - start, 2 * np.pi + start, 24)
        grown = 1 + face.hair_height * np.clip(-np.sin(turn), 0.25, 1)
        outer = _contour(face, turn) * grown[:, None]
        u = np.linspace(0.94, -0.94, 24)
        height = np.minimum(middle + slant * u, -0.56)
        hairline = height + (face.hair_side - height) * np.abs(u / 0.94) ** squareness
        yield FacePart.HAIR, np.concatenate([outer, _points(face.width * u, hairline)])
    if face.has_hat:
        turn = np.linspace(np.pi, 2 * np.pi, 16)
        yield FacePart.HAT, _points(1.15 * face.width * np.cos(turn), -0.64 + 0.8 * np.sin(turn))
        yield FacePart.HAT, _oval(0, -0.66, 1.4 * face.width, 0.09)


def _feature_shapes(face: Face) -> Iterator[tuple[FacePart, Floats]]:
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
    yield FacePart.NOSE, np.concatenate([right, (right * (-1, 1)).astype(np.float32)[::-1]])

    half_width, mouth_v, opening, smile = face.mouth
    rest = mouth_v - smile * line**2
    round_bump = np.sqrt(bump)
    inner_top, inner_bottom = rest - opening / 2 * bump, rest + opening / 2 * bump
    cupid = 0.03 * np.exp(-((line / 0.15) ** 2))
    upper = inner_top - face.lips[0] * round_bump + cupid
    lower = inner_bottom + face.lips[1] * round_bump
    u = half_width * line
    yield FacePart.LOWER_LIP, _strip(u, upper, lower)  # The other two cover its upper part.
    yield FacePart.UPPER_LIP, _strip(u, upper, inner_top)
    if opening:
        yield FacePart.INNER_MOUTH, _strip(u, inner_top, inner_bottom)
