"""``python -m app``: serve the page and print its address."""

from __future__ import annotations

import argparse
import sys

from app.server import serve
from posekit.errors import PoseKitError


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, serve until interrupted; 1 and one sentence when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m app", description="Serve the PoseKit page.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (0.0.0.0: everywhere)"
    )
    parser.add_argument("--port", type=int, default=7860, help="port, 7860 by default")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--model", default=None, help="the model shown first")
    parser.add_argument(
        "--cases",
        metavar="FOLDER",
        default=None,
        help="let everybody who can open the page save, open and delete occlusion cases here;"
        " without it only a page on this machine has a case library",
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="offer the calls of the HTTP API as MCP tools too (pip install 'posekit[mcp]')",
    )
    chosen = parser.parse_args(arguments)
    try:
        serve(
            chosen.host,
            chosen.port,
            device=chosen.device,
            model=chosen.model,
            cases=chosen.cases,
            mcp=chosen.mcp,
        )
    except KeyboardInterrupt:
        return 0
    except (PoseKitError, OSError) as error:
        print(f"posekit: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
