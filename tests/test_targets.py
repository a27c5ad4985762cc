"""Targets against closed forms, from a click to a number, and the verb that takes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import posekit
from posekit.decode.heatmap import encode_heatmaps
from posekit.errors import ModelError, SkeletonError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import (
    Explanation,
    HeatMap,
    KeypointConfidence,
    KeypointCoordinate,
    KeypointPair,
    KeypointPeak,
    MaskTarget,
    PersonTarget,
    Query,
    Target,
    explain,
    find_method,
    list_methods,
    mask_of,
    pair_of,
    peak_of,
    person_of,
)
from posekit.explain.asked import ask, crop_input, heatmaps_from, start_weights, to_heatmap
from posekit.explain.methods import method
from posekit.geometry import Box
from posekit.skeleton import COCO17
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model

BOXES = (Box(20, 20, 40, 56), Box(130, 60, 44, 70))
OWN = ("attention", "flow", "rollout", "contribution", "relevance")


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(noise_photo(180, 240), BOXES)


def random_maps(seed: int = 0) -> Tensor:
    return torch.rand(3, 4, 10, 8, generator=torch.Generator().manual_seed(seed))


# --- numbers ----------------------------------------------------------------------------------


def test_a_peak_is_the_value_at_its_place_and_bilinear_between() -> None:
    maps = random_maps()
    torch.testing.assert_close(KeypointPeak(2, (5, 7))(maps), maps[:, 2, 7, 5])
    torch.testing.assert_close(KeypointPeak(2, (7, 9))(maps), maps[:, 2, 9, 7])  # the last pixel
    expected = 0.75 * (0.5 * maps[:, 1, 3, 2] + 0.5 * maps[:, 1, 4, 2]) + 0.25 * (
        0.5 * maps[:, 1, 3, 3] + 0.5 * maps[:, 1, 4, 3]
    )
    torch.testing.assert_close(KeypointPeak(1, (2.25, 3.5))(maps), expected)
    with pytest.raises(TraceError, match="does not lie on a heatmap of 8"):
        KeypointPeak(1, (7.5, 3))(maps)


def test_the_gradient_of_a_peak_reaches_its_pixel_alone() -> None:
    maps = random_maps().requires_grad_()
    (gradient,) = torch.autograd.grad(KeypointPeak(2, (5, 7))(maps).sum(), maps)
    expected = torch.zeros_like(maps)
    expected[:, 2, 7, 5] = 1
    torch.testing.assert_close(gradient, expected)


def test_confidence_follows_the_maximum() -> None:
    maps = random_maps()
    target = KeypointConfidence(3)
    torch.testing.assert_close(target(maps), maps[:, 3].amax((1, 2)))
    (x, y), *rest = target.places(maps[1]).long().tolist()
    assert maps[1, 3, y, x] == maps[1, 3].max() and rest == []


def test_a_coordinate_is_where_the_gaussian_stands() -> None:
    keypoints = torch.tensor([[[20.0, 31.0], [33.5, 12.25]]])
    maps, _ = encode_heatmaps(keypoints, torch.ones(1, 2), (64, 48))
    for scale in (1.0, 0.1):  # a weak map is read as a strong one is
        for k in (0, 1):
            x, y = (float(KeypointCoordinate(k, axis)(maps * scale)) for axis in ("x", "y"))  # type: ignore[arg-type]
            assert (x, y) == pytest.approx(keypoints[0, k].tolist(), abs=0.02)
    moved = torch.roll(maps, 3, dims=-1)
    assert float(KeypointCoordinate(0, "x")(moved)) == pytest.approx(23, abs=0.02)
    with pytest.raises(TraceError, match="'x' or 'y'"):
        KeypointCoordinate(0, "z")  # type: ignore[arg-type]


def test_a_pair_a_person_and_a_mask_are_sums_and_means() -> None:
    maps = random_maps()
    a, b = KeypointPeak(0, (1, 2)), KeypointPeak(3, (4, 5))
    torch.testing.assert_close(KeypointPair(a, b)(maps), maps[:, 0, 2, 1] + maps[:, 3, 5, 4])
    torch.testing.assert_close(
        PersonTarget((a, b))(maps), (maps[:, 0, 2, 1] + maps[:, 3, 5, 4]) / 2
    )
    mask = np.zeros((10, 8), np.float32)
    mask[2:4, 1:3], mask[4, 1] = 1.0, 0.5
    weight = torch.tensor(mask)
    torch.testing.assert_close(
        MaskTarget(mask, keypoint=1)(maps), (maps[:, 1] * weight).sum((1, 2)) / 4.5
    )
    torch.testing.assert_close(MaskTarget(mask)(maps), (maps.sum(1) * weight).sum((1, 2)) / 4.5)
    assert len(MaskTarget(mask).places(maps[0])) == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaskTarget(np.zeros((4, 4))),
        lambda: MaskTarget(np.full((4, 4), np.nan)),
        lambda: MaskTarget(np.ones(4)),
        lambda: PersonTarget(()),
    ],
)
def test_a_target_of_nothing_is_refused(make) -> None:
    with pytest.raises(TraceError):
        make()


def test_outputs_that_do_not_hold_the_target_are_refused() -> None:
    with pytest.raises(ModelError, match="heatmaps"):
        KeypointConfidence(0)(torch.zeros(2, 17, 2))
    with pytest.raises(TraceError, match="makes 4 heatmaps"):
        KeypointConfidence(4)(random_maps())
    with pytest.raises(TraceError, match="does not fit"):
        MaskTarget(np.ones((3, 3)))(random_maps())
    with pytest.raises(ModelError, match="does not make"):
        heatmaps_from(torch.nn.Flatten(), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (KeypointPeak(9, (0, 0)), "left wrist"),
        (KeypointConfidence(9), "confidence of left wrist"),
        (KeypointCoordinate(9, "y"), "y of left wrist"),
        (
            KeypointPair(KeypointPeak(7, (0, 0)), KeypointPeak(9, (0, 0))),
            "left elbow and left wrist",
        ),
        (PersonTarget((KeypointPeak(9, (0, 0)),)), "the person (1 keypoints)"),
        (MaskTarget(np.ones((2, 2)), 9), "left wrist on the mask"),
        (MaskTarget(np.ones((2, 2)), name="cat"), "all keypoints on the cat"),
    ],
)
def test_a_target_says_what_it_is(target: Target, words: str) -> None:
    assert target.label(COCO17) == words


# --- from a click -----------------------------------------------------------------------------


@pytest.mark.parametrize("person", [0, 1])
def test_a_keypoint_means_the_maximum_of_its_map(prediction, person: int) -> None:
    asked = ask(prediction, "nose", person)
    heatmaps = prediction.trace.heatmaps[person]
    assert asked.target(heatmaps[None]).item() == heatmaps[0].max().item()
    assert (asked.person, asked.label, asked.query.keypoint) == (person, "nose", 0)
    assert asked.target == peak_of(prediction, 0, person)


def test_a_free_point_means_the_map_that_is_greatest_there(prediction) -> None:
    heatmaps = prediction.trace.heatmaps[1]
    point = to_heatmap(prediction, 1).inverse().apply([4, 6])
    asked = ask(prediction, point, 1)
    assert asked.target == KeypointPeak(int(heatmaps[:, 6, 4].argmax()), (4.0, 6.0))
    assert asked.label.endswith(f"at point ({point[0]:.0f}, {point[1]:.0f})")
    with pytest.raises(TraceError, match="outside this person's crop"):
        ask(prediction, (2, 2), 1)


def test_people_and_pairs_of_a_prediction(prediction) -> None:
    person = person_of(prediction, 1)
    found = [k for k, m in enumerate(prediction.trace.heatmaps[1]) if m.max() > 0]
    assert [peak.keypoint for peak in person.peaks] == found and 0 < len(found) <= 17
    pair = pair_of(prediction, "nose", "left eye", 1)
    assert pair == KeypointPair(peak_of(prediction, 0, 1), peak_of(prediction, 1, 1))
    assert person_of(prediction, 0, ["nose"]).peaks == (peak_of(prediction, "nose"),)
    with pytest.raises(SkeletonError):
        peak_of(prediction, "tail")


def test_a_keypoint_that_was_not_found_is_said_so(prediction) -> None:
    heatmaps = prediction.trace.heatmaps.clone()
    heatmaps[0, 3] = -1
    nowhere = replace(prediction, trace=replace(prediction.trace, heatmaps=heatmaps))
    with pytest.raises(TraceError, match="No left ear was found for this person"):
        explain(nowhere, "left ear", method="relevance")
    assert isinstance(explain(nowhere, "left ear", method="rollout"), HeatMap)
    assert 3 not in [peak.keypoint for peak in person_of(nowhere).peaks]


def test_a_mask_on_the_photo_covers_what_it_covers_of_the_heatmap(prediction) -> None:
    left, top, right, bottom = 30, 30, 50, 60  # pixels of the photo, both ends included
    mask = np.zeros(prediction.photo.size, bool)
    mask[top : bottom + 1, left : right + 1] = True
    target = mask_of(prediction, mask, 0, "nose")
    assert target.keypoint == 0 and target.mask.shape == (16, 12)
    corners = [[left - 0.5, top - 0.5], [right + 0.5, bottom + 0.5]]
    (x0, y0), (x1, y1) = to_heatmap(prediction, 0).apply(corners)
    assert target.mask.sum() == pytest.approx((x1 - x0) * (y1 - y0), rel=0.03)
    for y, x in np.ndindex(16, 12):
        if x0 + 1.5 < x < x1 - 1.5 and y0 + 1.5 < y < y1 - 1.5:
            assert target.mask[y, x] == pytest.approx(1, abs=1e-5)
        if x < x0 - 1.5 or x > x1 + 1.5 or y < y0 - 1.5 or y > y1 + 1.5:
            assert target.mask[y, x] == 0
    with pytest.raises(TraceError, match="No part of the mask"):
        mask_of(prediction, mask, 1)
    with pytest.raises(TraceError, match="and the photo"):
        mask_of(prediction, mask[1:], 0)


def test_the_crop_goes_through_the_network_again_as_it_was(prediction) -> None:
    with torch.no_grad():
        again = [heatmaps_from(prediction.model.module, crop_input(prediction, i)) for i in (0, 1)]
    torch.testing.assert_close(
        torch.cat(again), prediction.trace.heatmaps.clone(), atol=1e-5, rtol=0
    )


def test_the_tokens_a_question_starts_from(prediction) -> None:
    attention = prediction.trace.attentions["encoder.1"]
    one = start_weights(prediction, KeypointPeak(0, (5, 9)), 0, attention)
    assert one.nonzero().tolist() == [[4 * 6 + 2]] and one.sum() == 1  # two heatmap pixels a token
    pair = KeypointPair(KeypointPeak(0, (5, 9)), KeypointPeak(1, (0, 15)))
    both = start_weights(prediction, pair, 0, attention)
    assert both[4 * 6 + 2] == both[7 * 6] == 0.5 and both.sum() == 1
    three = PersonTarget((*(KeypointPeak(k, (k, 0)) for k in (0, 1)), KeypointPeak(2, (11, 0))))
    shares = start_weights(prediction, three, 0, attention)  # the first two share a token
    assert shares[[0, 5]].tolist() == pytest.approx([2 / 3, 1 / 3])
    point = BOXES[1].centre
    clicked = start_weights(prediction, Query(1, point), 1, attention)
    assert int(clicked.argmax()) == explain(prediction, point, person=1).maps[0].query_token


# --- the verb ---------------------------------------------------------------------------------


def test_the_methods_have_names_costs_and_sentences() -> None:
    methods = {m.name: m for m in list_methods()}
    assert set(OWN) <= set(methods) and next(iter(methods)) == "attention"
    assert {m.name for m in list_methods("attention")} >= {"attention", "rollout", "flow"}
    for one in methods.values():
        assert one.description.endswith(".") and one.needs in (
            "attention",
            "gradient",
            "perturbation",
        )
        assert "person" in one.options
    assert find_method("rollout").options["residual"] == 0.5


def test_attention_is_what_one_gets_without_a_method(prediction) -> None:
    named = explain(prediction, "nose", method="attention", direction="column")
    plain = posekit.explain(prediction, "nose", direction="column")
    assert isinstance(named, Explanation) and named.direction == "column"
    np.testing.assert_array_equal(named.maps[0].weights, plain.maps[0].weights)


def test_what_cannot_be_is_said_in_a_sentence(prediction) -> None:
    with pytest.raises(TraceError, match="did you mean 'rollout'"):
        explain(prediction, "nose", method="rolout")
    with pytest.raises(TraceError, match="choose one of attention, "):
        explain(prediction, "nose", method="zzzz")
    with pytest.raises(TraceError, match="no option 'heads': it takes person, start, head"):
        explain(prediction, "nose", method="rollout", heads=2)
    with pytest.raises(TraceError, match="not for confidence of nose"):
        explain(prediction, KeypointConfidence(0), method="attention")
    with pytest.raises(ModelError, match="registered already"):
        method("rollout", needs="attention", description="Another.")(lambda *_, **__: None)


@pytest.mark.parametrize("name", OWN)
def test_a_model_or_prediction_without_attention_is_refused(prediction, name: str) -> None:
    blobs = Estimator(pose_model(BlobFinder(), (64, 48))).predict(noise_photo())
    with pytest.raises(TraceError, match="recorded no attention"):
        explain(blobs, "nose", method=name)
    with pytest.raises(TraceError, match="record=True"):
        explain(replace(prediction, trace=None), "nose", method=name)


@pytest.mark.parametrize("name", OWN[2:])
@pytest.mark.parametrize("trunk", ["resnet", "hrnet"])
def test_every_target_goes_with_every_method_or_is_refused(name: str, trunk: str) -> None:
    model = tiny_model(trunk=trunk, layers=2, heads=2)
    prediction = Estimator(model).predict(noise_photo(), [Box(20, 20, 60, 90)])
    k = int((prediction.trace.heatmaps[0].amax((1, 2)) > 0).nonzero()[0])  # type: ignore[union-attr]
    mask = np.ones(prediction.photo.size, bool)
    targets: list[Target | int | tuple[float, float]] = [
        k, (50.0, 60.0), KeypointConfidence(k), person_of(prediction), mask_of(prediction, mask),
        pair_of(prediction, k, k),
    ]  # fmt: skip
    for target in targets:
        answer = explain(prediction, target, method=name)
        assert isinstance(answer, HeatMap) and answer.method == name
        assert answer.limit > 0 and answer.target and answer.seconds > 0
        assert answer.grid.size == ((8, 6) if trunk == "resnet" else (16, 12))
    coordinate = KeypointCoordinate(k)
    refused = {"contribution": "cannot be divided", "rollout": "from where a keypoint lies"}
    if name in refused:
        with pytest.raises(TraceError, match=refused[name]):
            explain(prediction, coordinate, method=name)
    else:
        assert isinstance(explain(prediction, coordinate, method=name), HeatMap)
