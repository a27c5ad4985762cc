"""``posekit data``: carrying data sets about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import JsonOption
from posekit.cli.output import show

data_app = typer.Typer(no_args_is_help=True, help="Pack data sets for another machine.")


@data_app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder with joints.npz and the photographs.")],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder for the pieces.")],
    megabytes: Annotated[float, typer.Option("--mib", help="The most a piece may take.")] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Write a data set in pieces of a bounded size; together in one folder they are it again."""
    from posekit.data.pack import pack as write

    pieces = write(folder, out, megabytes)
    sizes = {path.name: path.stat().st_size for path in pieces}
    text = "\n".join(f"{name}  {size / 2**20:.1f} MiB" for name, size in sizes.items())
    show(sizes, text, as_json=as_json)
