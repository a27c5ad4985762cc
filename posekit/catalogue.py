"""All models for people to read: their cards grouped by system, and what every figure means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from posekit.cards import UNCHECKED, model_card, parameter_count
from posekit.weights import WeightsFile
from posekit.zoo import ModelEntry, choose_weights, comes_with_posekit, entry, list_models

__all__ = ["catalogue", "figure_words", "state_of"]

MEANINGS = (
    (
        r"(OKS )?(AP|AP50|AP75|AR)",
        "COCO's measure for poses, per cent: a keypoint counts by how near it lies to its label,"
        " measured by object keypoint similarity (OKS). AP averages precision over the thresholds"
        " 0.50 to 0.95, AP50 and AP75 take that one alone, AR is the recall. 100 is perfect.",
    ),
    (
        r"PCK@.*",
        "Per cent of the labelled keypoints that are found within a fifth of the torso's length.",
    ),
    (
        r"PCKh@.*",
        "Per cent of the labelled keypoints that are found within half of the head's length.",
    ),
    (
        r"attention purity",
        "Per cent of a keypoint's attention in the supervised layer that lies on its own person's"
        " mask, on average.",
    ),
    (
        r"grouping, by chance",
        "Per cent of the visible keypoints that go to the right person when they are dealt out at"
        " random: what the other grouping figures have to beat.",
    ),
    (
        r"grouping, .*",
        "Per cent of the visible keypoints that the attention gives to the right person.",
    ),
    (
        r"IoU at true points",
        "Overlap (intersection over union), per cent, of a person's mask with the one that the"
        " attention at the true keypoints draws.",
    ),
    (
        r"mask (AP|AP50|AP75)",
        "COCO's measure for masks, per cent: precision over overlaps of 0.50 to 0.95, or at that"
        " one alone.",
    ),
    (
        r"mean IoU",
        "Overlap, per cent, of each person's mask with the best mask found, on average.",
    ),
    (
        r"contradiction",
        "How far the heatmaps lie from what offset votes and limb ends synthesise: the difference"
        " over the mean of the two; 0 is the same and 2 nothing in common.",
    ),
    (r"apart", "Mean difference of heatmap and synthesised heatmap on people; heights are 0 to 1."),
    (r"person recall", "Per cent of the people whose box was found with an overlap of half."),
    (
        r"doubt AUROC",
        "Of a wrong and a right keypoint, in how many cases, per cent, the wrong one has the larger"
        " difference of heatmap and synthesised heatmap at its peak; 50 is a coin.",
    ),
    (
        r"doubt AUROC of the peak's height",
        "The same by the lower peak: what the heatmap alone would tell.",
    ),
    (
        r"doubt AUROC of limb ends",
        "The same by the distance to the nearest end of a limb's field.",
    ),
    (
        r"milliseconds a (photo|person)",
        "Median time of one pass of the network, on the machine named.",
    ),
    (r"GMACs", "Thousands of millions of multiply-accumulates of one pass."),
    (
        r"drawn beyond the photo",
        "Per cent of the keypoints beyond the photo's end that a skeleton would still have, at a"
        " confidence of 0.2: the fewer the better.",
    ),
    (r"box AP50", "Average precision of the boxes found, at an overlap of half, per cent."),
)
"""Pattern of a figure's name -> what it says, in one sentence or two."""

BY_HAND = (
    "Not trained here; the authors link weights that PoseKit cannot download by itself: fetch the"
    " file and start with it."
)
"""What is said of a model whose weights have no fixed address."""


def figure_words(name: str) -> str:
    """What a figure of a model card measures; empty for one that nobody described."""
    return next((words for pattern, words in MEANINGS if re.fullmatch(pattern, name)), "")


def state_of(model: ModelEntry, weights: WeightsFile) -> dict[str, str]:
    """Whether a model has learnt anything here, in plain words.

    Returns:
        ``kind``: ``trained``, ``authors``, ``unchecked`` (a file of their name that no download
        left there), ``file``, ``download``, ``by hand`` (the authors link weights that PoseKit
        cannot download) or ``random``; ``words``, one short sentence; ``command``: what fetches the
        authors' weights, or starts the page with them, and ``would_have_seen``: what those were
        trained on, both empty where there is nothing to fetch.
    """
    shipped = "Trained; its weights are here."  # by whom, a model of somebody's own does not say
    if comes_with_posekit(model.name):
        shipped = "Trained by PoseKit; the weights are here."
    words = {
        "shipped": ("trained", shipped),
        "official": ("authors", "The authors' weights, on this machine."),
        "file": ("file", "Weights from a file of your own."),
    }
    official = next((file for file in model.weights if file.kind == "official"), None)
    command = seen = ""
    if not weights.checked:
        kind, said = "unchecked", f"{UNCHECKED[0].upper()}{UNCHECKED[1:]}."
    elif weights.kind in words:
        kind, said = words[weights.kind]
    elif official is not None:
        kind, said = "download", "Not trained here; the authors' weights can be downloaded."
        command, seen = f"posekit weights download {model.name}", official.trained_on
    elif model.by_hand:
        kind, said = "by hand", BY_HAND
        command = f"posekit serve --weights {model.name}=FILE"
    else:
        kind, said = "random", "Not trained: random weights, so nothing it shows means anything."
    return {"kind": kind, "words": said, "command": command, "would_have_seen": seen}


def catalogue(names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Every model's card, grouped by system, those of the oldest paper first.

    Args:
        names: only these; None is every model of the zoo, backbones included.

    Returns:
        One ``{"system", "words", "papers", "models"}`` a system, ready for JSON. ``words`` say how
        it differs from the others (:func:`posekit.systems.system_words`). ``papers`` are those of
        its models without repetition; ``models`` are cards (:func:`posekit.cards.model_card`),
        those with trained weights on this machine first, and each with ``view`` (what it looks at,
        see :class:`posekit.zoo.ModelEntry`) and ``state`` (:func:`state_of`).

    Raises:
        ModelError: there is no model of one of the names.
        WeightsError: a card beside a checkpoint is damaged.
    """
    if names is None:
        names = [*list_models(), *list_models(view="backbone")]
    groups: dict[str, dict[str, Any]] = {}
    for name in names:
        model = entry(name)
        weights = choose_weights(model)
        card = model_card(model, weights, parameters=_parameters(name))
        card |= {"view": model.view, "state": state_of(model, weights)}
        group = groups.setdefault(
            model.system,
            {"system": model.system, "words": card["system_words"], "papers": [], "models": []},
        )
        if card["paper"] not in group["papers"]:
            group["papers"].append(card["paper"])
        group["models"].append(card)
    for group in groups.values():
        group["models"].sort(key=lambda card: not card["trained"])
    return list(groups.values())


@lru_cache(maxsize=256)
def _parameters(name: str) -> int:
    # A network is put together to count it, which takes a second for a large one.
    return parameter_count(entry(name))
