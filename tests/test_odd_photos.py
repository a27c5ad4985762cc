"""Photos without anybody, with too many, huge, tiny and one pixel wide, by models of whole photos.

With random weights and, where they are here, with trained ones: how good those are is no matter
here, that their answer can be drawn is.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import posekit
from posekit import zoo
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.errors import DataError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.sets import FoundSet, TrueSet, evaluate_sets, match_people
from posekit.explain import explain
from posekit.explain.inside import film_of, joins_of, matrices_of
from posekit.geometry import Box
from posekit.people import MAX_BOXES
from posekit.photo import Photo
from posekit.scenes import render_scene
from posekit.skeleton import LSP14
from tests.stick_people import crowd
from tests.test_photo_models import Knows, knowing
from tests.tiny_models import noise_photo

MODELS = ("ssa-small", "querypose-small")
THIN = [(1, 300), (300, 1), (1, 1), (1, 5000)]
SIZES = [*THIN, (2, 2), (3, 5000), (16, 16), (2000, 3000)]


@pytest.fixture(scope="module", params=[(m, w) for m in MODELS for w in ("random", "shipped")],
                ids=lambda one: " ".join(one))  # fmt: skip
def estimator(request: pytest.FixtureRequest) -> Estimator:
    name, weights = request.param
    if weights == "shipped" and not zoo.entry(name).weights_of("shipped").present:
        pytest.skip(f"{name} has no trained weights yet.")
    return Estimator(posekit.load(name, weights=weights, device="cpu"))


def check(made: Prediction) -> None:
    """That whatever was found can be drawn, ranked and asked about."""
    height, width = made.photo.size
    assert len(made.people) <= MAX_BOXES
    for person in made.people:
        left, top, right, bottom = person.box.edges
        assert -0.5 <= left < right <= width - 0.5 and -0.5 <= top < bottom <= height - 0.5
        assert person.score is not None and 0 < person.score <= 1
        assert person.found.any() and person.keypoints.shape == (14, 2)
        assert np.isfinite(person.scores).all()
        assert (person.scores[~person.found] == 0).all()
    for one, other in pairwise(made.people):
        assert one.score is not None and other.score is not None and one.score >= other.score
    assert made.trace is not None
    if made.people:
        keypoint = int(np.flatnonzero(made.people[0].found)[0])
        for mapped in explain(made, keypoint, person=0).maps:
            assert np.isfinite(mapped.weights).all()
        assert film_of(made, 0) or joins_of(made, 0)
    else:
        with pytest.raises(TraceError, match="found nobody in this photo"):
            explain(made, 0)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_photos_of_any_size(estimator: Estimator, size: tuple[int, int]) -> None:
    for photo in (Photo(np.zeros((*size, 3), np.uint8)), noise_photo(*size)):
        made = estimator.predict(photo)
        check(made)
        if min(size) < 2 or not estimator.model.trained:
            assert made.people == ()


@pytest.mark.parametrize(
    ("people", "how"),
    [(15, {"occluder": "crowd"}), (15, {}), (1, {"fill": 1.8}), (1, {})],
    ids=["crowded", "15 side by side", "cut by the border", "one person"],
)
def test_scenes_of_many_and_of_somebody_cut_off(
    estimator: Estimator, people: int, how: dict[str, object]
) -> None:
    scene = render_scene(15, size=(300, 400), people=people, **how)  # type: ignore[arg-type]
    check(estimator.predict(Photo(scene.pixels)))


def test_nobody_within_a_box_asked_about_is_nobody(estimator: Estimator) -> None:
    made = estimator.predict(Photo(np.zeros((90, 120, 3), np.uint8)), [Box(10, 10, 30, 60)])
    (nobody,) = made.people
    if not estimator.model.trained:
        assert not nobody.found.any() and nobody.score == 0
        with pytest.raises(TraceError):
            explain(made, "neck")
        assert matrices_of(made, 0) == () or nobody.instance is None


def test_fifteen_people_come_out_of_a_photo_as_fifteen() -> None:
    """By a network that knows where they are: whole, once each, in photo pixels."""
    size = (600, 800)
    truth = crowd(15, size, LSP14, seed=3)
    network = Knows((truth + 0.5) * (384 / max(size)) - 0.5).eval()
    model = knowing(truth).model
    entry = replace(model.entry, input_size=(384, 384))
    large = replace(model, module=network, entry=entry)
    made = Estimator(large).predict(noise_photo(*size))
    check(made)
    points = np.stack([person.keypoints for person in made.people])
    away = np.linalg.norm(points[:, None] - truth[None], axis=-1).max(-1)
    assert len(made.people) == 15 and sorted(away.argmin(1)) == list(range(15))
    assert away.min(1).max() < 1.0  # a pixel of the photo


def test_a_photo_of_a_crowd_alone_has_nobody_to_find(estimator: Estimator) -> None:
    """Labelled as one region: whom a model finds there is no mistake, and nobody is missed."""
    photo = noise_photo(120, 160)
    nobody = np.zeros((14, 2))
    region = LabelledPerson(
        photo, nobody, np.zeros(14, bool), crowd=True, given_box=Box(0, 0, 160, 120)
    )
    labelled = LabelledPhoto(photo, (region,), LSP14)
    truth = TrueSet.of(labelled, LSP14)
    assert len(truth.boxes) == 0 and len(truth.ignored) == 1
    somebody = FoundSet(np.array([[10.0, 10, 60, 100]]), np.zeros((1, 14, 2)), np.ones(1))
    _, false = match_people(somebody, truth)
    assert not false.any()

    def find(one: Photo) -> FoundSet:
        return FoundSet.of(estimator.predict(one, record=False).people, 14)

    with pytest.raises(DataError, match="Nobody in these photo"):
        evaluate_sets(find, [labelled], LSP14)
