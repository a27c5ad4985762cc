"""Photos that hold nobody, one, or fifteen people, and photos of odd sizes: what the page says.

Every shipped model and every small one of whole photos goes through Explore with each of them, and
through Occlusion and Compare with those that matter there.
"""

from __future__ import annotations

import io
import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from gradio.data_classes import DataWithFiles
from PIL import Image

from app.calls import SURPRISE, spoken
from app.explore import Explorer
from posekit.found import found_words
from posekit.geometry import Box, Crop
from posekit.people import Person
from posekit.scenes import render_scene
from posekit.zoo import entry

FINDER = "instance-attention-small"


@cache
def street() -> np.ndarray:
    """A street beside the one person in it: (240, w, 3), nobody within."""
    scene = render_scene(4, size=(240, 480), people=1, background="street", fill=0.35)
    taken = np.flatnonzero((scene.owner >= 0).any(axis=0))
    left, right = taken[0], scene.owner.shape[1] - 1 - taken[-1]
    part = scene.pixels[:, : left - 2] if left > right else scene.pixels[:, taken[-1] + 3 :]
    assert part.shape[1] >= 100
    return part


@cache
def photo(kind: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    match kind:
        case "street":
            return street()
        case "one person":
            return render_scene(11, size=(256, 192), people=1, pose="stand", fill=0.9).pixels
        case "fifteen people":
            return render_scene(3, size=(200, 600), people=15).pixels
        case "huge":
            return np.tile(street()[:200, :100], (15, 40, 1))  # 3000 x 4000
        case "tiny":
            return street()[:9, :7]
        case "a line":
            return street()[:, :1]
        case _:
            return np.zeros((120, 160, 3), np.uint8)


KINDS = ("street", "one person", "fifteen people", "huge", "tiny", "a line", "black")


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(device="cpu", model="transpose-r-small")


def opened(explorer: Explorer, kind: str, model: str) -> tuple[str, dict[str, Any]]:
    token = explorer.start({})["token"]
    buffer = io.BytesIO()
    Image.fromarray(photo(kind)).save(buffer, format="JPEG" if kind == "huge" else "PNG")
    fields = {"token": token, "model": model, "boxes": "[]"}
    sent = DataWithFiles(data=fields, files=[("photo", buffer.getvalue())])
    return token, spoken(explorer.analyse)(sent)


def checked(reply: dict[str, Any]) -> dict[str, Any]:
    """Plain JSON without NaN; an error is a sentence about the photo, not a failure."""
    json.dumps(reply, allow_nan=False)
    if "error" in reply:
        assert reply["error"] != SURPRISE
        assert reply["error"].endswith(".") and len(reply["error"]) < 250
    return reply


@pytest.mark.parametrize("kind", KINDS)
def test_explore_and_occlusion_answer_or_say_why_not(explorer: Explorer, kind: str) -> None:
    shelf = explorer.shelf
    # The large models are the same networks as the small ones, many times slower.
    models = [
        name for name in shelf.names() if shelf.has_weights(name) or entry(name).view == "photo"
    ]
    assert FINDER in models and len(models) >= 4
    if kind == "huge":  # what is slow about it happens before any model sees it
        models = ["transpose-r-small", FINDER]
    for model in models:
        token, view = opened(explorer, kind, model)
        checked(view)
        if "error" in view:  # too small to be a photo of somebody: the same for every model
            assert kind in ("tiny", "a line")
            continue
        found = [n for n, one in enumerate(view["people"]) if any(one["keypoints"])]
        if not view["finds"]:
            assert len(view["people"]) == 1  # the whole photo is taken as one person
            assert view["found"] is None
        else:
            who = {0: "nobody.", 1: "1 person, with "}.get(len(found), f"{len(found)} people, with")
            assert view["found"].startswith(f"{view['title']} found {who}")
        ask = {"token": token, "view": view["id"], "person": 0, "direction": "row"}
        answer = checked(spoken(explorer.explain)({**ask, "keypoint": 0}))
        point = checked(spoken(explorer.explain)({**ask, "point": [2.0, 2.0], "person": None}))
        if not view["people"]:
            for one in (answer, point):
                assert "found nobody in this photo" in one["error"]
        elif found and view["people"][0]["keypoints"][0]:
            assert answer["query"]["keypoint"] == 0

        if kind not in ("street", "fifteen people") and (kind, model) != ("one person", FINDER):
            continue
        own = {"token": token, "model": model, "view": view["id"], "whole": True, "boxes": []}
        side = checked(spoken(explorer.hider.occlusion_open)(own))
        occluder = {"kind": "rectangle", "box": [0, 0, 2, 2], "colour": "mean"}
        study = {"token": token, "view": side["id"], "whole": True, "person": 0, "number": 1}
        study["occluder"] = occluder
        study |= {"keypoint": side["keypoint"], "point": side["point"]}
        assert (side["keypoint"] is None) == (not view["skeleton"]["keypoints"])
        said = checked(spoken(explorer.hider.occlusion_study)(study))
        if not view["people"]:
            text = said["error"] if "error" in said else said["sentences"][0]
            assert "found nobody in this photo" in text
        else:
            assert "error" in said or said["sentences"]


def test_whom_a_model_found_is_said_by_how_many_keypoints() -> None:
    def somebody(*there: int) -> Person:
        points = np.full((14, 2), np.nan)
        points[list(there)] = 30.0
        crop = Crop.of_box(Box(0, 0, 60, 60), (64, 64), (60, 60))
        return Person(Box(0, 0, 60, 60), points, np.zeros(14), crop)

    assert found_words([], 14) == found_words([somebody()], 14) == "nobody"
    assert found_words([somebody(1, 2, 3), somebody()], 14) == "1 person, with 3 of 14 keypoints"
    two = [somebody(4, 5), somebody(*range(14))]
    assert found_words(two, 14) == "2 people, with 2 to 14 of 14 keypoints"


@pytest.mark.parametrize("kind", ["street", "black", "fifteen people"])
def test_compare_with_a_model_that_finds_nobody(explorer: Explorer, kind: str) -> None:
    token, base = opened(explorer, kind, "transpose-r-small")
    other = checked(
        explorer.comparer.compare_open(
            {"token": token, "view": base["id"], "model": FINDER, "boxes": []}
        )
    )
    ask = {"token": token, "views": [base["id"], other["id"]], "person": 0}
    reply = checked(spoken(explorer.comparer.compare)({**ask, "keypoint": "left wrist"}))
    checked(spoken(explorer.comparer.compare_ranking)(ask))
    if kind == "black":
        assert not any(any(one["keypoints"]) for one in other["people"])
        first, second = reply["answer"]["panels"]
        assert first["map"] is not None and second["map"] is None
        assert "found no" in second["note"]


def test_a_crowd_is_found_as_a_crowd(explorer: Explorer) -> None:
    _, view = opened(explorer, "fifteen people", FINDER)
    found = [one for one in view["people"] if any(one["keypoints"])]
    assert 2 <= len(found) <= 16 and view["finds"]
