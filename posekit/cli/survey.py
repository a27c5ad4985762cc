"""What commands have in common that look at one photo or at a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.output import remark

if TYPE_CHECKING:
    from posekit.evaluation.survey import Surveyed

__all__ = ["SourceArgument", "is_data", "photo_bar", "remark_on"]

SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="A photo (- reads it from standard input); or, for the mean over many, a folder of "
        "photographs, a folder with joints.npz, or a COCO-format .json file."
    ),
]


def is_data(source: Path, *, alone: bool) -> bool:
    """Whether the source is a data set; ``alone``: an option was given that is for one photo."""
    data = source.is_dir() or source.suffix.lower() == ".json"
    if data and alone:
        raise typer.BadParameter("--box, --person and --people-by are for a single photo.")
    return data


@contextmanager
def photo_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar of photographs while a data set is looked at."""
    from tqdm import tqdm

    with tqdm(unit="photo", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def remark_on(found: Surveyed[Any]) -> None:
    """Say what was wrong with the data, and who was left out."""
    if found.problems:
        remark(found.problems)
    for sentence, times in found.left_out.items():
        remark(f"Left out, {times} people: {sentence}")
