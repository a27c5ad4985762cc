"""``posekit cases``: case studies that come prepared, and the library of saved ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.options import DeviceOption, JsonOption, WeightsOption, check_out, load_model
from posekit.cli.output import show, table
from posekit.files import write_json, write_png, writing

if TYPE_CHECKING:
    from posekit.occlusion import SavedCase

cases_app = typer.Typer(no_args_is_help=True, help="Case studies: prepared ones, and saved ones.")

FolderOption = Annotated[
    Path | None,
    typer.Option("--library", help="Folder of the library. Default: in your data folder."),
]
CaseArgument = Annotated[str, typer.Argument(metavar="ID", help="As `posekit cases list` has it.")]


@cases_app.command()
def gallery(
    name: Annotated[
        str | None, typer.Argument(help="Write this one's picture; without it all are listed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The picture (.png), for NAME.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the prepared cases, or write the picture of one."""
    from posekit.occlusion import CASES, prepared_case

    if name is None:
        rows = [[key, c.level, c.keypoint, c.question] for key, c in CASES.items()]
        result = [
            dict(zip(("name", "level", "keypoint", "question"), row, strict=True)) for row in rows
        ]
        show(result, table(["NAME", "LEVEL", "KEYPOINT", "QUESTION"], rows), as_json=as_json)
        return
    check_out(out, ".png")
    ready = prepared_case(name)
    if out is not None:
        with writing(out):
            write_png(ready.photo.pixels, out)
    made = None if ready.occluder is None else ready.occluder.to_dict()
    about: dict[str, Any] = {
        "name": name,
        "title": ready.case.title,
        "question": ready.case.question,
        "keypoint": ready.case.keypoint,
        "hidden_by": ready.hidden_by,
        "person": ready.case.person,
        "boxes": [[b.x, b.y, b.width, b.height] for b in ready.boxes],
        "occluder": made,
    }
    box = ready.boxes[ready.case.person]
    text = (
        f"{ready.case.title}: {ready.case.question}\n"
        f'--keypoint "{ready.case.keypoint}" '
        f"--box {box.x:.0f},{box.y:.0f},{box.width:.0f},{box.height:.0f}"
    )
    show(about, text, as_json=as_json)


@cases_app.command("list")
def list_cases(library: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the saved cases, the newest first."""
    from posekit.occlusion import CaseLibrary

    held = CaseLibrary(library).list()
    rows = [
        [one.id, f"{one.created:%Y-%m-%d %H:%M}", one.model, one.keypoint or "a point", one.title]
        for one in held
    ]
    text = table(["ID", "SAVED (UTC)", "MODEL", "KEYPOINT", "TITLE"], rows)
    result = [_plain(one) for one in held]
    show(result, text if held else "No case has been saved yet.", as_json=as_json)


@cases_app.command("open")
def open_case(
    case: CaseArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the occluder (.json) or photo (.png).")
    ] = None,
    library: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a saved case holds."""
    from posekit.occlusion import CaseLibrary

    check_out(out, ".json", ".png")
    opened = CaseLibrary(library).open(case)
    made = None if opened.occluder is None else opened.occluder.to_dict()
    if out is not None:
        with writing(out):
            if out.suffix.lower() == ".json":
                write_json(made, out, indent=None)
            elif opened.photo is not None:
                write_png(opened.photo.pixels, out)
    words = "nothing in front" if opened.occluder is None else opened.occluder.words
    lines = [
        opened.title,
        f"{opened.model} ({opened.weights} weights) · {opened.keypoint or 'a point'} · {words}",
        *([opened.note] if opened.note else []),
    ]
    show(_plain(opened) | {"occluder": made}, "\n".join(lines), as_json=as_json)


@cases_app.command("delete")
def delete_case(case: CaseArgument, library: FolderOption = None) -> None:
    """Delete a saved case and its files."""
    from posekit.occlusion import CaseLibrary

    CaseLibrary(library).delete(case)
    show({"deleted": case}, f"Deleted {case}.", as_json=False)


@cases_app.command()
def export(
    case: CaseArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="One page for any browser (.html).")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model than the case's own.")
    ] = None,
    weights: WeightsOption = "auto",
    library: FolderOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Make a saved case's study again, and write it as one self-contained HTML file."""
    from posekit.occlusion import CaseLibrary, export_case

    check_out(out, ".html")
    opened = CaseLibrary(library).open(case)
    chosen = load_model(model or opened.model, weights, device)
    with writing(out):
        export_case(opened, chosen, out)
    show({"written": out.name}, f"Wrote {out.name}.", as_json=False)


def _plain(case: SavedCase) -> dict[str, Any]:
    return {
        "id": case.id,
        "created": case.created.isoformat(),
        "title": case.title,
        "note": case.note,
        "model": case.model,
        "weights": case.weights,
        "keypoint": case.keypoint,
        "point": None if case.point is None else list(case.point),
        "person": case.person,
        "layer": case.layer,
        "photo_size": list(case.photo_size),
    }
