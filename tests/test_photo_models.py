"""Models of whole photos through the estimator, and a click answered from what they left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import posekit
from posekit.data.paf_targets import encode_people
from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.sets import FoundSet
from posekit.explain import explain, head_grid, numbers, snap
from posekit.explain.asked import crop_input, peak_of, recorded_heatmaps
from posekit.explain.evidence import NO_TOKEN
from posekit.explain.targets import KeypointConfidence
from posekit.found import Found, box_around, in_boxes
from posekit.geometry import Affine, Box, Crop
from posekit.models.ssa import SMALL, SSANet, StageOutputs
from posekit.models.ssa_zoo import ENTRIES
from posekit.people import Person
from posekit.photo import Photo
from posekit.skeleton import LSP14
from posekit.weights import RANDOM
from posekit.zoo import PoseModel
from tests.querypose_official import TINY, as_pose_model, tiny_querypose
from tests.stick_people import crowd
from tests.tiny_models import noise_photo

SIZE = (300, 400)
PEOPLE = crowd(3, SIZE, LSP14, seed=2)
WRIST = LSP14.index("left wrist")


class Knows(SSANet):
    """A network of the OpenPose line that says the truth about people at given places."""

    def __init__(self, points: np.ndarray) -> None:
        super().__init__(SMALL)
        self.points = torch.from_numpy(points)[None].float()

    def forward(self, images: Tensor) -> StageOutputs:
        size = images.shape[-2] // 8, images.shape[-1] // 8
        t = encode_people(self.points, torch.ones(self.points.shape[:3]), LSP14.limbs, size)
        outputs = StageOutputs((t.paf,), (t.heat,), (t.offset,), ())
        self.leave_trace(outputs)
        return outputs


def knowing(points: np.ndarray) -> Estimator:
    network = Knows((points + 0.5) * (192 / max(SIZE)) - 0.5).eval()
    return Estimator(PoseModel(ENTRIES["ssa-small"], network, RANDOM, torch.device("cpu")))


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return knowing(PEOPLE).predict(noise_photo(*SIZE))


def nearest(prediction: Prediction) -> list[int]:
    """Which of PEOPLE each person found is."""
    points = np.stack([person.keypoints for person in prediction.people])
    away = np.linalg.norm(points[:, None] - PEOPLE[None], axis=-1).mean(-1)
    assert away.min(1).max() < 2.0
    return [int(one) for one in away.argmin(1)]


# ------------------------------------------------------------------ finding people


def test_everybody_is_found_without_a_box(prediction: Prediction) -> None:
    assert sorted(nearest(prediction)) == [0, 1, 2]
    for person in prediction.people:
        assert person.item == 0 and person.found.all() and 0.0 < person.score <= 1.0
        assert person.box.contains(person.keypoints).all()
    assert prediction.evidence is not None and prediction.masks is None
    assert FoundSet.of((), 14).keypoints.shape == (0, 14, 2)
    found = FoundSet.of(prediction.people, 14)
    assert found.boxes.shape == (3, 4) and found.keypoints.shape == (3, 14, 2)


def test_boxes_choose_among_those_found_in_their_own_order() -> None:
    boxes = [box_around(PEOPLE[n], SIZE) for n in (2, 0)]
    nowhere = Box(0, 0, 12, 12)
    made = knowing(PEOPLE).predict(noise_photo(*SIZE), [boxes[0], nowhere, boxes[1]])
    first, nobody, last = made.people
    assert np.abs(first.keypoints - PEOPLE[2]).max() < 4 and first.box == boxes[0]
    assert np.abs(last.keypoints - PEOPLE[0]).max() < 4
    assert not nobody.found.any() and nobody.score == 0.0 and not nobody.scores.any()
    with pytest.raises(TraceError, match="found no left wrist of this person"):
        explain(made, "left wrist", person=1)


def test_the_whole_photo_as_a_box_takes_the_largest_person() -> None:
    photo = noise_photo(*SIZE)
    made = knowing(PEOPLE).predict(photo, [Box.whole(SIZE)])
    areas = [box_around(one, SIZE).area for one in PEOPLE]
    assert nearest(made) == [int(np.argmax(areas))]


def test_nobody_is_a_legal_answer() -> None:
    made = Estimator(posekit.load("ssa-small", weights="random")).predict(noise_photo(60, 50))
    assert made.people == () and made.trace is not None
    for ask in (lambda: snap(made, (3, 4)), lambda: explain(made, "left wrist")):
        with pytest.raises(TraceError, match="found nobody in this photo"):
            ask()


def test_a_person_within_a_large_box_is_found_and_somebody_elses_is_not() -> None:
    crop = Crop((10, 10), Affine.scaling((1.0, 1.0), (0.0, 0.0)), (100, 100))

    def someone(box: Box) -> Person:
        return Person(box, np.zeros((1, 2)), np.ones(1), crop, score=0.5)

    small, large = someone(Box(10, 10, 10, 10)), someone(Box(40, 40, 40, 40))
    found = Found((small, large), crop, None, masks=(np.ones((100, 100), bool),) * 2)
    around, other = Box(5, 5, 30, 30), Box(60, 60, 40, 10)
    chosen = in_boxes(found, [around, other], keypoints=1)
    assert chosen.people[0].found.all()  # overlap 100 / 900, yet all of it lies inside
    assert not chosen.people[1].found.any()  # overlap 200 / 1800 of a person mostly elsewhere
    assert chosen.masks is not None
    assert [bool(mask.any()) for mask in chosen.masks] == [True, False]


def test_overlap_is_intersection_over_union() -> None:
    one = Box(0, 0, 10, 10)
    assert one.overlap(Box(5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert one.overlap(one) == 1.0 and one.overlap(Box(10, 0, 5, 5)) == 0.0
    assert Box.from_edges(*one.edges) == one


# ------------------------------------------------------------------ maps by keypoint


def test_a_click_shows_the_votes_for_the_persons_own_keypoint(prediction: Prediction) -> None:
    who = nearest(prediction).index(1)
    query = snap(prediction, PEOPLE[1][WRIST] + 1.0)
    assert (query.person, query.keypoint) == (who, WRIST)
    made = explain(prediction, query)
    assert {"heatmap.1", "votes", "ends", "synthesised"} <= set(made.layers)
    assert not {"contradiction", "paf.x", "offset.y"} & set(made.layers)  # these have signs
    assert made.title == "evidence for left wrist"
    heat = made.layer("heatmap.1")
    assert heat.query_token == NO_TOKEN and heat.heads == 1 and heat.weights.min() >= 0
    places = heat.token_centres[np.argsort(heat.weights, axis=None)[::-1][:3]]
    cell = 8 * max(SIZE) / 192
    for wrist in PEOPLE[:, WRIST]:  # one map of a whole photo holds everybody's
        assert np.linalg.norm(places - wrist, axis=1).min() < cell
    assert head_grid(prediction, query, "votes")[0].weights.tolist() == (
        made.layer("votes").weights.tolist()
    )


def test_a_click_anywhere_means_the_nearest_keypoint(prediction: Prediction) -> None:
    query = snap(prediction, (0, 0))
    assert query.keypoint is not None


def test_evidence_may_be_strongest_at_the_keypoint_asked_about(prediction: Prediction) -> None:
    """Attention leaves it out, since a cell looks at itself."""
    for keypoint in ("left wrist", "right knee"):
        around = numbers(explain(prediction, keypoint, person=0).maps[0], prediction).around
        assert around[0].keypoint == keypoint and around[0].share > 10 * around[0].even


def test_maps_by_keypoint_have_no_second_direction(prediction: Prediction) -> None:
    with pytest.raises(TraceError, match="one direction"):
        explain(prediction, "left wrist", direction="column")


def test_the_target_is_the_persons_own_peak(prediction: Prediction) -> None:
    for person, who in enumerate(nearest(prediction)):
        x, y = peak_of(prediction, "left wrist", person).point
        on_photo = np.array([8 * x + 3.5, 8 * y + 3.5]) * (max(SIZE) / 192)
        assert np.linalg.norm(on_photo - PEOPLE[who][WRIST]) < 8 * max(SIZE) / 192


def test_the_photo_is_rebuilt_as_the_network_saw_it() -> None:
    network = Knows(PEOPLE).eval()
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model = PoseModel(ENTRIES["ssa-small"], network, RANDOM, torch.device("cpu"))
    made = Estimator(model).predict(noise_photo(300, 371), [Box.whole((300, 371))])
    again = crop_input(made, 0)
    assert again.shape == seen[0].shape
    assert torch.equal(again, seen[0])
    assert recorded_heatmaps(made, 0).shape[-2:] == (again.shape[-2] // 8, again.shape[-1] // 8)


# ------------------------------------------------------------------ part maps


@pytest.fixture(scope="module")
def posed() -> Prediction:
    network = tiny_querypose()
    with torch.no_grad():  # sure of everybody, so that random weights find people
        for stage in range(TINY.stages):
            network.head.of_stage(stage)[0].class_logits.bias.fill_(4.0)
    model = as_pose_model(network)
    return Estimator(replace(model, entry=replace(model.entry, find=_sure))).predict(
        noise_photo(96, 120)
    )


def _sure(model: PoseModel, photo: Photo, **how: bool) -> Found:
    from posekit.models import querypose_photo

    return querypose_photo.find(model, photo, **how)


def test_a_part_map_lies_in_its_stages_box(posed: Prediction) -> None:
    assert posed.people, "the tiny network found nobody"
    trace = posed.trace
    assert trace is not None and trace.instances is not None
    person = len(posed.people) - 1
    who = posed.people[person]
    made = explain(posed, "left wrist", person=person)
    assert made.layers == tuple(f"part maps.{t}" for t in range(1, TINY.stages + 1))
    part = next(n for n, (_, held) in enumerate(TINY.parts) if "left wrist" in held)
    assert who.instance is not None
    image, query = trace.instances.places[who.instance]
    for t, one in enumerate(made.maps, start=1):
        recorded = trace.tensors[f"part maps.{t}"].values[who.instance, part]
        np.testing.assert_allclose(one.weights, recorded.numpy(), rtol=1e-6)
        assert one.total == pytest.approx(1.0, abs=1e-4)
        box = trace.tensors[f"boxes.{t}"].values[image, query].numpy().reshape(2, 2)
        rows, cols = one.grid.size
        corners = [[-0.5, -0.5], [cols - 0.5, rows - 0.5]]
        np.testing.assert_allclose(one.grid.to_input.apply(corners), box, rtol=1e-4, atol=1e-3)
        assert numbers(one, posed).entropy_nats > 0


def test_methods_that_follow_attention_say_why_they_cannot(posed: Prediction) -> None:
    with pytest.raises(TraceError, match="no attention between places"):
        explain_by(posed, "rollout")


def explain_by(prediction: Prediction, method: str) -> object:
    return posekit.explain(prediction, "left wrist", method=method, person=0)


@pytest.mark.parametrize("method", ["saliency", "grad-cam", "occlusion"])
def test_methods_that_need_only_heatmaps_work_on_whole_photos(method: str) -> None:
    torch.manual_seed(0)
    network = SSANet(SMALL).eval()
    crowd_of = knowing(PEOPLE).predict(noise_photo(*SIZE))
    # A trained network cannot be had here; the question is put to a random one at a person's place.
    model = PoseModel(ENTRIES["ssa-small"], network, RANDOM, torch.device("cpu"))
    with posekit.record(network) as trace, torch.inference_mode():
        network(torch.randn(1, 3, *crowd_of.people[0].crop.size))
    made = replace(crowd_of, model=model, trace=trace)
    given = {"window": 72, "stride": 72} if method == "occlusion" else {}
    found = posekit.explain(made, KeypointConfidence(WRIST), method=method, person=0, **given)
    assert np.isfinite(found.values).all() and found.crop is made.people[0].crop
    if method == "grad-cam":  # what leaves the trunk, a vector for each cell of the heatmaps
        height, width = made.people[0].crop.size
        assert found.grid.size == (height // 8, width // 8)
