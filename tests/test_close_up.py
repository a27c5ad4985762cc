"""Close-ups: where photos end, what is then labelled, what is learnt, and how it is measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posekit.data.augment import NONE, augment
from posekit.data.canvas import Canvases, make_canvases
from posekit.data.close_up import CUTS, MARGIN, close_up, shown_by, windows
from posekit.data.labelled import LabelledPerson
from posekit.errors import DataError
from posekit.evaluation.close_ups import evaluate_close_ups
from posekit.geometry import Crop
from posekit.people import Person
from posekit.photo import Photo
from posekit.skeleton import COCO17, LSP14
from posekit.training.heatmaps import HeatmapTask
from posekit.training.recipe import Stage
from posekit.training.task import Step
from posekit.zoo import entry
from tests.dots import dots

UPRIGHT = {
    "head top": (50, 10),
    "neck": (50, 30),
    "shoulder": (14, 34),
    "elbow": (20, 60),
    "wrist": (22, 84),
    "hip": (10, 90),
    "knee": (10, 130),
    "ankle": (10, 170),
}
"""Where somebody's keypoints are: x and y, of paired ones x is how far from the middle."""


def upright(**labelled: bool) -> LabelledPerson:
    """Somebody who stands in a photo of 100 x 200; every pixel says where it is."""
    keypoints = np.zeros((LSP14.size, 2))
    known = np.ones(LSP14.size, bool)
    for k, name in enumerate(LSP14.keypoints):
        side, _, part = name.partition(" ")
        x, y = UPRIGHT.get(name) or UPRIGHT[part]
        keypoints[k] = (x if name in UPRIGHT else 50 + (x if side == "left" else -x), y)
        known[k] = labelled.get(name.replace(" ", "_"), True)
    ys, xs = np.mgrid[:200, :100]
    pixels = np.stack([xs, ys, np.full_like(xs, 200)], -1).astype(np.uint8)
    return LabelledPerson(Photo(pixels), keypoints, known)


@pytest.mark.parametrize(
    ("cut", "size", "beyond"),
    [
        ("shoulders", (49, 45), {"elbow", "wrist", "hip", "knee", "ankle"}),
        ("waist", (100, 119), {"knee", "ankle"}),
    ],
)
def test_a_photo_ends_a_little_beyond_what_the_cut_keeps(
    cut: str, size: tuple[int, int], beyond: set[str]
) -> None:
    """Shoulders: 28 x 24 and 9.8 on each side; waist: 44 x 80 and 28, where there is photo."""
    found = close_up(upright(), cut)
    assert found is not None
    seen, away = found
    assert MARGIN == 0.35
    assert {LSP14.keypoints[k].split()[-1] for k in np.flatnonzero(away)} == beyond
    assert not (seen.labelled & away).any() and (seen.labelled | away).all()
    # Each keypoint lies on the pixel it lay on, whose colour says which that was.
    for k in np.flatnonzero(seen.labelled):
        x, y = seen.keypoints[k].astype(int)
        assert tuple(seen.photo.pixels[y, x, :2]) == tuple(upright().keypoints[k].astype(int))
    assert (seen.photo.width, seen.photo.height) == size
    assert seen.given_box is None and seen.box == seen.label_box


def test_nothing_is_cut_around_too_little() -> None:
    assert close_up(upright(neck=False, left_shoulder=False), "shoulders") is None
    assert close_up(upright(neck=False, left_shoulder=False), "waist") is not None


def test_the_cuts_name_the_keypoints_of_every_skeleton() -> None:
    def names(cut: str, skeleton: Any) -> set[str]:
        return {skeleton.keypoints[k].split()[-1] for k in np.flatnonzero(shown_by(cut, skeleton))}

    assert names("shoulders", COCO17) == {"nose", "eye", "ear", "shoulder"}
    assert names("waist", LSP14) == {"top", "neck", "shoulder", "elbow", "wrist", "hip"}
    assert set(CUTS) == {"shoulders", "waist"}


def test_random_windows_hold_what_their_cut_keeps() -> None:
    torch.manual_seed(0)
    keypoints = torch.from_numpy(upright().keypoints).float().expand(400, -1, -1)
    labelled = torch.ones(400, LSP14.size, dtype=torch.bool)
    labelled[300:, 2:] = False  # two keypoints are no portrait
    near = windows(keypoints, labelled, LSP14, torch.rand(400, 7), 0.5)
    assert 110 < near.use[:300].sum() < 190 and not near.use[300:].any()
    assert not near.ends[~near.use].any()
    assert 0.55 < near.ends[near.use].float().mean() < 0.85
    head = LSP14.index("head top")
    inside = ((keypoints >= near.low[:, None]) & (keypoints <= near.high[:, None])).all(-1)
    shoulders = torch.from_numpy(shown_by("shoulders", LSP14))
    assert inside[near.use][:, shoulders].all()
    assert not inside[near.use][:, LSP14.index("left ankle")].any()
    above = keypoints[near.use][:, head, 1] - near.low[near.use][:, 1]
    assert above.min() > 2.7 and above.max() < 0.6 * 80.01  # a tenth of 28 to 0.6 of 80


def crops(chance: float) -> tuple[Tensor, Tensor, Tensor, Canvases]:
    people = make_canvases(upright() for _ in range(64))
    how = replace(NONE, close=chance)
    seed = torch.Generator().manual_seed(1)
    return (*augment(people, torch.arange(64), LSP14, (96, 72), seed, how), people)


def test_beyond_its_end_a_photo_is_black_and_nothing_is_there() -> None:
    images, keypoints, labelled, _ = crops(1.0)
    assert labelled.all()  # it is known that they are not there
    far = keypoints.abs().amax(-1) > 1000
    assert far.any(1).float().mean() == pytest.approx(0.7, abs=0.15)  # the other photos go on
    assert not far[:, torch.from_numpy(shown_by("shoulders", LSP14))].any()
    blue = images[:, 2]
    for n in torch.where(far.any(1))[0]:
        rows = torch.where(blue[n].amax(1) > 0.5)[0]
        columns = torch.where(blue[n].amax(0) > 0.5)[0]
        assert len(rows) < 80 and len(columns) < 61  # padding of 1.25 shows all round
        here = keypoints[n][~far[n]]
        low = torch.stack([columns[0], rows[0]]) - 1
        high = torch.stack([columns[-1], rows[-1]]) + 1
        assert ((here >= low) & (here <= high)).all()


def test_without_close_ups_nothing_changes() -> None:
    """Not even the random numbers of what else is drawn."""
    images, keypoints, _, people = crops(0.0)
    plain = augment(people, torch.arange(64), LSP14, (96, 72), torch.Generator(), NONE)
    torch.testing.assert_close(images, plain[0])
    torch.testing.assert_close(keypoints, plain[1])


class Flat(nn.Module):
    """Heatmaps of one height everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.height = nn.Parameter(torch.tensor(0.5))

    def heatmap_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size[0] // 4, size[1] // 4

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.heatmap_size((x.shape[2], x.shape[3]))
        return self.height.expand(len(x), LSP14.size, height, width)


@pytest.mark.parametrize("absent", [False, True])
def test_an_absent_keypoint_has_an_empty_heatmap(absent: bool) -> None:
    """By the closed form: empty maps add 0.5 x 0.5^2 each, and are left out unless wanted."""
    people = make_canvases(dots(6))
    people = replace(people, keypoints=people.keypoints.clone())
    people.keypoints[:, :5] = 1e4
    people.labelled[:, 13] = False  # not known: never learnt
    task = HeatmapTask(entry("transpose-r-small"), people, people, NONE, absent=absent)
    seed = torch.Generator().manual_seed(0)
    step = Step(torch.arange(6), slice(None), Stage((64, 48), 1, 6, 1.0), seed, 0.0)
    lost = [task.loss(Flat(), step).item()]
    alone = replace(people, labelled=people.labelled.clone())
    alone.labelled[:, :5] = False
    lost.append(replace(task, train=alone).loss(Flat(), step).item())
    assert lost[0] - lost[1] == pytest.approx(5 / 14 * 0.5 * 0.25 if absent else 0.0, abs=1e-6)


class Guess:
    """An "estimator" that puts every keypoint where it is told, whatever the photo."""

    def __init__(self, answers: list[list[Person]]) -> None:
        self.answers = iter(answers)
        self.model = SimpleNamespace(entry=SimpleNamespace(skeleton=LSP14))

    def predict(self, photo: Photo, *, record: bool) -> Any:
        return SimpleNamespace(people=next(self.answers))


def guessed(keypoints: np.ndarray, scores: np.ndarray, score: float | None = None) -> Person:
    box = upright().label_box
    crop = Crop.of_box(box, (64, 48), (200, 100))
    return Person(box, keypoints, scores, crop, score)


def test_a_close_up_counts_what_is_right_in_it_and_what_is_drawn_beyond_it() -> None:
    found = close_up(upright(), "waist")
    assert found is not None
    seen, beyond = found  # 10 keypoints in the photo, 4 beyond it
    wrong = seen.keypoints.copy()
    wrong[LSP14.index("left wrist")] += 11  # the head is 20 long: beyond half of it
    wrong[LSP14.index("neck")] += 5
    sure, shy = np.full(14, 0.9), np.where(beyond, 0.1, 0.9)
    shy[LSP14.index("left ankle")] = 0.2
    answers = [
        [guessed(wrong, sure)],
        [guessed(wrong * 0, sure, 0.3), guessed(seen.keypoints, shy, 0.8)],
        [],
    ]
    score = evaluate_close_ups(Guess(answers), [upright()] * 3, "waist")  # type: ignore[arg-type]
    assert score.pckh.mean == pytest.approx(100 * (9 + 10) / 30, abs=0.01)
    assert score.beyond_drawn == pytest.approx(100 * (4 + 1) / 12, abs=0.01)
    assert (score.people, score.keypoints, score.beyond) == (3, 30, 12)
    assert list(score.figures) == ["PCKh@0.5", "drawn beyond the photo"]
    assert score.rows is not None and score.rows.metric == "close-ups below the waist"
    assert score.rows.figures == score.figures  # 19 of 30, 5 of 12
    assert set(score.intervals()) == set(score.figures)
    with pytest.raises(DataError, match="below the shoulders"):
        evaluate_close_ups(Guess([]), [], "shoulders")  # type: ignore[arg-type]


def test_the_quarter_of_the_largest_close_ups_is_measured_by_itself() -> None:
    small, large = upright(), upright()
    large = replace(
        large,
        photo=Photo(large.photo.pixels.repeat(2, 0).repeat(2, 1)),
        keypoints=large.keypoints * 2,
    )
    answers = []
    for person in (small, small, small, large):
        found = close_up(person, "waist")
        assert found is not None
        # Of the large one nothing beyond the photo is drawn, and nothing in it is right.
        right = found.person.keypoints + (100 if person is large else 0)
        scores = np.where(found.beyond & (person is large), 0.1, 0.9)
        answers.append([guessed(right, scores)])
    people = [small, small, small, large]
    score = evaluate_close_ups(Guess(answers), people, "waist")  # type: ignore[arg-type]
    assert score.figures == {"PCKh@0.5": 75.0, "drawn beyond the photo": 75.0}
    piece = close_up(large, "waist")
    assert piece is not None
    longer = max(piece.person.photo.pixels.shape[:2])
    assert score.details[f"photos of {longer} pixels and more"] == {
        "people": 1,
        "PCKh@0.5": 0.0,
        "drawn beyond the photo": 0.0,
    }
