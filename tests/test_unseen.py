"""A knockout drawn on the photo: which tokens it hides, and what the estimator makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posekit.errors import ModelError, OcclusionError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain
from posekit.geometry import Affine, Box, Crop, TokenGrid
from posekit.knockout import attention_modules
from posekit.models.instance import attention_rows
from posekit.occlusion import Rectangle, Stroke, occluder_from_dict, study, sweep_grid, sweep_limb
from posekit.occlusion.export import describe
from posekit.occlusion.hatch import hatched
from posekit.occlusion.svg import svg_text
from posekit.unseen import Unseen, tokens_under
from tests import tiny_instance
from tests.linear_model import linear_model
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_btranspose, tiny_model

PHOTO = noise_photo(160, 120)
BOXES = [Box(20, 20, 60, 90), Box(40, 60, 70, 90), Box(5, 5, 80, 120)]
PLAIN = Crop((64, 48), Affine.scaling((1, 1), (0, 0)), (64, 48))
CELLS = TokenGrid(8, 6, Affine.scaling((8, 8), (3.5, 3.5)))  # 8 x 8 pixels each


def mask(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """True in [x0, x1) x [y0, y1)."""
    made = np.zeros(size, bool)
    made[y0:y1, x0:x1] = True
    return made


def test_a_token_is_hidden_when_half_of_its_cell_is() -> None:
    whole = tokens_under(mask(8, 16, 24, 24), PLAIN, CELLS)
    assert whole.nonzero()[0].tolist() == [2 * 6 + 1, 2 * 6 + 2]
    half = tokens_under(mask(4, 0, 19, 8), PLAIN, CELLS)  # halves of the first, 3 of 8 of the third
    assert half.nonzero()[0].tolist() == [0, 1]
    assert tokens_under(mask(20, 33, 23, 35), PLAIN, CELLS).nonzero()[0].tolist() == [4 * 6 + 2]
    assert not tokens_under(mask(0, 0, 0, 0), PLAIN, CELLS).any()
    beside = Crop((64, 48), Affine.scaling((1, 1), (-100, 0)), (64, 248))
    assert not tokens_under(mask(0, 0, 90, 64, (64, 248)), beside, CELLS).any()
    with pytest.raises(OcclusionError, match="nothing left to look at"):
        tokens_under(mask(0, 0, 48, 64), PLAIN, CELLS)


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator(tiny_model(layers=2), batch_size=2)


def hidden(prediction: Prediction, person: int, area: np.ndarray) -> np.ndarray:
    """Indices of one person's hidden tokens."""
    assert prediction.trace is not None
    grid = prediction.trace.attentions["encoder.1"].key_grid
    assert isinstance(grid, TokenGrid)
    return tokens_under(area, prediction.people[person].crop, grid).nonzero()[0]


def test_nobody_looks_there_and_the_rest_is_shared(estimator: Estimator) -> None:
    area = mask(30, 40, 70, 80, PHOTO.size)
    before = estimator.predict(PHOTO, BOXES)
    after = estimator.predict(PHOTO, BOXES, knocked_out=area)
    assert after.photo is PHOTO and after.trace is not None and before.trace is not None
    for person in range(3):
        tokens = hidden(after, person, area)
        assert 0 < len(tokens) < 48
        for layer in after.trace.attentions.values():
            seen = layer.matrix(person)
            assert float(seen[:, :, tokens].abs().max()) == 0
            torch.testing.assert_close(seen.sum(-1), torch.ones(4, 48))
        # The first layer gets the tokens it got before, so its shares are the old ones, made whole.
        old = before.trace.attentions["encoder.1"].matrix(person).clone()
        old[:, :, tokens] = 0
        expected = old / old.sum(-1, keepdim=True)
        torch.testing.assert_close(
            after.trace.attentions["encoder.1"].matrix(person), expected, atol=1e-5, rtol=1e-4
        )
    shares = explain(after, "nose", person=1).layer("encoder.2").weights.ravel()
    assert shares[hidden(after, 1, area)].sum() == 0 and shares.sum() == pytest.approx(1)


def test_batches_and_several_photos_change_nothing(estimator: Estimator) -> None:
    area = mask(30, 40, 70, 80, PHOTO.size)
    together = estimator.predict(PHOTO, BOXES, knocked_out=area)
    plain = estimator.predict(PHOTO, BOXES)
    both = estimator.predict_each([PHOTO, PHOTO], BOXES, knocked_out=[None, area])
    for person, box in enumerate(BOXES):
        alone = estimator.predict(PHOTO, [box], knocked_out=area).people[0]
        for other in (together.people[person], both[1].people[person]):
            np.testing.assert_allclose(alone.scores, other.scores, atol=1e-5)
        free = both[0].people[person].scores
        np.testing.assert_allclose(free, plain.people[person].scores, atol=1e-5)
        assert np.abs(alone.scores - free).max() > 1e-4
    assert both[0].knocked_out is None and both[1].knocked_out is area


def test_both_levels_of_btranspose_are_blocked() -> None:
    area = mask(30, 40, 70, 80, PHOTO.size)
    after = Estimator(tiny_btranspose()).predict(PHOTO, BOXES[:1], knocked_out=area)
    assert after.trace is not None
    tokens = hidden(after, 0, area)
    for name in ("mhsa.1", "encoder.1"):
        assert float(after.trace.attentions[name].matrix()[:, :, tokens].abs().max()) == 0
    for part in ("content", "position"):
        alone = after.trace.attentions["mhsa.1"].only(part)
        assert float(alone.matrix()[:, :, tokens].abs().max()) == 0


def test_people_are_grouped_by_what_may_be_looked_at() -> None:
    model = tiny_instance.tiny_model()
    photo, area = noise_photo(64, 64), mask(8, 16, 40, 40, (64, 64))
    after = Estimator(model).predict(photo, knocked_out=area)
    assert after.trace is not None
    tokens = [8 * row + col for row in (2, 3, 4) for col in (1, 2, 3, 4)]
    for layer in after.trace.attentions.values():
        assert float(layer.matrix()[:, :, tokens].abs().max()) == 0
    # The rows that keypoints are grouped by are those of the supervised layer.
    images = torch.zeros(2, 3, 64, 64)
    layers = attention_modules(model.module, lambda: model.module(images))
    unseen = Unseen.of(model.module, layers, [Crop((64, 64), PLAIN.to_crop, (64, 64))], [area])
    with torch.inference_mode(), unseen.hidden(model.module):
        output = model.module(images)
    for held in (attention_rows(output, torch.tensor([[3, 9], [3, 9]])), attention_rows(
        output.of(1), torch.tensor([[3, 9]])
    )):  # fmt: skip
        assert float(held[..., tokens].abs().max()) == 0
        torch.testing.assert_close(held.sum(-1), torch.ones(held.shape[:2]))


def test_what_cannot_be_is_said_in_a_sentence(estimator: Estimator) -> None:
    area = mask(30, 40, 70, 80, PHOTO.size)
    with pytest.raises(OcclusionError, match="nothing left to look at"):
        estimator.predict(PHOTO, BOXES[:1], knocked_out=np.ones(PHOTO.size, bool))
    with pytest.raises(OcclusionError, match="photo's 160 x 120 pixels, rows first"):
        estimator.predict(PHOTO, BOXES[:1], knocked_out=np.zeros((120, 160), bool))
    with pytest.raises(ModelError, match="flip test do not go together"):
        Estimator(estimator.model, flip_test=True).predict(PHOTO, knocked_out=area)
    for model in (pose_model(BlobFinder(), (64, 48)), linear_model()):
        with pytest.raises(ModelError, match="no attention between places"):
            Estimator(model).predict(PHOTO, knocked_out=area)
    after = estimator.predict(PHOTO, BOXES[:1], knocked_out=area)
    for method in ("saliency", "occlusion", "knockout", "token-occlusion", "relevance"):
        with pytest.raises(TraceError, match="was knocked out here"):
            explain(after, "nose", method=method)


# --- as an occluder ---------------------------------------------------------------------------


def test_a_study_leaves_the_photo_as_it_is(estimator: Estimator) -> None:
    thing = Rectangle(Box(30, 40, 40, 40), "knockout")
    done = study(estimator, PHOTO, thing, keypoint="left wrist", boxes=BOXES[:1])
    expected = estimator.predict(PHOTO, BOXES[:1], knocked_out=done.cover)
    np.testing.assert_array_equal(done.occluded.pixels, PHOTO.pixels)
    np.testing.assert_allclose(done.after.scores, expected.people[0].scores, atol=1e-6)
    assert np.abs(done.after.scores - done.before.scores).max() > 1e-4
    assert done.title == "Left wrist with a knocked-out rectangle of 40 x 40 px"
    said = " ".join(done.sentences)
    assert "in no layer may a token look at a cell of which half or more is hatched" in said
    assert "what is left lies on cells that are hatched less" in said
    assert all(share < 0.5 for share in done.after.on_occluder.values())
    assert describe(done)["occluder"]["colour"] == "knockout"
    assert occluder_from_dict(thing.to_dict()) == thing
    np.testing.assert_array_equal(done.shown.pixels, hatched(PHOTO.pixels, done.cover))
    assert "with a knocked-out rectangle" in svg_text(done)
    again = study(
        estimator, PHOTO, thing, keypoint="nose", boxes=BOXES[:1], before=done.before.prediction,
        after=done.after.prediction,
    )  # fmt: skip
    assert again.after.prediction is done.after.prediction
    for wrong in (done.before.prediction, study(
        estimator, PHOTO, Rectangle(Box(50, 40, 20, 40), "knockout"), keypoint=0, boxes=BOXES[:1]
    ).after.prediction):  # fmt: skip
        with pytest.raises(TraceError, match="another knockout"):
            study(estimator, PHOTO, thing, keypoint=0, boxes=BOXES[:1], after=wrong)


def test_stripes_leave_everything_else_alone() -> None:
    area = mask(30, 40, 70, 80, PHOTO.size)
    drawn = hatched(PHOTO.pixels, area)
    np.testing.assert_array_equal(drawn[~area], PHOTO.pixels[~area])
    grey = hatched(np.full((*PHOTO.size, 3), 100, np.uint8), area)[area]
    assert set(np.unique(grey)) == {65, 178}  # 100 less 35 %, and half way to white
    assert abs((grey[:, 0] == 65).mean() - 0.5) < 0.1


def test_sweeps_knock_out_too(estimator: Estimator) -> None:
    thing = Stroke(((50, 50),), 30, "knockout")
    swept = sweep_grid(
        estimator, PHOTO, thing, keypoint="left wrist", boxes=BOXES[:1], shape=(3, 2)
    )
    for n, one in enumerate(swept.occluders):
        assert one is not None and one.knocks_out
        after = estimator.predict(PHOTO, BOXES[:1], knocked_out=one.cover(PHOTO))
        assert swept.confidence[n] == pytest.approx(after.people[0].scores[9], abs=1e-5)
    assert np.ptp(swept.confidence) > 1e-5
    limb = sweep_limb(
        estimator, PHOTO, keypoint="left wrist", start="left elbow", boxes=BOXES[:1], steps=3,
        colour="knockout",
    )  # fmt: skip
    assert limb.confidence[0] == pytest.approx(limb.before.confidence, abs=1e-5)
    assert limb.occluders[-1] is not None and limb.occluders[-1].knocks_out
