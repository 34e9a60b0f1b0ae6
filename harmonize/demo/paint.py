"""How drawn faces are coloured, lit and set before a background that misleads."""

import math

import numpy as np
from skimage.draw import ellipse, polygon
from skimage.filters import gaussian
from skimage.transform import resize

from harmonize.demo.faces import (
    SIDES,
    Face,
    FacePart,
    Floats,
    Parts,
    Rng,
    shrink,
)

SKIN_TONES = np.array([(250, 224, 205), (226, 178, 146), (170, 116, 82), (66, 42, 32)]) / 255
BROWN_HAIR = [(22, 18, 18), (60, 38, 26), (104, 66, 38)]
HAIR_COLOURS = np.array([*BROWN_HAIR, (222, 188, 112), (168, 72, 32), (168, 168, 170)]) / 255
DYES = np.array([(214, 90, 160), (70, 110, 200), (80, 160, 110), (222, 176, 146)]) / 255
LIP_COLOURS = np.array([(190, 60, 70), (150, 40, 60), (215, 105, 105), (120, 40, 90)]) / 255
PINK = (0.85, 0.45, 0.45)  # of the inner corner of an eye
IRIS_COLOURS = np.array([(70, 45, 25), (60, 100, 150), (70, 120, 70), (40, 30, 25)]) / 255


def paint(face: Face, parts: Parts, rng: Rng) -> Parts:
    """Return the 8-bit RGB picture of a part map, at the final size."""
    u, v = face_coordinates(face, parts.shape)
    colours = _part_colours(rng)
    canvas = np.where((parts == 0)[..., None], _paint_background(parts, rng), colours[parts])
    _paint_texture(canvas, parts, u, v, rng)
    _paint_features(canvas, parts, u, v, face, rng)
    strength, turn = rng.uniform(0, 0.35), rng.uniform(0, 2 * math.pi)
    light = strength * (math.cos(turn) * u + math.sin(turn) * v)
    shade = np.clip(1 + light - 0.1 * (u**2 + v**2), 0.5, 1.1)
    canvas *= np.where(parts == 0, 1, shade)[..., None]

    picture = gaussian(shrink(canvas), sigma=rng.uniform(0, 0.8), channel_axis=-1)
    picture = picture * rng.uniform(0.75, 1) + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def face_coordinates(face: Face, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
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
    """Return one colour in [0, 1] for each part, at row `FacePart`."""
    skin, hair = _skin_colour(rng), _hair_colour(rng)
    colours = np.empty((len(FacePart), 3), dtype=np.float32)
    colours[:] = skin
    colours[FacePart.EAR] = skin * 0.9
    colours[FacePart.NECK] = skin * rng.uniform(0.7, 0.85)
    colours[FacePart.NOSE] = skin * (
        1.2 if skin.mean() < 0.6 and rng.random() < 0.5 else rng.uniform(0.78, 0.88)
    )
    colours[[FacePart.LEFT_EYE, FacePart.RIGHT_EYE]] = rng.uniform(0.8, 0.95)
    colours[[FacePart.LEFT_BROW, FacePart.RIGHT_BROW]] = hair * 0.6
    colours[[FacePart.HAIR, FacePart.BEARD]] = hair
    lip = skin + rng.uniform(0.35, 1) * (_lip_colour(rng) - skin)
    colours[FacePart.UPPER_LIP], colours[FacePart.LOWER_LIP] = lip * 0.82, lip
    colours[FacePart.INNER_MOUTH] = rng.uniform((0.15, 0.02, 0.02), (0.4, 0.1, 0.1))
    colours[[FacePart.CLOTHES, FacePart.HAT]] = rng.uniform(0, 1, size=(2, 3))
    return colours


def _paint_background(parts: Parts, rng: Rng) -> Floats:
    """Return a gradient, often striped, under shapes in the colours of faces."""
    height, width = parts.shape
    turn = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(parts.shape, dtype=np.float32) / max(parts.shape)
    across = math.cos(turn) * columns + math.sin(turn) * rows
    first, second = rng.uniform(0, 1, size=(2, 3)).astype(np.float32)
    canvas = first + (second - first) * ((across + 1) / 2)[..., None]
    if rng.random() < 0.2:
        canvas += 0.1 * np.sign(np.sin(rng.uniform(20, 80) * across))[..., None]
    for _ in range(rng.integers(2, 6)):
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        extent = rng.uniform(0.04, 0.2, size=2) * height
        colour = (_skin_colour, _hair_colour, _lip_colour)[rng.integers(3)](rng)
        if rng.random() < 0.6:
            canvas[ellipse(row, column, extent[0], extent[1], parts.shape)] = colour
        else:
            box = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * extent
            canvas[polygon(row + box[:, 0], column + box[:, 1], parts.shape)] = colour
    for _ in range(rng.integers(0, 3)):  # what might be taken for an eye
        row, column, radius = rng.uniform(0, height), rng.uniform(0, width), 0.025 * height
        canvas[ellipse(row, column, 1.4 * radius, 2 * radius, parts.shape)] = 0.9
        canvas[ellipse(row, column, radius, radius, parts.shape)] = 0.1
    return canvas


def _paint_texture(canvas: Floats, parts: Parts, u: Floats, v: Floats, rng: Rng) -> None:
    """Darken and lighten hair in strands, clothes in stripes and everything in soft spots."""
    strands = np.sin(rng.uniform(25, 50) * u + 6 * np.sin(3 * v + rng.uniform(0, 6)))
    is_hair = np.isin(parts, (FacePart.HAIR, FacePart.BEARD))
    canvas[is_hair] *= (1 + 0.18 * strands[is_hair])[:, None]
    is_cloth = np.isin(parts, (FacePart.CLOTHES, FacePart.HAT))
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
            canvas[is_frame & (parts == FacePart.SKIN)] = frame
    half_width, tip, _ = face.nose
    nostril = np.hypot((np.abs(u) - 0.5 * half_width) / 0.05, (v - tip + 0.05) / 0.03) < 1
    canvas[nostril & (parts == FacePart.NOSE)] *= 0.35
    _, mouth_v, opening, _ = face.mouth
    canvas[(parts == FacePart.INNER_MOUTH) & (v < mouth_v - 0.1 * opening)] = 0.85
