"""People from attention, in closed form: grouping, affinities, masks, photos of any shape."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.affine import Affine
from posekit.decode.instance import InstanceDecoder, affinities, token_of
from posekit.decode.instance_masks import person_masks
from posekit.models.instance_photo import find, find_people
from posekit.photo import read_photo
from posekit.skeleton import LSP14
from tests.tiny_instance import HEAT, TOKENS, peak, tiny_model, two_people


@pytest.mark.parametrize("view", ["body-first", "part-first"])
def test_blocks_become_people(view: str) -> None:
    peaks, affinity, owner = two_people()
    decoder = InstanceDecoder(LSP14, HEAT, TOKENS, view=view)  # type: ignore[arg-type]
    grouping = decoder.group(peaks, affinity)
    assert len(grouping.people) == 2 and grouping.view == view and not grouping.duplicates
    for who, person in enumerate(grouping.people):
        assert [owner[member] for member in person.members] == [who] * 14
        assert person.affinity == pytest.approx(0.8)
        assert person.score == pytest.approx(0.8 * (0.9 - 0.1 * who))
        points, scores = grouping.keypoints(who)
        assert points[3].tolist() == [30 * who + 3, 15] and scores.max() == scores.min()
        first, *claims = person.claims
        assert first.members == () and first.affinity == 1
        for claim in claims:
            assert claim.affinity == pytest.approx(0.8) and claim.threshold == 0.3
            assert all(owner[member] == who for member in claim.members)
            if who == 0 and view == "body-first":
                assert claim.runner_up is not None and owner[claim.runner_up] == 1
                assert peaks[claim.runner_up].keypoint == peaks[claim.peak].keypoint
                assert claim.runner_up_affinity == pytest.approx(0.1)


@pytest.mark.parametrize("view", ["body-first", "part-first"])
def test_missing_keypoints_and_strays(view: str) -> None:
    """A person without knees stays whole, a stray stays alone, and nobody is nobody."""
    peaks, affinity, owner = two_people()
    keep = [
        n for n, one in enumerate(peaks)
        if not (owner[n] == 1 and LSP14.keypoints[one.keypoint].endswith("ankle"))
    ]  # fmt: skip
    keep.append(len(peaks))
    peaks.append(peak(0, 200, 200, 0.95))
    affinity = np.pad(affinity, (0, 1), constant_values=0.05)
    decoder = InstanceDecoder(LSP14, HEAT, TOKENS, view=view)  # type: ignore[arg-type]
    grouping = decoder.group([peaks[n] for n in keep], affinity[np.ix_(keep, keep)])
    assert [len(person.members) for person in grouping.people] == [14, 12]
    points, scores = grouping.keypoints(1)
    ankle = LSP14.index("left ankle")
    assert np.isnan(points[ankle]).all() and scores[ankle] == 0
    assert all(len(keep) - 1 not in person.members for person in grouping.people)
    nothing = decoder.group([], np.zeros((0, 0)))
    assert nothing.people == ()


def test_the_same_person_twice_is_one() -> None:
    peaks, _, owner = two_people()
    here = [peak(one.keypoint, one.point[0] % 30, one.point[1], one.score) for one in peaks]
    affinity = np.where(np.equal.outer(owner, owner), 0.8, 0.1)
    grouping = InstanceDecoder(LSP14, HEAT, TOKENS).group(here, affinity)
    assert len(grouping.people) == 1 and len(grouping.duplicates) == 1
    assert grouping.people[0].score > grouping.duplicates[0].score


def test_affinities_are_read_between_tokens() -> None:
    """Two candidates on a 2 x 2 grid of 8 pixels: bilinear, both ways, halved."""
    rows = np.array([[1.0, 0.5, 0.0, 0.0], [0.2, 1.0, 0.0, 0.6]])
    points = np.array([[3.5, 3.5], [11.5, 7.5]])  # token 0; half way between tokens 1 and 3
    assert token_of(points, TOKENS, (2, 2)).tolist() == [0, 3]
    table = affinities(rows, points, TOKENS, (2, 2))
    assert table[0, 1] == table[1, 0] == pytest.approx(((0.5 + 0.0) / 2 + 0.2) / 2)
    assert table[0, 0] == 1.0 and table[1, 1] == pytest.approx(0.8)
    assert affinities(np.zeros((0, 4)), np.zeros((0, 2)), TOKENS, (2, 2)).shape == (0, 0)


def test_masks_of_block_attention() -> None:
    """Two rectangles; the contested column is the stronger's; a part without keypoint goes."""
    values = np.zeros((2, 6, 8))
    values[0, 1:5, 0:4], values[1, 1:5, 3:6] = 1.0, 0.8
    values[1, 1:5, 7] = 0.9  # far from the keypoints
    size, to_grid = (48, 64), TOKENS.to_input.inverse()
    points = [np.array([[12.0, 20.0]]), np.array([[44.0, 20.0], [40.0, 30.0]])]
    first, second = person_masks(values, points, to_grid, size)
    assert not (first.array & second.array).any()
    rows, cols = np.nonzero(first.array)
    # A step from 1 to 0 between the centres of tokens 0 and 1 passes a half in between.
    assert (rows.min(), rows.max(), cols.min()) == (8, 39, 0)
    assert first.array[20, 28] and not second.array[20, 28]  # token 3
    assert second.array[20, 44] and not second.array[:, 57:].any()
    assert 0.75 < first.confidence <= 1 and 0.5 < second.confidence < 0.8
    assert person_masks(np.zeros((0, 6, 8)), [], to_grid, size) == ()
    empty = person_masks(np.full((1, 6, 8), 0.2), [np.zeros((0, 2))], to_grid, size)[0]
    assert not empty.array.any() and empty.confidence == 0


def test_a_photo_of_any_shape_is_looked_at_without_padding() -> None:
    model = tiny_model()
    for height, width in ((50, 80), (130, 17), (300, 200)):
        photo = read_photo(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
        seen = find_people(model, photo, recorded=True)
        assert seen.trace is not None
        grid = seen.trace.attentions["encoder.2"].query_grid
        scaled = [round(side * 64 / max(height, width)) for side in (height, width)]
        assert grid.size == (-(-scaled[0] // 8), -(-scaled[1] // 8))
        assert seen.trace.attentions["encoder.2"].q.shape[-1] == 4  # no channel for a mask
        assert seen.affinity.shape == (len(seen.grouping.peaks),) * 2
        assert len(seen.masks) == len(seen.people)
        assert all(mask.array.shape == photo.size for mask in seen.masks)
        other = find_people(model, photo, view="part-first")
        assert other.trace is None and other.grouping.view == "part-first"
        found = find(model, photo)
        assert len(found.people) == len(seen.people) and found.crop.photo_size == photo.size
        corner = seen.crop.to_photo.apply((-0.5, -0.5))
        assert np.allclose(corner, -0.5)


def test_points_come_back_in_photo_pixels() -> None:
    peaks, affinity, _ = two_people()
    grouping = InstanceDecoder(LSP14, HEAT, TOKENS).group(peaks, affinity)
    moved = grouping.moved(Affine.scaling((2.0, 3.0), (1.0, -1.0)))
    points, _ = grouping.keypoints(0)
    after, _ = moved.keypoints(0)
    assert np.allclose(after, points * (2, 3) + (1, -1))
    assert moved.people == grouping.people
