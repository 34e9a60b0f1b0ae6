"""Training samples on a page or a sheet, in one file of less than a megabyte."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError
from harmonize.inference.drawing import draw_list, percent
from harmonize.report.inline_images import InlineImage, photograph
from harmonize.report.templates import template_environment
from harmonize.system.atomic_files import write_whole, writing
from harmonize.tools.look.seen import VOID_COLORS, SeenSample, see_samples, shrunk

MOST_BYTES = 1_000_000
_MADE_BY = "harmonize look"
"""Stands in every sheet, and in the page's template, so that no other file is replaced."""
_LONGEST_SIDE = 480
_LEAST_SIDE = 24
_CLEAR_SIDE = 200
"""Smaller pictures are enlarged with all their pixels to be seen."""
_LISTED = 12
"""Classes that a page names under a sample."""
_COLUMNS = 2
_DOT = " · "
_PAPER, _INK, _MUTED = (19, 22, 25), (228, 231, 234), (154, 163, 173)


@dataclass(frozen=True)
class _Shown:
    """A sample with its pictures as a page holds them."""

    seen: SeenSample
    picture: InlineImage
    overlay: InlineImage

    @property
    def words(self) -> str:
        return ", ".join(f"{label.name} {percent(share)}" for label, share in self.seen.classes)


def look(config: RunConfig, number: int, output: Path, *, name: str, augmented: bool) -> Path:
    """Write the first training samples of a run as a page (.html) or a sheet (.png, .jpg).

    Args:
        config: of the run.
        number: how many samples.
        output: the file.
        name: of the config.
        augmented: changed as the config says, or only cropped and resized.

    Raises:
        HarmonizeError: what is wrong with the config, its data or the output.
    """
    kind = output.suffix.lower()
    if kind not in _WRITERS:
        raise HarmonizeError(f"{output}: expected a name that ends in {', '.join(_WRITERS)}")
    if output.is_dir():
        raise HarmonizeError(f"{output}: is a folder; name a file")
    samples = see_samples(config, number, augmented=augmented)
    how = "as the network gets them" if augmented else "cropped and resized, but not augmented"
    lead = f"The first {number} training samples, {how}: {_size(config)}, with the label over it."
    sides = _sides(config.data.size)
    tried = (_WRITERS[kind](samples, side, name, lead) for side in sides)
    data = next((data for data in tried if len(data) < MOST_BYTES), None)
    if data is None:
        raise HarmonizeError(f"--number: {number} samples make too large a file; ask for fewer")
    with writing(output):
        write_whole(output, data)
    return output


def _size(config: RunConfig) -> str:
    return f"the picture at {config.data.size} x {config.data.size} pixels"


def _sides(size: int) -> Iterator[int]:
    """Yield sides of shown pictures, until the file is small enough."""
    side = min(size, _LONGEST_SIDE)
    while side >= _LEAST_SIDE or side == size:
        yield side
        side = side * 4 // 5


def _page(samples: Sequence[SeenSample], side: int, title: str, lead: str) -> bytes:
    shown = [
        _Shown(seen, photograph(shrunk(seen.picture, side)), photograph(shrunk(seen.overlay, side)))
        for seen in samples
    ]
    template = template_environment(Path(__file__).parent).get_template("look.html.jinja")
    text = template.render(
        title=title,
        lead=lead,
        samples=shown,
        pixelated=side < _CLEAR_SIDE and len(samples[0].picture) == side,
        stripes=VOID_COLORS,
        most=_LISTED,
        percent=percent,
    )
    return text.encode(errors="backslashreplace")


def _sheet(samples: Sequence[SeenSample], side: int, title: str, lead: str) -> Image.Image:
    """Draw samples in two columns, each with its classes beside it and a caption below."""
    large = max(-(-_CLEAR_SIDE // side), 1) * side if side == len(samples[0].picture) else side
    line = max(large // 18, 9)
    gap, list_width = line, max(large * 2 // 3, 12 * line)
    cell = 2 * large + 2 + list_width, large + 5 * line
    columns = min(_COLUMNS, len(samples))
    rows = -(-len(samples) // columns)
    top = 6 * line
    size = columns * (cell[0] + gap) + gap, top + rows * (cell[1] + gap)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write_line(pen, (gap, gap), title, size[0] - 2 * gap, (round(1.6 * line), _INK))
    _write_line(pen, (gap, gap + 2 * line + 4), lead, size[0] - 2 * gap, (line, _MUTED))
    for number, seen in enumerate(samples):
        row, column = divmod(number, columns)
        at = gap + column * (cell[0] + gap), top + row * (cell[1] + gap)
        _draw_cell(sheet, seen, at, (side, large, list_width, line))
    return sheet


def _draw_cell(
    sheet: Image.Image,
    seen: SeenSample,
    at: tuple[int, int],
    sizes: tuple[int, int, int, int],
) -> None:
    side, large, list_width, line = sizes
    pen = ImageDraw.Draw(sheet)
    for place, pixels in enumerate((seen.picture, seen.overlay)):
        image = Image.fromarray(shrunk(pixels, side))
        image = image.resize((large, large), Image.Resampling.NEAREST)
        sheet.paste(image, (at[0] + place * (large + 2), at[1]))
    listed = draw_list(seen.classes, height=large, longest=36 * line, paper=_PAPER)
    listed = listed.crop((0, 0, min(list_width, listed.width), large))
    sheet.paste(listed, (at[0] + 2 * large + 2, at[1]))
    width = 2 * large + list_width
    below = at[1] + large + line // 2
    _write_line(pen, (at[0], below), f"{seen.dataset}  {seen.path}", width, (line, _INK))
    done, rest = _split(seen.done, width, line)
    _write_line(pen, (at[0], below + line + line // 2), done, width, (line, _MUTED))
    _write_line(pen, (at[0], below + 3 * line), rest, width, (line, _MUTED))


def _split(parts: Sequence[str], width: int, line: int) -> tuple[str, str]:
    """Join parts into a first line, as many as there is room for, and a second one."""
    font = ImageFont.load_default(line)
    joined = [_DOT.join(parts[: number + 1]) for number in range(len(parts))]
    first = max(sum(font.getlength(text) <= width for text in joined), 1)
    return joined[first - 1], _DOT.join(parts[first:])


def _write_line(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    width: int,
    style: tuple[int, tuple[int, int, int]],
) -> None:
    """Write a line, cut where there is no more room."""
    font = ImageFont.load_default(style[0])
    if font.getlength(text) > width:
        while text and font.getlength(f"{text}...") > width:
            text = text[:-1]
        text += "..."
    pen.text(at, text, fill=style[1], font=font)


def _saved(format_: str) -> Callable[[Sequence[SeenSample], int, str, str], bytes]:
    def write(samples: Sequence[SeenSample], side: int, title: str, lead: str) -> bytes:
        sheet, data = _sheet(samples, side, title, lead), io.BytesIO()
        if format_ == "PNG":
            mark = PngInfo()
            mark.add_text("Software", _MADE_BY)
            sheet.save(data, format=format_, pnginfo=mark)
        else:
            sheet.save(data, format=format_, quality=88, subsampling=0, comment=_MADE_BY)
        return data.getvalue()

    return write


_WRITERS = {".html": _page, ".png": _saved("PNG"), ".jpg": _saved("JPEG")}
