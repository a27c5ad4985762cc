"""On whom the attention lies once something is in front: parts that sum to the whole."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from app import occlusion_payload as told
from posekit.explain import explain
from posekit.explain.purity import purity
from posekit.geometry import Box
from posekit.occlusion import Cutout, Rectangle, Study, study, svg_text, sweep_grid, sweep_limb
from posekit.occlusion.outline import outline_path
from posekit.occlusion.side import Watch
from posekit.occlusion.words import BLOCKED, moved_words
from tests.occluded import ONES, PHOTO, WRIST
from tests.test_occlusion_studies import MASKS
from tests.test_purity import SIZE, attention, cells
from tests.tiny_models import noise_photo, tiny_model

PARTS = ("on_person", "on_others", "on_background", "in_front")


def test_a_side_is_measured_on_what_can_be_seen_of_everybody() -> None:
    weights = np.arange(1.0, 13).reshape(SIZE)
    masks = cells((0, 0), (0, 1)), cells((1, 1))
    cover = cells((0, 1), (1, 1), (2, 2))
    before = Watch.of(masks, 0, cover)
    after = Watch.of(masks, 0, cover, in_front=True)
    assert before.people is not None and after.people is not None and before.cover is not None
    one = attention(weights)
    told = before.people.shares(one)
    assert (told.own, told.others, told.in_front) == pytest.approx((3 / 78, 5 / 78, 0))
    # Where it will lie are 2 of the person's 3, all 5 of the other's and 9 of the background's.
    assert before.cover.shares(one).own == pytest.approx(16 / 78)
    left = after.people.shares(one)
    assert (left.own, left.others, left.in_front) == pytest.approx((1 / 78, 0, 16 / 78))
    assert left.background == pytest.approx(61 / 78)


def test_a_pasted_person_is_what_was_put_in_front_and_nobody_else() -> None:
    # The right half of the photo over the left half: nothing of the person can be seen.
    pasted = Cutout.of_mask(MASKS[1], (-30, 0))
    done = study(tiny_model(), PHOTO, pasted, keypoint=WRIST, masks=MASKS)
    for layer in done.layers:
        before, after = done.before.purity[layer], done.after.purity[layer]
        assert before.in_front == 0 and before.own > 0
        assert after.own == 0 and after.in_front == done.after.on_occluder[layer] > 0
        assert before.own == pytest.approx(done.before.on_occluder[layer])
        assert after.others + after.background + after.in_front == pytest.approx(1)
    (said,) = [text for text in done.sentences if text.startswith("In ")]
    assert "0\u00a0% lies on what can be seen of them" in said and said.endswith("the cut-out.")
    assert "on what was put in front" in svg_text(done).split("</svg>")[2]


def test_blocked_attention_hides_nothing() -> None:
    out = Rectangle(Box(10, 20, 25, 30), "knockout")
    done = study(tiny_model(), PHOTO, out, keypoint=WRIST, masks=MASKS)
    rows = {row.key: row for row in done.changes}
    assert not done.hides and not any(key.startswith("in_front") for key in rows)
    for one in explain(done.after.prediction, WRIST).maps:
        assert done.after.purity[one.layer] == purity(one, MASKS, 0)
        assert done.after.purity[one.layer].in_front == 0
    assert BLOCKED in done.sentences
    assert "what was put in front" not in svg_text(done)
    before, after = told.answer(done)["placeWords"]
    assert before == after == ("of these, on the hatching", before[1])
    swept = sweep_grid(tiny_model(), PHOTO, out, keypoint=WRIST, masks=MASKS, shape=(2, 2))
    assert all(row["in_front"] == 0 and row["on_occluder"] is not None for row in swept.rows)
    assert swept.place_words == "on what is hatched"


def test_every_part_sums_to_the_whole_on_the_page_and_in_files() -> None:
    done = study(tiny_model(), PHOTO, ONES[0], keypoint=WRIST, masks=MASKS)
    rows = {row.key: row for row in done.changes}
    for layer in done.layers:
        for side in ("before", "after"):
            parts = [getattr(rows[f"{part}.{layer}"], side) for part in PARTS]
            assert sum(parts) == pytest.approx(1)
        # The row beside them says that it is none of them.
        assert rows[f"on_occluder.{layer}"].name.startswith("of this attention, where")
        one = next(one for one in told.answer(done)["layers"] if one["name"] == layer)
        after = one["shares"][1]
        keys = ("own", "others", "background", "occluder")
        assert sum(after[key] for key in keys) == pytest.approx(1)
    bare = study(tiny_model(), PHOTO, ONES[0], keypoint=WRIST)
    named = {row.key: row.name for row in bare.changes}
    assert named["on_occluder.encoder.3"] == "attention where the occluder is, encoder layer 3"


def test_a_sweeps_parts_are_those_of_a_study() -> None:
    square = Rectangle(Box(0, 0, 14, 14), "grey")
    swept = sweep_grid(tiny_model(), PHOTO, square, keypoint=WRIST, masks=MASKS, shape=(3, 2))
    for n, row in enumerate(swept.rows):
        assert sum(row[part] for part in PARTS) == pytest.approx(1)
        assert row["in_front"] == pytest.approx(row["on_occluder"])
        one = study(tiny_model(), PHOTO, swept.occluders[n], keypoint=WRIST, masks=MASKS)
        assert row["on_person"] == pytest.approx(one.after.purity[swept.layer].own, abs=1e-5)  # type: ignore[index]
    assert swept.title == "Left wrist, grey rectangle over a grid of 3 x 2"


@pytest.mark.parametrize(
    ("fill", "title"),
    [
        ("mean", "Left wrist, band of the photo's mean colour growing along the limb"),
        ("knockout", "Left wrist, knocked-out band growing along the limb"),
        ((0, 0, 0), "Left wrist, black band growing along the limb"),
        ((1, 2, 3), "Left wrist, band in RGB 1, 2, 3 growing along the limb"),
    ],
)
def test_a_sweep_names_what_was_put_in_front(fill: object, title: str) -> None:
    photo, boxes = noise_photo(160, 120), [Box(40, 40, 40, 60)]
    swept = sweep_limb(
        tiny_model(seed=3), photo, keypoint=WRIST, start="nose", steps=3, boxes=boxes, width=20,
        colour=fill,  # type: ignore[arg-type]
    )  # fmt: skip
    assert swept.title == title and told.sweep(swept)["filled"] == swept.filled
    assert [one.filled for one in ONES[2:]] == ["piece of the photo", "cut-out"]


def sure(found: Study, before: float, after: float) -> Study:
    """The same study with other confidences in the keypoint asked about."""

    def scored(side: object, score: float) -> object:
        scores = np.full(17, 0.9)
        scores[9] = score
        people = (replace(side.prediction.people[0], scores=scores),)  # type: ignore[attr-defined]
        prediction = replace(side.prediction, people=people)  # type: ignore[attr-defined]
        return replace(side, prediction=prediction)  # type: ignore[type-var]

    return replace(found, before=scored(found.before, before), after=scored(found.after, after))  # type: ignore[arg-type]


def test_a_keypoint_that_is_no_longer_drawn_is_not_said_to_move() -> None:
    done = study(tiny_model(), PHOTO, ONES[0], keypoint=WRIST)
    far = f"{done.displacement[9]:.1f} px"
    first = sure(done, 0.62, 0.17).sentences[0]
    assert first.startswith(
        "The left wrist falls from 0.62 to 0.17, below the 0.20 at which it would be drawn; "
        f"its best guess moves {far}"
    )
    assert "to 0.199, below the 0.20" in sure(done, 0.62, 0.1996).sentences[0]
    assert sure(done, 0.62, 0.2).sentences[0].startswith(f"The left wrist moves {far}")
    neither = sure(done, 0.15, 0.12).sentences[0]
    assert "drawn neither before nor after: its confidence of 0.15 and 0.12" in neither
    assert moved_words(sure(done, 0.62, 0.17))[0] == "its best guess moved"
    for after, name in ((0.17, "best guess of the left wrist moved"), (0.2, "left wrist moved")):
        rows = {row.key: row.name for row in sure(done, 0.62, after).changes}
        assert rows["moved"] == name
    assert moved_words(sure(done, 0.62, 0.2))[0] == "moved"
    assert told.answer(sure(done, 0.62, 0.17))["movedWords"][0] == "its best guess moved"


def test_the_outline_goes_round_the_covered_pixels() -> None:
    cover = np.zeros((40, 30), bool)
    assert outline_path(cover) == ""
    cover[10:20, 5:15] = True
    path = outline_path(cover)
    # Half a pixel beyond the centres of the outermost ones, corners cut.
    places = {tuple(map(float, one.split())) for one in path.strip("MZ").split("L")}
    assert places == {
        (x, y)
        for x, y in (
            (5, 9.5), (14, 9.5), (5, 19.5), (14, 19.5), (4.5, 10), (4.5, 19), (14.5, 10), (14.5, 19)
        )
    }  # fmt: skip
    cover[12:16, 8:12] = False
    assert outline_path(cover).count("M") == 2  # a hole is part of it
    cover[:], cover[0, 0] = False, True
    assert outline_path(cover).startswith("M") and "-0.5" in outline_path(cover)
    done = study(tiny_model(), PHOTO, ONES[0], keypoint=WRIST)
    assert told.answer(done)["outline"] == outline_path(done.cover)
    done.save_png(io.BytesIO())
