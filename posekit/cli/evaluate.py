"""``posekit evaluate``."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from posekit.cli.evaluate_beside import data_values
from posekit.cli.evaluate_choices import BoxSource, Cut, Metric, refuse
from posekit.cli.evaluate_contradiction import evaluate_contradiction
from posekit.cli.evaluate_instance import COUNT, evaluate_instances
from posekit.cli.options import (
    DEFAULT_MODEL,
    DeviceOption,
    FlipOption,
    JsonOption,
    PeopleByOption,
    WeightsOption,
    check_out,
    load_finder,
    load_model,
)
from posekit.cli.output import remark, show
from posekit.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from posekit.data.coco import CocoData
    from posekit.data.labelled import LabelledPerson, LabelledPhoto
    from posekit.data.problems import Problems
    from posekit.estimator import Estimator
    from posekit.evaluation import OKS, PCK, PurityScore
    from posekit.evaluation.close_ups import CloseUpScore
    from posekit.evaluation.sets import SetScore
    from posekit.photo import Photo
    from posekit.zoo import PoseModel

    Score = PCK | OKS | PurityScore | SetScore | CloseUpScore


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="A COCO-format .json file, or a folder with joints.npz and images*.tar.",
        ),
    ],
    model: Annotated[str, typer.Argument(help="One of `posekit models`.")] = DEFAULT_MODEL,
    weights: WeightsOption = "auto",
    images: Annotated[
        Path | None,
        typer.Option(help="Folder or tar archive with the photographs of a .json file elsewhere."),
    ] = None,
    metric: Annotated[
        Metric,
        typer.Option(
            help="pck: PCK@0.2 (torso). pckh: PCKh@0.5 (head). oks: COCO's AP and AR. purity: "
            "attention on the person's own mask. people: who a model of whole photos finds. "
            "instance: people from attention (purity, grouping, masks). contradiction: crowds "
            "by the OpenPose line, and how far votes and fields contradict its heatmaps. "
            "auto: people for such a model, else pck for joints.npz, oks for .json."
        ),
    ] = Metric.auto,
    boxes: Annotated[
        BoxSource,
        typer.Option(help="given: the data set's own. labels: around the labelled keypoints."),
    ] = BoxSource.given,
    people_by: PeopleByOption = None,
    cut: Annotated[
        Cut | None,
        typer.Option(
            help="Measure on close-ups, photos that end below the shoulders or the waist, as "
            "portraits do: PCKh@0.5, and how many keypoints are drawn that are not in them."
        ),
    ] = None,
    part: Annotated[
        str, typer.Option(help='"held out", "validation" or "train", of joints.npz.')
    ] = "held out",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many photographs.")
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write what the figures add up from: a row a person, for people a row a "
            "photograph. `posekit difference` compares two such files.",
        ),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write the figures into the checkpoint's model card.")
    ] = False,
    count: Annotated[
        int, typer.Option(min=1, help="For instance: composites and scenes of each overlap.")
    ] = COUNT,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="For instance and contradiction: other weights, measured on the same photos.",
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(min=32, help="For contradiction: size of the input, the model's by default."),
    ] = None,
    flip_test: FlipOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled photographs.

    A model of crops is given a box for each person; one of whole photos finds them. Model and data
    set need not share a skeleton: the keypoints that both have are measured. In brackets: the 95 %
    interval, by bootstrap over photographs.
    """
    from posekit.data.problems import Problems
    from posekit.errors import WeightsError
    from posekit.estimator import Estimator
    from posekit.evaluation import PurityScore

    coco = data.suffix.lower() == ".json"
    whole = limit is None and not flip_test and (coco or part == "held out")
    problems = Problems()
    loaded = load_model(model, weights, device)
    chosen = metric
    if metric == Metric.auto:
        finds = loaded.entry.find is not None or people_by is not None
        chosen = Metric.people if finds else Metric.oks if coco else Metric.pck
    if card and (loaded.weights.local is None or not whole):
        raise WeightsError(
            "A model card takes figures of a checkpoint on a whole .json file, or on all "
            "photographs held out, without flip test."
        )
    refuse(
        chosen,
        coco,
        {
            "--images": images is not None,
            "--boxes": boxes != BoxSource.given,
            "--people-by": people_by is not None,
            "--cut": cut is not None,
            "--part": part != "held out",
            "--limit": limit is not None,
            "--count": count != COUNT,
            "--beside": bool(beside),
            "--side": side is not None,
            "--rows": rows is not None,
            "--flip-test": flip_test,
        },
    )
    check_out(rows, ".csv", option="--rows")
    if chosen == Metric.instance:
        return evaluate_instances(
            loaded,
            data,
            images=images,
            part=part,
            limit=limit,
            count=count,
            beside=beside or [],
            device=device,
            card=card,
            as_json=as_json,
        )
    if chosen == Metric.contradiction:
        return evaluate_contradiction(
            loaded, data, part=part, side=side, beside=beside or [], card=card, as_json=as_json
        )
    finder = None if people_by is None else load_finder(people_by, device)
    estimator = Estimator(loaded, flip_test=flip_test)
    if cut is not None and (metric != Metric.auto or finder is not None or flip_test):
        raise typer.BadParameter("--cut measures by itself: leave --metric and the like out.")
    source: Literal["given", "labels"] = "labels" if boxes == BoxSource.labels else "given"
    if coco:
        from posekit.data.coco import CocoData

        read = CocoData(data, images, limit=limit)
        _check_keypoints(read)
        problems = read.problems
        name = f"{read.name}, {len(read)} photograph{'s' if len(read) != 1 else ''}"
        score: Score = (
            _measure_coco(estimator, read, chosen, source, finder)
            if cut is None
            else _measure_cut(estimator, read.people(), cut)
        )
    else:
        from posekit.data.lsp import read_lsp
        from posekit.training.export import HELD_OUT_NAME

        name = HELD_OUT_NAME
        score = (
            _measure_lsp(estimator, data, part, limit, problems, chosen, source, finder)
            if cut is None
            else _measure_cut(estimator, read_lsp(data, part, limit, problems), cut)
        )
    if problems:
        remark(problems.summary())
    if finder is not None:
        people_by = finder.entry.name  # not "best"
    intervals = {} if isinstance(score, PurityScore) else score.intervals()
    if card and loaded.weights.local is not None:
        from posekit.training.export import add_measurement

        where = "given" if coco and source == "given" else "around the labelled keypoints"
        if chosen == Metric.people:
            where = f"found by {people_by or model}"
        if cut is not None:
            name += f", cut below the {cut.value}"
            where = f"found by {model}" if loaded.entry.find is not None else "the whole photo"
        if people_by is not None:  # other figures than with given boxes, so other data for a card
            name += f", people found by {people_by}"
        command = f"posekit evaluate {model} --data {shlex.quote(data.name) if coco else 'LSPET'}"
        command += f" --cut {cut.value}" if cut else f" --metric {chosen.value} --boxes {source}"
        command += f" --people-by {people_by} --card" if people_by else " --card"
        add_measurement(loaded.weights.local, name, score, command, intervals, boxes=where)
    result = {
        **loaded.origin,
        "metric": chosen.value,
        **data_values(data, part),
        "people_by": people_by,
        **dataclasses.asdict(score, dict_factory=_printed),
        "intervals": intervals,
        "problems": problems.as_dict(),
    }
    show(result, _text(score, intervals), as_json=as_json)
    if rows is not None and not isinstance(score, PurityScore) and score.rows is not None:
        with writing(rows):  # last: should it fail, the figures are there
            score.rows.save_csv(rows)


def _printed(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A score's values without what is kept of each person and photograph."""
    return {name: value for name, value in values if name not in ("rows", "ranking")}


def _check_keypoints(data: CocoData) -> None:
    """Refuse a file without keypoints before a network has looked at all of its photographs."""
    from posekit.errors import DataError

    if data.has_keypoints:
        return
    instead = "and so nothing of a model can be measured on it"
    if data.has_masks:
        instead = (
            "only whose pixels are whose: --metric instance measures that, of a model that makes "
            "people from attention, such as instance-attention-small"
        )
    raise DataError(f"{data.name} labels no keypoints, {instead}.")


def _measure_cut(estimator: Estimator, people: Iterable[LabelledPerson], cut: Cut) -> Score:
    from tqdm import tqdm

    from posekit.evaluation.close_ups import evaluate_close_ups

    return evaluate_close_ups(estimator, tqdm(people, unit="person", disable=None), cut.value)


def _measure_coco(
    estimator: Estimator,
    data: Any,
    metric: Metric,
    boxes: Literal["given", "labels"],
    finder: PoseModel | None,
) -> Score:
    from tqdm import tqdm

    from posekit.evaluation import evaluate as measure
    from posekit.evaluation import evaluate_oks, evaluate_purity

    photos = tqdm(data.photos(), total=len(data), unit="photo", disable=None)
    if metric == Metric.people:
        return _measure_people(estimator, photos, finder)
    if metric == Metric.oks:
        return evaluate_oks(estimator, photos, boxes)
    if metric == Metric.purity:
        return evaluate_purity(estimator, photos)
    people = tqdm(data.people(), unit="person", disable=None)
    return measure(estimator, people, "pckh" if metric == Metric.pckh else "pck", boxes)


def _measure_lsp(
    estimator: Estimator,
    folder: Path,
    part: str,
    limit: int | None,
    problems: Problems,
    metric: Metric,
    boxes: Literal["given", "labels"],
    finder: PoseModel | None,
) -> Score:
    from tqdm import tqdm

    from posekit.data.labelled import LabelledPhoto
    from posekit.data.lsp import read_lsp
    from posekit.errors import DataError
    from posekit.evaluation import evaluate as measure
    from posekit.evaluation import evaluate_oks

    if metric == Metric.purity:
        raise DataError("Attention purity needs masks, which only a COCO-format file has.")
    people = tqdm(read_lsp(folder, part, limit, problems), unit="person", disable=None)
    photos = (LabelledPhoto(p.photo, (p,), p.skeleton, p.image_id) for p in people)
    if metric == Metric.people:
        return _measure_people(estimator, photos, finder)
    if metric == Metric.oks:
        return evaluate_oks(estimator, photos, boxes)
    return measure(estimator, people, "pckh" if metric == Metric.pckh else "pck", boxes)


def _measure_people(
    estimator: Estimator, photos: Iterable[LabelledPhoto], finder: PoseModel | None
) -> SetScore:
    from posekit.errors import ModelError
    from posekit.evaluation.sets import FoundSet, evaluate_sets
    from posekit.top_down import TopDown

    model = estimator.model
    if model.entry.find is None and finder is None:
        raise ModelError(
            f"{model.entry.title} is given a box for each person and finds nobody by itself: "
            "measure pck or oks, or name who finds the people with --people-by."
        )
    sees: Estimator | TopDown = estimator
    if finder is not None:
        sees = TopDown(model, finder, flip_test=estimator.flip_test)
    skeleton = model.entry.skeleton

    def find(photo: Photo) -> FoundSet:
        return FoundSet.of(sees.predict(photo, record=False).people, skeleton.size)

    return evaluate_sets(find, photos, skeleton)


def _text(score: Score, intervals: Mapping[str, tuple[float, float]]) -> str:
    from posekit.cards import INTERVAL, figure_values

    values = figure_values(score.figures, intervals)
    figures = ", ".join(f"{name} {value}" for name, value in values.items())
    lines = [f"{figures} on {score.people} people, {score.keypoints} keypoints"]
    if left_out := score.details.get("left out", 0):
        lines[0] += f"; {left_out} people are left out, whose torso or head is not labelled"
    known, counts = score.details.get("per keypoint", {}), score.details.get("labelled", {})
    for name, value in known.items():
        count = f"  of {counts[name]}" if name in counts else ""
        lines.append(f"  {name:<16}{value:6.2f}{count}")
    if "keypoints measured" in score.details:
        lines.append(f"  measured: {', '.join(score.details['keypoints measured'])}")
    if intervals:
        lines.append(f"  {INTERVAL}")
    return "\n".join(lines)
