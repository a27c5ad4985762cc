"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posekit.cli.output import remark

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.geometry import Box
    from posekit.photo import Photo
    from posekit.zoo import PoseModel

DEFAULT_MODEL = "transpose-r-small"

STDIN = "-"
"""Instead of a photo's path: its bytes come from standard input."""

PHOTO_HELP = "JPEG, PNG, WebP, BMP, GIF or TIFF; - reads it from standard input."
PhotoArgument = Annotated[Path, typer.Argument(help=PHOTO_HELP)]
OptionalPhoto = Annotated[Path | None, typer.Argument(help=PHOTO_HELP, show_default=False)]
ModelOption = Annotated[str, typer.Option("--model", "-m", help="One of `posekit models`.")]
WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights",
        help="auto, shipped, official (downloads), random, or a .safetensors or .pth file.",
    ),
]
BoxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X,Y,W,H",
        help="A person's box in pixels of the photo; repeat it for more people. "
        "Without it one person fills the photo.",
    ),
]
KeypointOption = Annotated[
    str | None, typer.Option("--keypoint", "-k", help='Such as "left wrist".')
]
PointOption = Annotated[
    str | None, typer.Option("--point", metavar="X,Y", help="Any spot, in pixels of the photo.")
]
HeadOption = Annotated[
    int | None, typer.Option("--head", help="One head, counted from 0. Default: their mean.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
PeopleByOption = Annotated[
    str | None,
    typer.Option(
        "--people-by",
        metavar="MODEL",
        help="Let this model of whole photos find the people; best: the one that misses fewest.",
    ),
]
FlipOption = Annotated[
    bool, typer.Option("--flip-test", help="Average with the mirrored photo: better, half as fast.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PersonOption = Annotated[int, typer.Option("--person", help="Which of the people; 0 is the first.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only the first so many photographs.")
]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Photographs of a .json file that lie elsewhere.")
]
PartOption = Annotated[
    str, typer.Option("--part", help='"held out", "validation" or "train", of joints.npz.')
]
WithPhotoOption = Annotated[
    bool, typer.Option("--photo/--no-photo", help="The photo itself in what is written.")
]
REPORTS = (".png", ".svg", ".html", ".json", ".npz")
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="A picture (.png), vectors (.svg), a page for any browser (.html), the figures "
        "(.json) or the raw maps (.npz).",
    ),
]
"""A file of a kind of :data:`REPORTS`."""


def read_numbers(text: str, count: int, form: str) -> tuple[float, ...]:
    """``"12,34.5"`` as that many numbers; anything else is wrong usage."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise typer.BadParameter(f"{text!r} is not {form}.")
    return values


def read_boxes(boxes: list[str] | None) -> list[Box] | None:
    """``X,Y,W,H`` texts as boxes; None when there are none.

    Raises:
        BoxError: a box without area.
    """
    from posekit.geometry import Box

    if not boxes:
        return None
    return [Box(*read_numbers(box, 4, "a box X,Y,W,H in pixels")) for box in boxes]


def check_out(
    out: Path | None, *suffixes: str, source: Path | None = None, option: str = "--out"
) -> None:
    """Refuse an output file that cannot be written, before any work is done.

    Args:
        out: the file to write; None is none.
        suffixes: its possible endings, lower case.
        source: the photo that is looked at, which is never written over.
        option: what names the file.
    """
    if out is None:
        return
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise typer.BadParameter(f"{option} {out.name!r} is the photo itself: choose another name.")
    if out.suffix.lower() not in suffixes:
        raise typer.BadParameter(f"{option} writes {' or '.join(suffixes)}, not {out.name!r}.")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {str(out.parent)!r} does not exist.")


def photo_at(source: Path) -> Photo:
    """The photo that an argument names, from a file or, for :data:`STDIN`, from standard input.

    From there it has no name of its own and is called ``photo``.

    Raises:
        PhotoError: no photo that can be read; standard input is closed, or a terminal.
    """
    from posekit.errors import PhotoError
    from posekit.photo import read_photo

    if str(source) != STDIN:
        return read_photo(source)
    try:
        sent = typer.get_binary_stream("stdin")
        unfit = "a terminal" if sent.isatty() else ""
    except RuntimeError:
        unfit = "closed"
    if unfit:
        raise PhotoError(
            f"- reads the photo from standard input, which is {unfit} here: send a file, as in "
            "`posekit predict - < photo.jpg`."
        )
    return read_photo(sent, name="photo")


def load_model(name: str, weights: str, device: str) -> PoseModel:
    """The model, with a remark when its weights are random."""
    from posekit.zoo import load

    model = load(name, weights=weights, device=device)
    if not model.trained:
        remark(model.card["status"])
    return model


def find_people(
    photo: Path,
    model: str,
    weights: str,
    boxes: list[str] | None,
    device: str,
    *,
    flip_test: bool,
    record: bool,
    people_by: str | None = None,
) -> Prediction:
    """Read the photo, load the model, find the people.

    Raises:
        BoxError: whoever ``people_by`` names found nobody, and there is a question (``record``).
    """
    from posekit.errors import BoxError
    from posekit.estimator import Estimator
    from posekit.top_down import TopDown, nobody_words

    chosen = _boxes_alone(boxes, people_by)
    picture = photo_at(photo)
    loaded = load_model(model, weights, device)
    if people_by is not None:
        finder = load_finder(people_by, device)
        found = TopDown(loaded, finder, flip_test=flip_test).predict(picture, record=record)
        if record and not found.people:  # nobody to ask about, which is not the asked model's doing
            raise BoxError(nobody_words(finder.entry))
        return found
    return Estimator(loaded, flip_test=flip_test).predict(picture, chosen, record=record)


def finder_name(people_by: str) -> str:
    """The model that ``--people-by`` names; ``best`` stands for the first of those here."""
    from posekit.errors import ModelError
    from posekit.top_down import finders

    if people_by != "best":
        return people_by
    here = finders()
    if not here:
        raise ModelError("No model here has learnt to find people: give each a --box.")
    return here[0]


def load_finder(people_by: str, device: str) -> PoseModel:
    """The model of whole photos that finds the people."""
    return load_model(finder_name(people_by), "auto", device)


def boxes_or_found(
    boxes: list[str] | None, people_by: str | None, photo: Photo, device: str
) -> list[Box] | None:
    """The boxes given, or those that a model finds; None for neither."""
    from posekit.top_down import boxes_by

    chosen = _boxes_alone(boxes, people_by)
    return chosen if people_by is None else boxes_by(load_finder(people_by, device), photo)


def _boxes_alone(boxes: list[str] | None, people_by: str | None) -> list[Box] | None:
    chosen = read_boxes(boxes)
    if chosen and people_by is not None:
        raise typer.BadParameter("give boxes or --people-by, not both.")
    return chosen


def remark_doubt(prediction: Prediction) -> None:
    """Say of which poses the model is not sure, beside a result that rests on them."""
    from posekit.unsure import unsure_words

    if (doubt := unsure_words(prediction, first=0)) is not None:
        remark(doubt)
