#!/usr/bin/env bash
# One would guess: Pillow shows the same pixels of a file whether it is opened by its path or as a
#   stream, and a TIFF file whose Orientation tag says 5 to 8 is turned by 90 degrees.
# What happens: of an uncompressed file opened by its path, whose mode Pillow maps into memory (L, P,
#   RGBA, CMYK, I;16), the pixels are cut into rows of the wrong length before they are turned: the
#   size at opening is that of the turned picture, and the file is mapped with it. After loading,
#   the size is another one. There is no error and no warning. A stream, a compressed file or mode
#   RGB is right.
# Versions: Pillow 13.0.0, numpy 2.4.6.
# Seen, rows 0 1 2 and 3 4 5 with orientation 6: as a stream 3 0, 4 1, 5 2, which is right; by its
#   path 4 2 0, 5 3 1.
# Why it matters: scans and camera files carry the tag. A label or grey picture becomes noise of the
#   same values, which looks like a bad label set rather than like a reader's fault. Open such files
#   as a stream: Image.open(io.BytesIO(data)).
# Source: PIL/TiffImagePlugin.py (_setup exchanges the sides) and PIL/ImageFile.py (load maps the
#   file by self.size), Pillow 13.0.0; not among the issues on the tag: 4053, 7381, 8554.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PY'
import io
import sys
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
right = np.rot90(pixels, -1).tolist()  # orientation 6: turn it clockwise to see it upright
print("Pillow", PIL.__version__)
seen = {}
for mode, compression in (("L", "raw"), ("L", "tiff_lzw"), ("RGB", "raw"), ("RGBA", "raw")):
    path = Path(f"{mode}_{compression}.tif")
    Image.fromarray(pixels).convert(mode).save(path, compression=compression, tiffinfo={274: 6})
    for way, source in (("path", path), ("stream", io.BytesIO(path.read_bytes()))):
        with Image.open(source) as picture:
            before = picture.size
            picture.load()
            first = np.asarray(picture).reshape(*picture.size[::-1], -1)[..., 0].tolist()
        seen[mode, compression, way] = first == right
        print(f"{mode}, {compression}, {way}: size {before} then {picture.size}, {first}")
wrong = {key for key, same in seen.items() if not same}
if wrong != {("L", "raw", "path"), ("RGBA", "raw", "path")}:
    sys.exit("CHANGED: expected uncompressed L and RGBA, opened by path, to be wrong alone")
print("as documented: uncompressed turned files that are opened by their path are mixed up")
PY
