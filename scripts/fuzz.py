"""Give malformed trees, mappings, configs, pictures and caches to all that reads any.

    python scripts/fuzz.py [--inputs N] [--what KIND ...] [--keep DIR]

Each input is drawn from its number: `--first 4711 --inputs 1` reads one of them again.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1] / "tests")

from fuzz.command import main  # noqa: E402  # pyright: ignore[reportMissingImports]

if __name__ == "__main__":
    sys.exit(main())
