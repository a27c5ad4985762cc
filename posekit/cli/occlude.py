"""``posekit occlude``: put something in front of a person and print what it changes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.methods import bar
from posekit.cli.options import (
    DEFAULT_MODEL,
    REPORTS,
    BoxOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PeopleByOption,
    PersonOption,
    PhotoArgument,
    WeightsOption,
    WithPhotoOption,
    boxes_or_found,
    check_out,
    load_model,
    photo_at,
    read_numbers,
    remark_doubt,
)
from posekit.cli.output import show, table
from posekit.errors import PoseKitError
from posekit.files import writing

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.occlusion import Occluder, Study, Sweep


GRID, STEPS = "10,8", 13


class SweepKind(StrEnum):
    """What moves, or grows, in a sweep."""

    grid = "grid"
    limb = "limb"


def occlude(
    photo: PhotoArgument,
    keypoint: Annotated[str, typer.Option("--keypoint", "-k", help='Such as "left wrist".')],
    model: ModelOption = DEFAULT_MODEL,
    rectangle: Annotated[
        str | None,
        typer.Option(
            "--rectangle",
            metavar="X0,Y0,X1,Y1",
            help="Cover the pixels from one corner to the other.",
        ),
    ] = None,
    limb: Annotated[
        str | None,
        typer.Option(
            "--limb",
            metavar="KEYPOINT",
            help="Cover the way from this keypoint to the one looked at, with a band.",
        ),
    ] = None,
    share: Annotated[
        float, typer.Option("--share", min=0.0, max=1.0, help="How much of the limb, 0 to 1.")
    ] = 1.0,
    occluder: Annotated[
        Path | None,
        typer.Option("--occluder", help="A file that describes the occluder (.json)."),
    ] = None,
    colour: Annotated[
        str,
        typer.Option(
            "--colour",
            help="Of rectangle and limb: mean, grey, R,G,B, or knockout, which leaves the photo as "
            "it is and blocks attention to what lies there.",
        ),
    ] = "mean",
    sweep: Annotated[
        SweepKind | None,
        typer.Option(
            "--sweep",
            help="grid: the occluder at many places; limb: a band that grows to the keypoint.",
        ),
    ] = None,
    grid: Annotated[
        str, typer.Option("--grid", metavar="ROWS,COLS", help="Of the grid's places.")
    ] = GRID,
    steps: Annotated[int, typer.Option("--steps", help="Of the growing band.")] = STEPS,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            help="A picture of who is where: black is nobody, every other colour one person. "
            "Without it the model's own masks, or an estimate round its keypoints.",
        ),
    ] = None,
    box: BoxOption = None,
    people_by: PeopleByOption = None,
    person: PersonOption = 0,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer", help="Such as encoder.3. Default: the supervised or else the last."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A picture (.png), vectors (.svg), a page for any browser (.html), the figures "
            "(.json, or .csv: what changed and every keypoint) or the raw maps (.npz). Of a "
            "sweep, .json, .csv and .npz hold its rows.",
        ),
    ] = None,
    with_photo: WithPhotoOption = True,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper", help="As --out's .png or .svg: a figure for a paper, one column of 85 mm."
        ),
    ] = False,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="TITLE", help="Also keep it in the case library."),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Words that go with --save or --out.")] = "",
    weights: WeightsOption = "auto",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Put something in front of a person, and see what it changes."""
    from posekit.estimator import Estimator
    from posekit.occlusion import describe, masks_of_file, study

    ways = [rectangle is not None, limb is not None, occluder is not None]
    if sum(ways) > 1 or (not any(ways) and sweep is None):
        raise typer.BadParameter(
            "name one of --rectangle X0,Y0,X1,Y1, --limb KEYPOINT, --occluder FILE and --sweep."
        )
    for option, given, needs, there in (
        ("--share", share != 1.0, "--limb", limb is not None),
        ("--grid", grid != GRID, "--sweep grid", sweep is SweepKind.grid),
        ("--steps", steps != STEPS, "--sweep limb", sweep is SweepKind.limb),
        ("--colour", colour != "mean", "a rectangle or a limb", occluder is None),
        ("--paper", paper, "--out", out is not None),
    ):
        if given and not there:
            raise typer.BadParameter(f"{option} goes with {needs}.")
    rows, cols = (int(v) for v in read_numbers(grid, 2, "a grid ROWS,COLS"))
    check_out(out, *((".png", ".svg") if paper else (*REPORTS, ".csv")), source=photo)
    picture = photo_at(photo)
    chosen = boxes_or_found(box, people_by, picture, device)
    # Before the network is loaded: whatever can be refused is.
    masks: Any = "best" if mask is None else masks_of_file(mask, picture)
    estimator = Estimator(load_model(model, weights, device))
    before = estimator.predict(picture, chosen)
    remark_doubt(before)
    made = _occluder(before, keypoint, person, rectangle, limb, share, occluder, colour)
    common: dict[str, Any] = {
        "keypoint": keypoint,
        "person": person,
        "boxes": chosen,
        "layer": layer,
        "masks": masks,
        "before": before,
    }
    swept: Sweep | None = None
    if sweep is not None:
        from posekit.occlusion import sweep_grid, sweep_limb

        with bar("sweep") as progress:
            if sweep is SweepKind.grid:
                swept = sweep_grid(
                    estimator, picture, made, shape=(rows, cols), progress=progress, **common
                )
            else:
                fill = _fill(colour)
                swept = sweep_limb(
                    estimator, picture, start=limb, steps=steps, colour=fill, progress=progress,
                    **common,
                )  # fmt: skip
        if made is None:  # the one that hurt most stands for all
            made = swept.occluders[int(swept.drop.argmax())]
    done = study(estimator, picture, made, **common)
    if out is not None:
        _write(done, swept, out, note, with_photo, paper)
    result = describe(done) | ({} if swept is None else {"sweep": swept.describe()})
    text = _text(done, swept)
    if save is not None:
        from posekit.occlusion import CaseLibrary

        kept = CaseLibrary().save(done, title=save, note=note)
        result |= {"case": kept.id}
        text += f"\n\nSaved as {kept.id}."
    show(result, text, as_json=as_json)


def _occluder(
    before: Prediction,
    keypoint: str,
    person: int,
    rectangle: str | None,
    limb: str | None,
    share: float,
    file: Path | None,
    colour: str,
) -> Occluder | None:
    """The occluder that the options describe; None when there is nothing to put in front."""
    from posekit.geometry import Box
    from posekit.occlusion import Rectangle, limb_band, occluder_from_json

    if file is not None:
        try:
            return occluder_from_json(file.read_bytes())
        except OSError as error:
            raise PoseKitError(f"{str(file)!r} cannot be read: {error.strerror}.") from error
    fill = _fill(colour)
    if rectangle is not None:
        corners = read_numbers(rectangle, 4, "a rectangle X0,Y0,X1,Y1 in pixels")
        return Rectangle(Box.from_corners(*corners), fill)
    if limb is not None:
        return limb_band(before, limb, keypoint, share, person=person, colour=fill)
    return None


def _fill(colour: str) -> Any:
    from posekit.occlusion.painted import FILLS

    if colour in FILLS:
        return colour
    numbers = read_numbers(colour, 3, "mean, grey, knockout or a colour R,G,B from 0 to 255")
    return tuple(int(v) for v in numbers)


def _write(
    done: Study, swept: Sweep | None, out: Path, note: str, photo: bool, paper: bool
) -> None:
    suffix = out.suffix.lower()
    with writing(out):
        if suffix == ".html":
            done.save_html(out, note=note, sweep=swept, photo=photo)
        elif suffix == ".svg":
            done.save_svg(out, photo=photo, paper=paper)
        elif suffix == ".json":
            (done if swept is None else swept).save_json(out)
        elif suffix == ".csv":
            (done if swept is None else swept).save_csv(out)
        elif suffix == ".npz":
            (done if swept is None else swept).save_npz(out)
        else:
            done.save_png(out, photo=photo, paper=paper)


def _text(done: Study, swept: Sweep | None) -> str:
    """Sentences, the table of changes, and the sweep's rows."""
    from posekit.occlusion.words import HEADS, cell, change_cells

    rows = [change_cells(row) for row in done.changes]
    parts = [f"{done.title}:", *done.sentences, "", table([h.upper() for h in HEADS], rows)]
    if swept is not None and swept.kind == "limb":
        heads = ["COVERED", "CONFIDENCE", "MOVED", "ON PERSON", "ON OCCLUDER"]
        keys = ("share", "share"), ("confidence", ""), ("displacement_px", "px"), (
            "on_person", "share"), ("on_occluder", "share")  # fmt: skip
        lines = [[cell(row[key], unit) for key, unit in keys] for row in swept.rows]
        parts += ["", f"Covered of {swept.share_words}:", table(heads, lines)]
    elif swept is not None and swept.shape is not None:
        rows_, cols = swept.shape
        lines = [
            [cell(v, "", signed=True) for v in line] for line in swept.drop.reshape(rows_, cols)
        ]
        heads = [f"COL {n + 1}" for n in range(cols)]
        parts += ["", "By how much the confidence falls, place by place:", table(heads, lines)]
    return "\n".join(parts)
