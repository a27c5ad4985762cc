"""``posekit batch``: the same questions of many photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.methods import gather_options
from posekit.cli.options import (
    DEFAULT_MODEL,
    DeviceOption,
    HeadOption,
    ImagesOption,
    JsonOption,
    LimitOption,
    ModelOption,
    PartOption,
    PeopleByOption,
    WeightsOption,
    WithPhotoOption,
    load_finder,
    load_model,
)
from posekit.cli.output import remark, show
from posekit.errors import PoseKitError
from posekit.files import write_csv, writing

if TYPE_CHECKING:
    from posekit.many import Looked
    from posekit.zoo import PoseModel

SENTENCES = 3
"""Refusals that are repeated on the screen; numbers.csv has all of them."""


class Kind(StrEnum):
    """What is written of each map."""

    none = "none"
    png = "png"
    svg = "svg"
    npz = "npz"
    html = "html"
    json = "json"


def batch(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of photographs, a folder with joints.npz, or a COCO-format .json file."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A new or empty folder; a new one is made.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    keypoint: Annotated[
        list[str] | None,
        typer.Option(
            "--keypoint",
            "-k",
            help='Such as "left wrist"; repeat it for more, or all. Without it poses only.',
        ),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="How to explain; see explain --list-methods.")
    ] = "attention",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of the method."),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="Such as encoder.3; repeat it for more.")
    ] = None,
    head: HeadOption = None,
    maps: Annotated[
        Kind,
        typer.Option("--maps", help="A file for each person and keypoint: what kind, or none."),
    ] = Kind.png,
    with_photo: WithPhotoOption = True,
    people_by: PeopleByOption = None,
    limit: LimitOption = None,
    images: ImagesOption = None,
    part: PartOption = "held out",
    weights: WeightsOption = "auto",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask the same of every photograph: poses, numbers and maps in one folder.

    Writes photos.csv, a line a photograph, and poses.csv, a line for each person and keypoint;
    with --keypoint also numbers.csv, a line a map, and the maps. A photograph that cannot be read
    is named and stops nothing.
    """
    from tqdm import tqdm

    from posekit.benchmark.cases import open_cases
    from posekit.explain import find_method
    from posekit.many import NUMBERS, PHOTOS, POSES, keypoints_of, left_out
    from posekit.many import batch as looked_at

    _check_empty(out)
    options = gather_options(
        find_method(method), option or [], {"layer": layer or None, "head": head}
    )
    cases = open_cases(data, images=images, part=part, limit=limit)
    loaded = load_model(model, weights, device)
    asked = keypoints_of(loaded, keypoint)
    finder = None if people_by is None else load_finder(people_by, device)
    gathered = _Gathered(loaded, found_by_another=finder is not None)
    found = looked_at(loaded, cases, asked, method=method, options=options, people_by=finder)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    files = 0
    for one in tqdm(found, total=len(cases), unit="photo", disable=None):
        gathered.add(one)
        if maps is not Kind.none:
            files += _write_maps(one, out, maps.value, with_photo)
    gathered.photos += left_out(cases)
    _write_csv(PHOTOS, gathered.photos, out / "photos.csv")
    _write_csv(POSES, gathered.poses, out / "poses.csv")
    if asked:
        _write_csv(NUMBERS, gathered.numbers, out / "numbers.csv")
    if cases.problems:
        remark(cases.problems.summary())
    gathered.remarks()
    result = {
        "model": loaded.name,
        "trained": loaded.trained,
        "people_by": None if finder is None else finder.name,
        "data": cases.name,
        "photos": gathered.photos,
        "poses": gathered.poses,
        "numbers": gathered.numbers,
        "files": files,
    }
    text = f"{out}: {gathered.words()}"
    if asked:
        what = asked[0] if len(asked) == 1 else f"{len(asked)} keypoints"
        text += f", {_counted(gathered.maps, 'map')} of {what}, {_counted(files, 'file')}"
    show(result, text, as_json=as_json)


@dataclass
class _Gathered:
    """The rows of all photographs, and what is said about them at the end.

    Attributes:
        model: what looked.
        found_by_another: whether another model found the people.
        photos, poses, numbers: the rows, see :mod:`posekit.many`.
        unanswered: how often each sentence stands for an answer.
        failed: photographs in which nobody was looked for, by the sentence that says why.
        unsure, whole: people of whom the model is not sure; who was taken to fill the photo.
    """

    model: PoseModel
    found_by_another: bool
    photos: list[dict[str, Any]] = field(default_factory=list)
    poses: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[dict[str, Any]] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    people: int = 0
    unsure: int = 0
    whole: int = 0

    def add(self, one: Looked) -> None:
        """One photograph more."""
        from posekit.people import whole_photo_box

        self.photos.append(one.row)
        self.poses += one.poses
        self.numbers += one.numbers
        self.unanswered.update(sentence for sentence in one.refused if sentence is not None)
        self.failed.update([] if one.failed is None else [one.failed])
        people = one.prediction.people
        self.people += len(people)
        self.unsure += len(one.unsure or ())
        whole = whole_photo_box(one.prediction.photo)
        self.whole += len(people) == 1 and people[0].box == whole

    @property
    def maps(self) -> int:
        """How many maps there are."""
        return sum(row["refused"] is None for row in self.numbers)

    def words(self) -> str:
        """``12 photographs (5 with nobody found, 1 not looked at), 8 people, 130 keypoints``."""
        from posekit.many import NOBODY, OK

        said = Counter(row["status"] for row in self.photos)
        nobody, failed = said[NOBODY], said.total() - said[OK] - said[NOBODY]
        apart = [f"{nobody} with nobody found"] if nobody else []
        apart += [f"{failed} not looked at"] if failed else []
        found = sum(row["x"] is not None for row in self.poses)
        photos = _counted(len(self.photos), "photograph") + (
            f" ({', '.join(apart)})" if apart else ""
        )
        people = "1 person" if self.people == 1 else f"{self.people} people"
        return f"{photos}, {people}, {_counted(found, 'keypoint')}"

    def remarks(self) -> None:
        """What a reader of the files should know, on standard error."""
        entry = self.model.entry
        for sentence, times in self.failed.items():
            remark(f"Not looked at, {_counted(times, 'photograph')}: {sentence}")
        for sentence, times in self.unanswered.most_common(SENTENCES):
            remark(f"Not answered, {_counted(times, 'time')}: {sentence}")
        if (more := len(self.unanswered) - SENTENCES) > 0:
            remark(f"{_counted(more, 'other reason')} for no answer: see numbers.csv.")
        if self.unsure:
            who, wrong = "people are", "these skeletons"
            if self.unsure == 1:
                who, wrong = "people is", "this skeleton"
            remark(
                f"{self.unsure} of {self.people} {who} unsure: at least half of the keypoints have "
                f"a confidence below {entry.least_sure:g}, so {wrong} may well be wrong."
            )
        if self.whole and entry.find is None and not self.found_by_another:
            remark(
                f"{entry.title} took {_counted(self.whole, 'photograph')} whole for one person: "
                "with --people-by best another model finds the people first."
            )


def _check_empty(out: Path) -> None:
    """Refuse a folder with something in it: files of two runs would lie side by side."""
    with writing(out):
        if out.is_dir() and any(out.iterdir()):
            raise PoseKitError(
                f"The folder {str(out)!r} is not empty: name a new one, so that results of two "
                "runs do not mix."
            )


def _write_maps(one: Looked, folder: Path, kind: str, photo: bool) -> int:
    """A file for everybody and everything that was asked about; returns how many."""
    from posekit.cli.look import write_findings

    written = 0
    several = len(one.prediction.people) > 1
    for found in one.findings:
        if found is None:
            continue
        person = f"-person-{found.asked.person}" if several else ""
        end = f"{person}-{found.asked.label.replace(' ', '-')}.{kind}"
        # A data set's names may have folders in them, and differ in their ending alone.
        whole = PurePosixPath(one.name.replace("\\", "/").replace("/", "-"))
        path = folder / f"{whole.stem}{end}"
        if path.exists():
            path = folder / f"{whole}{end}"
        write_findings(found, path, photo)
        written += 1
    return written


def _write_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A line a row."""
    with writing(path):
        write_csv(columns, ([row[name] for name in columns] for row in rows), path)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
