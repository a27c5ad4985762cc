"""``posekit weights``: list, download, verify, convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from posekit.cli.options import JsonOption
from posekit.cli.output import remark, show, table

weights_app = typer.Typer(
    help="List, download, check and convert weights.", no_args_is_help=True, add_completion=False
)

ModelArgument = Annotated[str, typer.Argument(help="One of `posekit models`.", metavar="MODEL")]


@weights_app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List every weights file PoseKit knows, and whether it is on this machine."""
    from posekit import zoo

    files: list[dict[str, Any]] = []
    for name in zoo.list_models():
        for file in zoo.entry(name).weights:
            files.append(
                {
                    "model": name,
                    "kind": file.kind,
                    "present": file.present,
                    "checked": file.checked,
                    "path": str(file.local),
                    "url": file.url,
                }
            )
    rows = [
        [
            file["model"],
            file["kind"],
            _state(file["present"], file["checked"]),
            file["path"] if file["present"] or not file["url"] else file["url"],
        ]
        for file in files
    ]
    show(files, table(["MODEL", "KIND", "STATE", "PLACE"], rows), as_json=as_json)


def _state(present: bool, checked: bool) -> str:
    if not present:
        return "not here"
    return "here" if checked else "here, not checked"


@weights_app.command()
def download(
    model: ModelArgument,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="What the file must have, if you know it from elsewhere."),
    ] = None,
) -> None:
    """Download a model's official weights; a broken download goes on where it stopped."""
    from dataclasses import replace

    from posekit import zoo
    from posekit.checkpoint import read_state_dict
    from posekit.download import sha256_of
    from posekit.weights import fetch

    entry = zoo.entry(model)
    file = entry.weights_of("official")
    path = fetch(replace(file, sha256=sha256) if sha256 else file)
    # Now, not when somebody needs it: does it hold this model?
    zoo.fitted(entry, read_state_dict(path))
    typer.echo(f"{path}\nSHA-256 {sha256_of(path)}")


@weights_app.command()
def verify(
    target: Annotated[
        str, typer.Argument(help="A model, or a weights file.", metavar="MODEL|FILE")
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Whether a file fits this model.")
    ] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="What the file must have.")] = None,
) -> None:
    """Check that a weights file is whole, unchanged, safe to read and fits its model."""
    from posekit import zoo
    from posekit.checkpoint import read_state_dict
    from posekit.errors import WeightsError
    from posekit.weights import user_file
    from posekit.weights import verify as verify_checksum

    known = target in zoo.list_models()
    fits = target if known else model
    entry = zoo.entry(fits) if fits else None
    file = zoo.choose_weights(entry) if known and entry else user_file(target)
    path = file.local
    if path is None:
        raise WeightsError(f"There are no weights of {target} on this machine.")
    found = verify_checksum(path, sha256 or file.sha256)
    state = read_state_dict(path)
    if entry is not None:
        zoo.fitted(entry, state)
    words = f", fit {entry.title}" if entry is not None else ""
    typer.echo(f"{path}\nSHA-256 {found}\n{len(state)} tensors, all finite{words}")


@weights_app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A .pth file, such as an official one.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    model: Annotated[str, typer.Option("--model", "-m", help="The model it is for.")],
    half: Annotated[
        bool, typer.Option("--half/--full", help="Half precision: half the size.")
    ] = False,
) -> None:
    """Convert a PyTorch checkpoint to safetensors, after checking that it fits the model."""
    from posekit import zoo
    from posekit.checkpoint import read_state_dict, save_safetensors

    if target.suffix != ".safetensors":
        raise typer.BadParameter(f"the target ends in .safetensors, not {target.name!r}.")
    entry = zoo.entry(model)
    module = zoo.fitted(entry, read_state_dict(source))
    save_safetensors(module, target, half=half, metadata={"model": entry.name})
    remark(f"{target} is ready: posekit predict PHOTO --model {model} --weights {target}")
