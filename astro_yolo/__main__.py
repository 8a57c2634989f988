"""``python -m astro_yolo`` is the command ``astro-yolo``."""

import sys

from astro_yolo.cli import main

if __name__ == "__main__":
    sys.exit(main())
