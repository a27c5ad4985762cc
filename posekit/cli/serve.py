"""``posekit serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import DEFAULT_MODEL, DeviceOption, ModelOption
from posekit.errors import PoseKitError


def serve(
    host: Annotated[
        str, typer.Option("--host", help="0.0.0.0 lets other machines in.", envvar="HOST")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, envvar="PORT")] = 7860,
    model: ModelOption = DEFAULT_MODEL,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="MODEL=FILE",
            help="Offer a model with weights of your own too (.safetensors or .pth); may be "
            "repeated. The first one is shown first unless --model says otherwise.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases",
            metavar="FOLDER",
            help="Let everybody who can open the page save, open and delete occlusion cases here. "
            "Without it only a page on this machine has a case library.",
        ),
    ] = None,
    mcp: Annotated[
        bool,
        typer.Option(
            "--mcp",
            help="Offer the calls of the HTTP API as MCP tools too; needs the package mcp.",
        ),
    ] = False,
) -> None:
    """Serve the page until Ctrl-C."""
    from app.server import serve as serve_page
    from posekit.own_weights import add_weights

    added = []
    for one in weights or []:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise typer.BadParameter("--weights takes MODEL=FILE, as in transpose-r-a3=mine.pth.")
        added.append(add_weights(name, file))
    if added and model == DEFAULT_MODEL:
        model = added[0]
    try:
        serve_page(host, port, device=device, model=model, cases=cases, mcp=mcp)
    except OSError as error:
        raise PoseKitError(
            f"The page cannot be served at {host}:{port}; if another program has that port, choose "
            "another one with --port."
        ) from error
