"""What each model is asked: its own token, for one place or one keypoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posekit.compare import Comparison, compare
from posekit.compare.words import asked_where
from posekit.errors import SkeletonError, TraceError
from posekit.estimator import Prediction
from posekit.explain import KeypointPeak, Query, explain, peak_of
from posekit.explain.asked import to_heatmap
from posekit.found import box_around
from posekit.geometry import Box
from posekit.skeleton import COCO17, LSP14
from tests.comparing.predictions import predicted
from tests.test_photo_models import PEOPLE, SIZE, knowing
from tests.tiny_models import noise_photo


def test_every_model_is_asked_at_its_own_keypoint(
    pair: list[Prediction], found: Comparison
) -> None:
    index = COCO17.index("left wrist")
    for one, panel in zip(pair, found.panels, strict=True):
        assert panel.point == pytest.approx(tuple(one.people[0].keypoints[index]))
        own = explain(one, "left wrist", person=0).layer("encoder.3")
        np.testing.assert_array_equal(panel.map.weights, own.weights)  # type: ignore[union-attr]
        assert panel.keypoint == index and panel.figures.layer == "encoder.3"
    assert found.keypoint == found.label == "left wrist"
    assert found.title == "Left wrist looks at"


def test_a_point_is_the_same_place_for_all_and_each_takes_its_own_token(
    pair: list[Prediction],
) -> None:
    found = compare(pair, (40.0, 60.0), person=1, direction="column")
    assert found.keypoint is None and found.label == "point (40, 60)"
    for one, panel in zip(pair, found.panels, strict=True):
        own = explain(one, (40.0, 60.0), person=1, direction="column").layer(-1)
        assert panel.point == (40.0, 60.0)
        assert panel.map.query_token == own.query_token  # type: ignore[union-attr]
        np.testing.assert_array_equal(panel.map.weights, own.weights)  # type: ignore[union-attr]
        assert panel.figures.confidence is None and panel.figures.distance_px is None
    assert found.panels[0].map.query_token != found.panels[1].map.query_token  # type: ignore


def test_a_keypoint_can_be_asked_at_one_place(pair: list[Prediction]) -> None:
    found = compare(pair, "nose", anchor="point")
    place = tuple(pair[0].people[0].keypoints[0])
    assert [panel.point for panel in found.panels] == [pytest.approx(place)] * 2
    assert "Asked at" not in found.panels[0].note
    assert "Asked at the place where Tiny 0 puts the nose." in found.panels[1].note
    assert found.panels[1].keypoint == 0  # distance and confidence are still of its own nose
    nowhere = np.array(pair[0].people[0].keypoints)
    nowhere[0] = np.nan
    lost = replace(pair[0].people[0], keypoints=nowhere)
    without = replace(pair[0], people=(lost, *pair[0].people[1:]))
    found = compare([without, pair[1]], "nose", anchor="point")
    assert "Asked at the place where Tiny 1 (untrained) puts the nose." in found.panels[0].note
    assert "Asked at" not in found.panels[1].note
    clicked = Query(0, (33.0, 44.0), 0)
    found = compare(pair, clicked, anchor="point")
    assert [panel.point for panel in found.panels] == [(33.0, 44.0)] * 2
    with pytest.raises(TraceError, match="as 'keypoint' or as 'point', not 'x'"):
        compare(pair, "nose", anchor="x")  # type: ignore[arg-type]


def test_a_model_without_the_keypoint_is_asked_where_another_puts_it(
    pair: list[Prediction], lsp: Prediction
) -> None:
    found = compare([pair[0], lsp], "neck")
    place = tuple(lsp.people[0].keypoints[LSP14.index("neck")])
    assert [panel.point for panel in found.panels] == [pytest.approx(place)] * 2
    assert [panel.keypoint for panel in found.panels] == [None, LSP14.index("neck")]
    note = found.panels[0].note
    assert note.startswith("This model does not know the neck: it is asked at the place where ")
    assert found.panels[0].figures.distance_px is None
    assert found.panels[1].figures.distance_px == 0.0  # the first that knows it
    shared = compare([pair[0], lsp], "left wrist")
    assert [panel.keypoint for panel in shared.panels] == [9, LSP14.index("left wrist")]
    with pytest.raises(SkeletonError, match='None of these models has a keypoint "pelvis"'):
        compare([pair[0], lsp], "pelvis")
    with pytest.raises(SkeletonError, match="no keypoint 17 in COCO"):
        compare([pair[0], lsp], 17)


def test_a_model_with_maps_about_keypoints_alone_is_asked_about_its_own() -> None:
    """No place is a question to it: its keypoint of that name is, or the nearest to the place."""
    photo, boxes = noise_photo(*SIZE), [box_around(PEOPLE[0], SIZE), Box(0, 0, 12, 12)]
    places = predicted(skeleton=LSP14, photo=photo, boxes=boxes)
    finder = knowing(PEOPLE).predict(photo, boxes)  # in the second box nobody is found
    said = "The maps of this model are about keypoints, so it is asked about its"
    found = compare([places, finder], "left wrist", anchor="point")
    own = tuple(finder.people[0].keypoints[LSP14.index("left wrist")])
    assert found.panels[1].point == pytest.approx(own)
    assert found.panels[1].note == f"{said} own left wrist."
    assert found.panels[1].map is not None and "Asked at" not in found.panels[0].note
    free = tuple(PEOPLE[0][LSP14.index("right knee")] + 3)
    found = compare([places, finder], free)
    assert found.panels[0].point == free and found.panels[0].keypoint is None
    assert found.panels[1].keypoint == LSP14.index("right knee")
    assert found.panels[1].note == f"{said} right knee, the nearest one."
    title = found.panels[1].title
    assert asked_where(found) == f"the same spot in 1 of 2 panels; {title} at its own keypoint"
    assert found.way == "looks at, or found by"
    absent = compare([places, finder], "left wrist", person=1, anchor="point").panels[1]
    assert absent.map is None and "found no left wrist of this person" in absent.note


def test_where_all_were_asked_is_said_of_what_was_asked(pair: list[Prediction]) -> None:
    free = compare(pair, (40.0, 60.0), person=1)
    assert asked_where(free) == "the same spot in every panel" and free.way == "looks at"
    assert asked_where(compare(pair, "nose"), own=True) == "each model's own"
    finders = [knowing(PEOPLE).predict(noise_photo(*SIZE)) for _ in range(2)]
    found = compare(finders, tuple(PEOPLE[0][LSP14.index("right knee")]))
    assert asked_where(found) == "each model's own" and found.title.endswith("found by")
    photo, boxes = noise_photo(*SIZE), [box_around(PEOPLE[0], SIZE)]
    places = [predicted(skeleton=LSP14, photo=photo, boxes=boxes) for _ in range(3)]
    about = [knowing(PEOPLE).predict(photo, boxes) for _ in range(2)]
    five = compare([*places, *about], "left wrist", anchor="point")
    assert asked_where(five).startswith("the same spot in 3 of 5 panels; SSA-small")
    assert asked_where(five).endswith(" at their own keypoint")


def test_a_place_outside_the_photo_is_said(pair: list[Prediction]) -> None:
    person = pair[1].people[0]
    keypoints = person.keypoints.copy()
    keypoints[0] = (-3.0, 50.0)
    moved = replace(pair[1], people=(replace(person, keypoints=keypoints), *pair[1].people[1:]))
    found = compare([pair[0], moved], "nose")
    assert found.panels[1].note == "Asked outside the photo, at (-3, 50)."


def test_layer_and_head_of_another_model(pair: list[Prediction]) -> None:
    deep = replace(pair[1], trace=replace(pair[1].trace))  # type: ignore[type-var]
    layers = dict(deep.trace.attentions)  # type: ignore[union-attr]
    layers.pop("encoder.3")
    deep.trace.attentions = layers  # type: ignore[union-attr]
    found = compare([pair[0], deep], "nose", layer="encoder.3", head=2)
    assert [row.layer for row in found.table] == ["encoder.3", "encoder.2"]
    assert "no layer encoder.3: its last, encoder.2, is shown" in found.panels[1].note
    assert found.panels[0].map.head == 2  # type: ignore[union-attr]
    found = compare(pair, "nose", layer=["encoder.1", None])
    assert [row.layer for row in found.table] == ["encoder.1", "encoder.3"]
    found = compare(pair, "nose", head=7)
    assert all("This layer has 4 heads: their mean is shown." in p.note for p in found.panels)
    mean = compare(pair, "nose").panels[0].map.weights  # type: ignore[union-attr]
    np.testing.assert_array_equal(found.panels[0].map.weights, mean)  # type: ignore[union-attr]


def test_a_target_is_carried_to_the_other_models_maps(
    pair: list[Prediction], lsp: Prediction
) -> None:
    target = peak_of(pair[0], "left wrist")
    found = compare([*pair, lsp], target, method="saliency")
    place = to_heatmap(pair[0], 0).inverse().apply(target.point)
    for panel in found.panels:
        assert panel.map is not None
        assert panel.point == pytest.approx(tuple(place), abs=1e-4)
    assert found.label == "left wrist"
    point = tuple(to_heatmap(pair[1], 0).apply(place))
    by_hand = explain(pair[1], KeypointPeak(9, point), method="saliency", person=0)
    np.testing.assert_allclose(found.panels[1].map.values, by_hand.values)  # type: ignore
    eye = compare([pair[0], lsp], peak_of(pair[0], "left eye"), method="saliency")
    assert eye.panels[0].map is not None and eye.panels[1].map is None
    assert "does not know the left eye" in eye.panels[1].note
