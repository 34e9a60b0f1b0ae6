"""``python -m harmonize``, and so ``accelerate launch -m harmonize``: the command."""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main())
