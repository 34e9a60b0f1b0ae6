"""The formats of picture files that are opened, told by their first bytes and not by their names.

Nothing else reaches a decoder: of the forty formats that Pillow knows, some start other programs.
"""

from pathlib import Path

from harmonize.errors import HarmonizeError

LABELS = ("PNG", "TIFF", "BMP", "GIF", "PPM", "TGA", "JPEG", "WEBP", "JPEG2000")
"""Formats of label pictures, by Pillow's names; arrays have readers of their own."""
PICTURES = (*LABELS, "AVIF")
"""Formats of photographs."""
START = 32
"""Bytes that tell a format."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    *((start, "TIFF") for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    *((b"P%c" % kind, "PPM") for kind in b"123456f"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"gimp xcf", "GIMP"),
    (b"\0\0\x01\0", "icon (ICO)"),
    (b"icns", "icon (ICNS)"),
    (b"DDS ", "DDS"),
    (b"SIMPLE  =", "FITS"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"GRIB", "GRIB"),
    (b"BUFR", "BUFR"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\0\0\0", "EMF"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"qoif", "QOI"),
    (b"\x0a\x05\x01", "PCX"),
    (b"/* XPM", "XPM"),
    (b"#define", "XBM"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "GZIP"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
)
"""Formats that are no pictures here, for errors."""
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"}
_OTHER_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC"}


class OtherFormatError(HarmonizeError):
    """A file is of a known format that is not opened."""


def find_format(start: bytes, path: Path) -> str | None:
    """Return Pillow's name of a file's format, or None for another; TGA is told by its name too."""
    for known, name in _STARTS:
        if start.startswith(known):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], _brand_among(start))
    return "TGA" if path.suffix.lower() == ".tga" and start[1:3] in _TGA_KINDS else None


def refuse_format(start: bytes, path: Path, *, found: str | None, labels: bool) -> None:
    """Refuse a file whose format is not opened, by the format's name if that is known."""
    name = found or next((name for known, name in _OTHERS if start.startswith(known)), None)
    if name is None and start[4:8] == b"ftyp":
        name = _OTHER_BRANDS.get(start[8:12])
    if name is None:
        raise HarmonizeError(
            f"{path}: not a readable picture: cannot identify image file {str(path)!r}"
        )
    what, remedy = ("a label", "PNG") if labels else ("a picture", "PNG or JPEG")
    raise OtherFormatError(
        f"{path}: is a file of {name}, not opened as {what}; save it as {remedy}"
    )


_TGA_KINDS = (b"\1\1", b"\0\2", b"\0\3", b"\1\x09", b"\0\x0a", b"\0\x0b")
"""Whether there is a palette, and how pixels are stored."""


def _brand_among(start: bytes) -> str | None:
    """Return the format of a file that names its brand among further ones."""
    further = {start[place : place + 4] for place in range(16, len(start), 4)}
    return "AVIF" if further & set(_BRANDS) else None
