"""``posekit people``: everybody in a photo, their masks, and why a keypoint is whose it is."""

from __future__ import annotations

from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.options import (
    DeviceOption,
    JsonOption,
    ModelOption,
    PhotoArgument,
    WeightsOption,
    check_out,
    load_model,
    photo_at,
    remark_doubt,
)
from posekit.cli.output import show, table
from posekit.errors import ModelError
from posekit.files import write_json, write_png, writing

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain.purity import Purity

    Shares = list[dict[str, Purity]] | None

FINDER = "instance-attention-small"


class View(StrEnum):
    """How keypoints become people."""

    body_first = "body-first"
    part_first = "part-first"


def people(
    photo: PhotoArgument,
    model: ModelOption = FINDER,
    view: Annotated[
        View | None,
        typer.Option(
            "--view",
            help="body-first: a keypoint gathers the others. part-first: limb by limb. "
            "Default: the model's own.",
        ),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="KEYPOINT", help='Why this keypoint: such as "left wrist".'),
    ] = None,
    person: Annotated[
        int, typer.Option("--person", min=0, help="Whose, for --why; counted from 0.")
    ] = 0,
    purity: Annotated[
        bool, typer.Option("--purity", help="On whom everybody's attention lies, layer by layer.")
    ] = False,
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="A picture with everybody painted in a colour of their own, for --purity. "
            "Default: the model's own masks, or an estimate.",
        ),
    ] = None,
    masks_by: Annotated[
        str | None,
        typer.Option(
            "--masks-by",
            metavar="MODEL",
            help=f"Take the masks for --purity from another model, such as {FINDER}.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Masks and skeletons on the photo (.png), or .json."),
    ] = None,
    weights: WeightsOption = "auto",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find everybody in a photo, with their masks, and say why a keypoint is whose it is."""
    from posekit.estimator import Estimator
    from posekit.explain.grouping_words import sentence
    from posekit.explain.instance import mean_by_layer, purity_of
    from posekit.explain.instance import why as why_of
    from posekit.masks import masks_by_another, masks_of_file

    check_out(out, ".png", ".json", source=photo)
    picture = photo_at(photo)
    loaded = load_model(model, weights, device)
    estimator = Estimator(loaded, grouping=None if view is None else view.value)
    if masks is not None and masks_by is not None:
        raise typer.BadParameter("Masks are --masks of a file or --masks-by a model, not both.")
    asked = purity or masks is not None or masks_by is not None
    prediction = estimator.predict(picture, record=asked)
    shares: Shares = None
    if asked and prediction.people:
        given = None if masks is None else masks_of_file(masks, picture)
        if masks_by is not None:
            other = Estimator(load_model(masks_by, "auto", device))
            given = masks_by_another(other.predict(picture, record=False))
            if given is None:
                raise ModelError(f"{other.model.entry.title} has no mask of anybody in this photo.")
        parts = purity_of(prediction, given)
        known = {part.person for part in parts}
        shares = [
            mean_by_layer(parts, n) if n in known else {} for n in range(len(prediction.people))
        ]
    result = _result(prediction, shares)
    remark_doubt(prediction)
    text = _text(prediction, result)
    if why is not None:
        answer = why_of(prediction, person, why)
        answer = replace(answer, text=sentence(answer, first=0))  # as the table counts
        result["why"] = answer.to_dict()
        text += f"\n{answer.text}"
    if out is not None:
        _write(prediction, result, out)
    show(result, text, as_json=as_json)


def _result(prediction: Prediction, shares: Shares) -> dict[str, Any]:
    """Everybody as plain values; coordinates in pixels of the photo."""
    from posekit.cli.look import people_values
    from posekit.decode.instance_people import Grouping
    from posekit.explain.instance import affinity_of, masks_of
    from posekit.unsure import unsure_words

    result = people_values(prediction) | {"unsure": unsure_words(prediction, first=0)}
    masks = masks_of(prediction) if prediction.masks is not None else ()
    for one in masks:
        result["people"][one.person]["mask"] = {
            "pixels": int(one.array.sum()),
            "share_of_photo": float(one.array.mean()),
            "confidence": one.confidence,
        }
    if isinstance(prediction.evidence, Grouping):
        affinity = affinity_of(prediction)
        result["grouping"] = {
            "view": affinity.grouping,
            "labels": list(affinity.labels(first=0)),  # as owners count
            "owners": list(affinity.owners),
            "affinity": affinity.matrix.round(4).tolist(),
            "between_people": [
                [round(affinity.between(a, b), 4) for b in affinity.blocks] for a in affinity.blocks
            ],
        }
    if shares is not None:
        for entry, layers in zip(result["people"], shares, strict=True):
            entry["purity"] = {layer: asdict(one) for layer, one in layers.items()}
    return result


def _text(prediction: Prediction, result: dict[str, Any]) -> str:
    title = prediction.model.entry.title
    if not result["people"]:
        return f"{title} found nobody in this photo."
    rows = []
    for number, one in enumerate(result["people"]):
        mask, score = one.get("mask"), one["score"]
        found = sum(keypoint["x"] is not None for keypoint in one["keypoints"])
        words = "" if mask is None else f"{mask['share_of_photo']:.1%} of the photo"
        if mask is not None and mask["confidence"] is not None:
            words += f", confidence {mask['confidence']:.2f}"
        rows.append(
            [
                str(number),
                "" if score is None else f"{score:.2f}",
                f"{found} of {len(one['keypoints'])}",
                words,
            ]
        )
    text = table(["PERSON, FROM 0", "SCORE", "KEYPOINTS", "MASK"], rows)
    if "grouping" in result:
        between = result["grouping"]["between_people"]
        header = [
            f"AFFINITY ({result['grouping']['view']})",
            *(str(n) for n in range(len(between))),
        ]
        lines = [[str(n), *(f"{v:.2f}" for v in row)] for n, row in enumerate(between)]
        text += "\n\n" + table(header, lines)
    if any("purity" in one for one in result["people"]):
        text += "\n\n" + _purity_table(result)
    return text


def _purity_table(result: dict[str, Any]) -> str:
    rows = [
        [str(n), layer, *(f"{part[name]:.1%}" for name in ("own", "others", "background"))]
        for n, one in enumerate(result["people"])
        for layer, part in one["purity"].items()
    ]
    return table(["PERSON, FROM 0", "LAYER", "ON THE PERSON", "ON OTHERS", "ELSEWHERE"], rows)


def _write(prediction: Prediction, result: dict[str, Any], out: Path) -> None:
    """The picture, or everything as text with the masks as run lengths."""
    from posekit.draw.people import draw_people
    from posekit.run_lengths import encoded

    with writing(out):
        if out.suffix.lower() == ".png":
            return write_png(draw_people(prediction), out)
        masks = None if prediction.masks is None else [encoded(one) for one in prediction.masks]
        write_json({**result, "masks": masks}, out, indent=1)
