"""What a Hugging Face Space starts (docs/spaces.md): the page, open to everybody who may come.

It lies here, and not in ``app/``, so that Python finds the packages ``app`` and ``posekit``.
"""

from __future__ import annotations

import sys

from app.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["--host", "0.0.0.0", *sys.argv[1:]]))
