"""From maps to people: what was encoded comes back, whoever else is in the picture."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.paf_loops import decode_by_loops
from posekit.affine import Affine
from posekit.data.paf_targets import PafTargets, encode_people
from posekit.decode.paf import PafDecoder, score_limbs
from posekit.decode.paf_grid import PafGrid
from posekit.decode.paf_peaks import PeakOptions, find_peaks, local_maxima
from posekit.decode.paf_people import PafDecoding
from posekit.skeleton import LSP14, OPENPOSE18, Skeleton
from tests.stick_people import crowd, stick_person

GRID = PafGrid()
INPUT = (368, 368)


def encode(points: np.ndarray, skeleton: Skeleton, size: tuple = (46, 46)) -> PafTargets:
    keypoints = torch.from_numpy(np.asarray(points, dtype=np.float64))[None]
    known = ~keypoints.isnan().any(-1)
    return encode_people(keypoints, known, skeleton.limbs, size, GRID)


def decode(targets: PafTargets, skeleton: Skeleton, **peaks: object) -> PafDecoding:
    decoder = PafDecoder(skeleton, peaks=PeakOptions(**peaks))  # type: ignore[arg-type]
    return decoder(targets.heat[0], targets.paf[0], targets.offset[0])


def errors(found: PafDecoding, truth: np.ndarray) -> np.ndarray:
    """(P, K) distances of each true person's keypoints from those of whoever was found for them.

    Everybody found must be somebody else; NaN where a keypoint was not found.
    """
    points = np.stack([found.keypoints(n)[0] for n in range(len(found.people))])
    away = np.linalg.norm(points[:, None] - truth[None], axis=-1)  # (found, true, K)
    who = np.nanmean(away, axis=-1).argmin(0)
    assert len(set(who.tolist())) == len(truth)
    return away[who, np.arange(len(truth))]


kits = pytest.mark.parametrize("kit", [LSP14, OPENPOSE18], ids=lambda kit: kit.name)


@given(data=st.data())
@settings(max_examples=80)
def test_what_was_encoded_comes_back(data: st.DataObject) -> None:
    """Any pose at all, sub-pixel, as long as no keypoint lies on the edge between two blocks."""
    kit = data.draw(st.sampled_from([LSP14, OPENPOSE18]))
    pixel = st.floats(2, 365)
    points = np.array([[data.draw(pixel), data.draw(pixel)] for _ in range(kit.size)])
    from_edge = np.abs((points + 0.5) / 8 - np.round((points + 0.5) / 8)) * 8
    assume(from_edge.min() > 1e-3)
    ends = points[np.array(kit.limbs)]
    assume(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1).min() > 4)
    found = decode(encode(points[None], kit), kit)
    assert len(found.people) == 1
    np.testing.assert_allclose(found.keypoints(0)[0], points, atol=1e-3)
    assert [one.outcome for one in found.joins].count("refused") == 0


@kits
def test_without_offsets_the_grid_costs_over_three_pixels(kit: Skeleton) -> None:
    """8 / sqrt(12) on each axis; what OpenPose does instead costs under one; offsets nothing."""
    squares: dict[str, list[np.ndarray]] = {"centre": [], "upsampled": [], "block": []}
    for seed in range(6):
        people = crowd(6, INPUT, kit, seed)
        for place, kept in squares.items():
            kept.append(errors(decode(encode(people, kit), kit, place=place), people) ** 2)
    rms = {place: float(np.sqrt(np.nanmean(np.stack(all)))) for place, all in squares.items()}
    assert rms["centre"] == pytest.approx(8 / np.sqrt(6), rel=0.05)
    assert 0.2 < rms["upsampled"] < 1
    assert rms["block"] < 1e-3


@kits
def test_a_crowd_of_fifteen_comes_apart(kit: Skeleton) -> None:
    people = crowd(15, INPUT, kit, seed=15)
    found = decode(encode(people, kit), kit)
    assert len(found.people) == 15
    assert errors(found, people).max() < 1e-3
    assert all(one.parts == kit.size for one in found.people)


def test_people_who_overlap_are_not_mixed_up() -> None:
    """Two people, one a third of a body beside and behind the other."""
    people = np.stack(
        [stick_person(OPENPOSE18, (100, 60), 90), stick_person(OPENPOSE18, (135, 75), 80)]
    )
    found = decode(encode(people, OPENPOSE18), OPENPOSE18)
    assert len(found.people) == 2
    assert errors(found, people).max() < 1e-3


def test_nobody_is_nobody() -> None:
    found = decode(encode(np.zeros((0, 14, 2)), LSP14), LSP14)
    assert found.peaks == found.joins == found.people == ()
    assert len(found.limbs) == len(LSP14.limbs)


@pytest.mark.parametrize("place", ["block", "wide", "centre", "upsampled"])
def test_noise_is_survived(place: str) -> None:
    rng = np.random.default_rng(0)
    decoder = PafDecoder(LSP14, peaks=PeakOptions(place=place, most=20))  # type: ignore[arg-type]
    for scale in (0.3, 3.0):
        heat, paf, offset = (
            rng.normal(0, scale, (n, 20, 24)).astype(np.float32) for n in (15, 28, 28)
        )
        found = decoder(heat, paf, offset)
        assert len(found.peaks) <= 20 * 14
        used = [peak for one in found.people for peak in one.peaks if peak is not None]
        assert len(used) == len(set(used))
        for one in found.people:
            assert one.parts >= 3
            for keypoint, peak in enumerate(one.peaks):
                assert peak is None or found.peaks[peak].keypoint == keypoint
    nothing = decoder(heat * np.nan, paf * np.nan, offset * np.nan)
    assert nothing.people == ()
    assert decoder(heat, paf * np.nan, offset).people == ()


@pytest.mark.parametrize(
    ("kit", "corner"), [(OPENPOSE18, (100, 200)), (LSP14, (310, 60)), (LSP14, (-60, 30))]
)
def test_somebody_cut_by_the_border_keeps_what_is_inside(
    kit: Skeleton, corner: tuple[float, float]
) -> None:
    person = stick_person(kit, corner, 100)[None]
    inside = ((person < 367.5) & (person >= -0.5)).all(-1)[0]
    assert 4 < inside.sum() < kit.size
    labels = np.where(inside[:, None], person, np.nan)  # as data sets label: what is in the photo
    found = decode(encode(labels, kit), kit)
    assert len(found.people) == 1
    points, scores = found.keypoints(0)
    np.testing.assert_allclose(points[inside], person[0][inside], atol=1e-3)
    assert np.isnan(points[~inside]).all()
    assert (scores[~inside] == 0).all()
    assert (scores[inside] > 0.5).all()


def test_two_keypoints_are_no_person() -> None:
    points = np.full((1, 14, 2), np.nan)
    points[0, 10], points[0, 11] = (100, 100), (150, 100)
    found = decode(encode(points, LSP14), LSP14)
    assert len(found.joins) == 1
    assert found.people == ()


@kits
def test_decoding_at_once_is_decoding_one_pair_at_a_time(kit: Skeleton) -> None:
    """On maps with noise, where pairs are rejected, rivals lose and joins are refused."""
    rng = np.random.default_rng(4)
    targets = encode(crowd(4, (160, 160), kit, seed=4), kit, (20, 20))
    heat, paf, offset = (
        t[0].numpy() + rng.normal(0, noise, t[0].shape).astype(np.float32)
        for t, noise in ((targets.heat, 0.06), (targets.paf, 0.3), (targets.offset, 0.05))
    )
    found = PafDecoder(kit)(heat, paf, offset)
    slow = decode_by_loops(heat[: kit.size], paf, offset, kit, GRID)
    assert len(found.people) == len(slow) >= 4
    for index, person in enumerate(slow):
        points, _ = found.keypoints(index)
        assert np.flatnonzero(np.isfinite(points[:, 0])).tolist() == sorted(person)
        np.testing.assert_allclose(points[list(person)], list(person.values()), atol=1e-9)


def test_ten_people_take_under_thirty_milliseconds() -> None:
    people = crowd(10, INPUT, OPENPOSE18, seed=10)
    targets = encode(people, OPENPOSE18)
    maps = [t[0].numpy() for t in (targets.heat, targets.paf, targets.offset)]
    decoder = PafDecoder(OPENPOSE18)
    assert len(decoder(*maps).people) == 10
    times = []
    for _ in range(7):
        start = time.process_time()  # of this process: a busy machine is no slow decoder
        decoder(*maps)
        times.append(time.process_time() - start)
    assert min(times) < 0.03


def test_of_equal_neighbours_one_is_the_maximum() -> None:
    maps = np.zeros((1, 6, 6), np.float32)
    maps[0, 1:3, 1:3] = 1  # a keypoint on the corner of four blocks belongs to the last
    maps[0, 5, 5] = 0.5  # at the border
    maps[0, 0, 5] = 0.1  # not above the threshold
    assert np.argwhere(local_maxima(maps, 0.1)).tolist() == [[0, 2, 2], [0, 5, 5]]


def test_the_strongest_candidates_are_kept() -> None:
    heat = np.zeros((2, 9, 9), np.float32)
    heat[0, [1, 1, 4, 7], [1, 4, 7, 2]] = [0.4, 0.9, 0.2, 0.7]
    heat[1, 4, 4] = 0.3
    peaks = find_peaks(heat, None, GRID, PeakOptions(most=2))
    assert [(p.keypoint, round(p.score, 1)) for p in peaks] == [(0, 0.9), (0, 0.7), (1, 0.3)]
    assert peaks[0].point == (35.5, 11.5)
    assert peaks[0].shift == 0


def test_the_block_beside_a_wrong_one_puts_a_keypoint_right() -> None:
    """With wide votes: a maximum that landed one block off, whose own offset is half a cell out."""
    heat, offset = np.zeros((1, 9, 9), np.float32), np.zeros((2, 9, 9), np.float32)
    truth = np.array([36.0, 37.0])
    for row in range(2, 7):
        for col in range(2, 7):
            centre = 8 * np.array([col, row]) + 3.5
            heat[0, row, col] = np.exp(-((centre - truth) ** 2).sum() / 98)
            offset[:, row, col] = (truth - centre) / 8
    offset[0, 4, 4] += 0.5
    (near,) = find_peaks(heat, offset, GRID, PeakOptions(place="block"))
    (wide,) = find_peaks(heat, offset, GRID, PeakOptions(place="wide"))
    assert np.linalg.norm(near.point - truth) == pytest.approx(4, abs=1e-4)
    assert np.linalg.norm(wide.point - truth) < 1.5
    assert len(near.votes) == 1
    assert len(wide.votes) == 9
    assert wide.votes[0].centre == (35.5, 35.5)
    # The point is the mean of the votes by heat, and each vote says where it points to.
    mean = np.average([v.point for v in wide.votes], axis=0, weights=[v.weight for v in wide.votes])
    np.testing.assert_allclose(wide.point, mean)
    for vote in wide.votes[1:]:
        np.testing.assert_allclose(vote.point, truth, atol=1e-4)


def test_an_offset_cannot_point_farther_than_it_may() -> None:
    heat, offset = np.zeros((1, 5, 5), np.float32), np.full((2, 5, 5), 9.0, np.float32)
    heat[0, 2, 2] = 1
    (peak,) = find_peaks(heat, offset, GRID, PeakOptions())
    assert peak.point == (19.5 + 6, 19.5 + 6)


def test_scores_of_limbs_have_a_closed_form() -> None:
    """A uniform field: the dot product is the cosine, whatever the place."""
    paf = np.zeros((4, 10, 10), np.float32)
    paf[2], paf[3] = 0.6, 0.8
    start, end = np.array([[10.0, 10.0]] * 3), np.array([[40.0, 10.0], [10.0, 2.0], [40.0, 50.0]])
    dots, length = score_limbs(paf, np.array([1, 1, 1]), start, end, GRID)
    np.testing.assert_allclose(length, [30, 8, 50])
    np.testing.assert_allclose(dots.mean(1), [0.6, -0.8, 1], atol=1e-6)
    np.testing.assert_allclose(dots.std(1), 0, atol=1e-6)
    # Between two cells a field is interpolated linearly.
    paf[2], paf[3] = np.arange(10) / 10, 0
    dots, _ = score_limbs(paf, np.array([1]), np.array([[3.5, 8.0]]), np.array([[67.5, 8.0]]), GRID)
    np.testing.assert_allclose(dots[0], np.linspace(0, 0.8, 10), atol=1e-6)


def test_joins_say_why() -> None:
    """Two people: the chosen pair scores above its rivals; a long limb is penalised."""
    people = np.stack([stick_person(LSP14, (60, 60), 70), stick_person(LSP14, (200, 60), 70)])
    found = decode(encode(people, LSP14), LSP14)
    assert [join.outcome for join in found.joins].count("starts") == 2
    assert sum(join.outcome == "confirms" for join in found.joins) == 2  # the torso closes
    for person in found.people:
        for index in person.joins:
            join = found.joins[index]
            ends = [found.peaks[n].keypoint for n in (join.start, join.end)]
            assert tuple(ends) == LSP14.limbs[join.limb]
            assert join.score == join.alignment + join.penalty
            assert join.agreeing == 1
            assert all(score < join.score for *_, score in found.rivals(index))
    total = sum(found.peaks[n].score for n in found.people[0].peaks if n is not None)
    total += sum(found.joins[n].score for n in found.people[0].joins)
    assert found.people[0].total == pytest.approx(total)
    assert found.people[0].ranking_score == pytest.approx(14 * total)
    # A neck between two rows of field: rivals exist when a field leads to both.
    alone = np.full((1, 14, 2), np.nan)
    alone[0, 12], alone[0, 13] = (10, 10), (10, 310)
    (join,) = decode(encode(alone, LSP14), LSP14).joins
    assert join.penalty == pytest.approx(0.5 * 368 / 300 - 1)


def test_a_second_left_wrist_is_refused() -> None:
    """One arm's field leads to two wrists: the better one is taken, the other stays a rival."""
    elbow, wrist = LSP14.index("left elbow"), LSP14.index("left wrist")
    limb = LSP14.limbs.index((wrist, elbow))
    heat = np.zeros((14, 20, 20), np.float32)
    paf = np.zeros((28, 20, 20), np.float32)
    heat[elbow, 10, 10] = 1
    heat[wrist, 10, 4], heat[wrist, 10, 16] = 0.9, 0.8
    paf[2 * limb, 10, :11], paf[2 * limb, 10, 11:] = 0.9, -0.7
    found = PafDecoder(LSP14)(heat, paf, None)
    assert len(found.joins) == 1
    chosen = found.joins[0]
    assert found.peaks[chosen.start].point == (8 * 4 + 3.5, 8 * 10 + 3.5)
    assert chosen.score == pytest.approx(0.9)
    ((start, end, score),) = found.rivals(0)
    assert found.peaks[start].score == pytest.approx(0.8)
    assert end == chosen.end
    assert score == pytest.approx(0.54, abs=0.2)


def test_joins_that_contradict_earlier_ones_are_refused() -> None:
    """Two necks with heads; one shoulder pair links them through a false limb."""
    kit = LSP14
    people = np.stack([stick_person(kit, (40, 40), 80), stick_person(kit, (200, 40), 80)])
    targets = encode(people, kit)
    paf = targets.paf[0].clone().unflatten(0, (-1, 2))
    hips = kit.limbs.index((kit.index("left hip"), kit.index("right hip")))
    paf[hips] = 0
    a, b = people[0][kit.index("left hip")], people[1][kit.index("right hip")]
    y = int(a[1] // 8)
    paf[hips, 0, y - 1 : y + 2, int(a[0] // 8) : int(b[0] // 8) + 1] = 1
    found = PafDecoder(kit)(targets.heat[0], paf.flatten(0, 1), targets.offset[0])
    assert [join.limb for join in found.joins if join.outcome == "refused"] == [hips]
    assert len(found.people) == 2
    assert errors(found, people).max() < 1e-3


def test_people_are_moved_to_the_photo() -> None:
    person = stick_person(LSP14, (100, 60), 80)[None]
    found = decode(encode(person, LSP14), LSP14)
    moved = found.moved(Affine.scaling((2.0, 2.0), (10.0, -5.0)))
    np.testing.assert_allclose(moved.keypoints(0)[0], 2 * person[0] + (10, -5), atol=1e-3)
    vote = found.peaks[0].votes[0]
    assert moved.peaks[0].votes[0].centre == (2 * vote.centre[0] + 10, 2 * vote.centre[1] - 5)
    assert moved.people == found.people
