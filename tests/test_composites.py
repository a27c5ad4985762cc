"""Pseudo-masks against rendered truth, and composites whose truth must hold for their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from posekit.data import mask_cache
from posekit.data.body_parts import body_of
from posekit.data.composites import Composite, composites, make_composite
from posekit.data.cutouts import Background, Cutout
from posekit.data.labelled import LabelledPerson
from posekit.data.lsp import read_lsp
from posekit.data.mask_cache import MaskCache, pseudo_masks
from posekit.data.pasting import fitted
from posekit.data.placement import place
from posekit.data.pseudo_masks import PseudoMask, pseudo_mask
from posekit.errors import DataError
from posekit.geometry import Affine
from posekit.photo import Photo, read_photo
from posekit.scenes import KEYPOINTS, OBJECT, OUTSIDE, UNKNOWN, VISIBLE, Scene, render_scene
from posekit.skeleton import COCO17, LSP14

SIZE = (176, 176)
MIDDLE = [KEYPOINTS.index(name) for name in ("nose", "neck", "head top", "pelvis")]
"""Keypoints that a mirror image does not rename."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def photograph(seed: int) -> tuple[LabelledPerson, np.ndarray]:
    """One labelled person as LSPET has them, and the true mask."""
    scene = render_scene(seed, size=(208, 208), fill=0.85)
    person = scene.people[0]
    labelled = person.hidden_by_in(LSP14) != OUTSIDE
    photo = read_photo(scene.pixels, name=f"photo{seed}")
    return LabelledPerson(photo, person.keypoints_in(LSP14), labelled), person.mask


Crowd = list[tuple[LabelledPerson, PseudoMask, np.ndarray]]


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    found = []
    for seed in range(12):
        person, truth = photograph(seed)
        mask = pseudo_mask(person.photo, person.keypoints, person.labelled, person.skeleton)
        found.append((person, mask, truth))
    return found


@pytest.fixture(scope="module")
def cutouts(crowd: Crowd) -> list[Cutout]:
    return [Cutout.of(person, mask) for person, mask, _ in crowd]


@pytest.fixture(scope="module")
def backgrounds(crowd: Crowd) -> list[Background]:
    return [Background.of_photo(person.photo, [(person, mask)]) for person, mask, _ in crowd]


def check_truth(picture: Composite) -> None:
    """Everything that has to hold between owner, masks, keypoints and ignore regions."""
    height, width = picture.size
    assert isinstance(picture, Scene) and picture.pixels.shape == (height, width, 3)
    distances = [person.distance for person in picture.people]
    assert distances == sorted(distances, reverse=True)  # the nearest is pasted last
    assert len(picture.sources) == len(picture.people)
    for person in picture.people:
        assert np.array_equal(person.visible_mask, picture.owner == person.index)
        in_front = np.zeros(picture.size, bool)
        for other in picture.people[person.index + 1 :]:
            in_front |= other.mask
        assert np.array_equal(person.visible_mask, person.mask & ~in_front)
        for point, hider in zip(person.points, person.hidden_by, strict=True):
            if hider == UNKNOWN:
                assert np.isnan(point).all()
                continue
            column, row = (int(v) for v in np.floor(point + 0.5))
            if hider == OUTSIDE:
                assert not (0 <= row < height and 0 <= column < width)
            elif hider in (VISIBLE, OBJECT):
                assert not in_front[row, column]
            else:
                assert hider > person.index and picture.owner[row, column] == hider
    for region in picture.ignore:
        assert region.mask.any() and not (region.mask & (picture.owner >= 0)).any()
        rows, columns = np.nonzero(region.mask)
        assert region.box.corners == (columns.min(), rows.min(), columns.max(), rows.max())


def test_pseudo_masks_agree_with_the_rendered_truth(crowd: Crowd) -> None:
    overlaps = []
    for _, mask, truth in crowd:
        guess = mask.on_photo()
        overlaps.append((guess & truth).sum() / (guess | truth).sum())
        assert (guess & mask.on_photo("limit")).sum() == guess.sum()
    assert np.median(overlaps) > 0.8
    assert min(overlaps) > 0.6
    assert np.mean([mask.quality.accepted for _, mask, _ in crowd]) >= 0.75


def test_wrong_labels_are_not_accepted(crowd: Crowd) -> None:
    """Somebody else's keypoints, and a body that lies half outside the photograph."""
    scores = []
    for (person, mask, _), (other, _, _) in zip(crowd[:6], crowd[6:], strict=True):
        mirrored = other.keypoints * (1, -1) + (0, person.photo.height - 1)
        wrong = pseudo_mask(person.photo, mirrored, other.labelled, LSP14)
        scores.append((mask.quality.score, wrong.quality.score))
    right, wrong = np.array(scores).T
    assert (right > wrong).all() and np.median(right - wrong) > 0.03
    person = crowd[0][0]
    away = person.keypoints + np.array([0.5 * person.photo.width, 0])
    assert not pseudo_mask(person.photo, away, person.labelled, LSP14).quality.accepted


def test_too_few_labels_give_no_believed_mask(crowd: Crowd) -> None:
    person = crowd[0][0]
    legs = np.array(["ankle" in n or "knee" in n or "hip" in n for n in LSP14.keypoints])
    half = pseudo_mask(person.photo, person.keypoints, legs, LSP14)
    assert half.mask.any() and half.quality.known == pytest.approx(2 / 6)
    assert not half.quality.accepted
    wrist = np.arange(14) == LSP14.index("left wrist")
    nobody = pseudo_mask(person.photo, person.keypoints, wrist, LSP14)
    assert not nobody.mask.any() and not nobody.quality.accepted
    assert not nobody.on_photo().any()


def test_body_parts_have_the_size_of_a_body() -> None:
    """A person of 100 px drawn from keypoints at the textbook places."""
    at = {
        "head top": (0, 0), "neck": (0, 17), "shoulder": (11, 18), "elbow": (13, 36.6),
        "wrist": (13, 51.2), "hip": (7, 47), "knee": (7, 71.5), "ankle": (7, 96),
    }  # fmt: skip
    points = []
    for name in LSP14.keypoints:
        x, y = at[name.removeprefix("left ").removeprefix("right ")]
        points.append((50 + (x if "left" in name else -x), 5 + y))
    body = body_of(np.array(points, float), np.ones(14, bool), LSP14)
    assert body is not None
    assert body.height == pytest.approx(100, abs=1) and body.known == 1
    assert len(body.limbs) == 8
    drawn = body.draw((110, 100), Affine.identity())
    # A standing adult covers about a seventh of the square of the height, seen from the front.
    assert 0.1 * 100**2 < drawn.sum() < 0.25 * 100**2
    inner = body.draw((110, 100), Affine.identity(), widen=0.4, sure_only=True)
    outer = body.draw((110, 100), Affine.identity(), widen=1.25, grow=0.045)
    assert inner.sum() < drawn.sum() < outer.sum()
    assert not (inner & ~drawn).any() and not (drawn & ~outer).any()
    assert body_of(np.array(points, float), np.zeros(14, bool), LSP14) is None


def test_cache_is_reused_and_obeys_the_version(
    crowd: Crowd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [person for person, _, _ in crowd[:4]]
    made = []

    def counted(photo: Photo, *rest: object) -> PseudoMask:
        made.append(photo.name)
        return next(mask for person, mask, _ in crowd if person.photo is photo)

    monkeypatch.setattr(mask_cache, "pseudo_mask", counted)

    def work(chosen: list[LabelledPerson]) -> list[PseudoMask]:
        made.clear()
        pairs = pseudo_masks(chosen, "test", folder=tmp_path, progress=False)
        return [mask for _, mask in pairs]

    first = work(people[:2])
    assert len(made) == 2
    # Interrupted after the third person, the work goes on with the fourth.
    made.clear()
    some = pseudo_masks(people, "test", folder=tmp_path, progress=False)
    assert len(list(islice(some, 3))) == 3 and made == ["photo2"]
    some.close()  # type: ignore[attr-defined]
    again = work(people)
    assert made == ["photo3"]
    for old, new in zip(first, again, strict=False):
        assert np.array_equal(old.mask, new.mask) and np.array_equal(old.limit, new.limit)
        assert old.quality == new.quality
        assert np.array_equal(old.on_photo(), new.on_photo())
    assert len(MaskCache("test", tmp_path)) == 4
    assert len(MaskCache("test", tmp_path, version=mask_cache.VERSION + 1)) == 0
    # Other labels on the same photograph are another person.
    moved = replace(people[0], keypoints=people[0].keypoints + 1)
    assert MaskCache("test", tmp_path).get(moved) is None
    (tmp_path / "test.npz").write_bytes(b"PK\x03\x04 no longer an archive")
    assert len(MaskCache("test", tmp_path)) == 0
    with pytest.raises(DataError, match="cannot name a file"):
        MaskCache("../elsewhere", tmp_path)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.7])
def test_overlap_targets_are_reached(
    cutouts: list[Cutout], backgrounds: list[Background], overlap: float
) -> None:
    shares = []
    for seed in range(8):
        pair = cutouts[seed], cutouts[seed + 1]
        picture = make_composite(seed, pair, backgrounds[-1], size=SIZE, overlap=overlap)
        shares.append(picture.people[0].hidden_share)
        assert picture.people[1].hidden_share == 0
    assert abs(np.median(shares) - overlap) < 0.03
    assert np.sum(np.abs(np.array(shares) - overlap) < 0.08) >= 7


def test_truth_holds_for_the_pixels(cutouts: list[Cutout], backgrounds: list[Background]) -> None:
    hiders, counts = set(), set()
    for picture in composites(cutouts, backgrounds, 24, seed=5, size=SIZE):
        check_truth(picture)
        counts.add(len(picture.people))
        for person in picture.people:
            hiders |= set(person.hidden_by.tolist())
    assert {VISIBLE, OUTSIDE, UNKNOWN} < hiders and max(hiders) > 0
    assert {1, 2, 3, 4, 5, 6} <= counts


def test_what_the_truth_says_is_in_the_picture() -> None:
    """A red and a blue block: the colours say who is where and who hides what."""
    background = Background(np.full((100, 100, 3), 128, np.uint8), (), np.ones((2, 3)), "grey")
    people = []
    for colour in ((255, 0, 0), (0, 0, 255)):
        pixels = np.full((46, 36, 3), 128, np.uint8)
        mask = np.zeros((46, 36), bool)
        mask[3:-3, 3:-3] = True
        pixels[mask] = colour
        points = np.full((len(KEYPOINTS), 2), np.nan)
        points[MIDDLE] = (8, 8), (28, 8), (18, 22), (8, 38)
        hidden = np.zeros(len(KEYPOINTS), bool)
        hidden[MIDDLE[3]] = True
        people.append(Cutout(pixels, mask, points, hidden, np.ones((2, 3)), str(colour)))
    for seed in range(6):
        picture = make_composite(
            seed, people, background, size=(128, 128), overlap=0.5, effects=False
        )
        check_truth(picture)
        assert picture.people[0].hidden_share == pytest.approx(0.5, abs=0.03)
        red, blue = (picture.owner == 0), (picture.owner == 1)
        for owned, channel in ((red, 0), (blue, 2)):
            core = cv2.erode(owned.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
            assert core.any()
            assert (picture.pixels[core].argmax(-1) == channel).all()
            assert picture.pixels[core][:, channel].min() > 200
        far = cv2.dilate((picture.owner >= 0).astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
        assert (picture.pixels[far] == 128).all()
        back = picture.people[0]
        for i in MIDDLE[:3]:
            point, hider = back.points[i], back.hidden_by[i]
            column, row = (int(v) for v in np.floor(point + 0.5))
            if hider == 1:
                assert picture.pixels[row, column, 2] > picture.pixels[row, column, 0]
            elif hider == VISIBLE:
                assert picture.pixels[row, column, 0] > picture.pixels[row, column, 2]
        # Hidden in its own photograph already, unless somebody hides it anew.
        assert back.hidden_by[MIDDLE[3]] in (OBJECT, OUTSIDE, 1)
        assert picture.who_hides(0, 10) == "not known"


def test_same_seed_same_composite(cutouts: list[Cutout], backgrounds: list[Background]) -> None:
    def made(rng: np.random.Generator | int) -> Composite:
        return make_composite(rng, cutouts[:3], backgrounds[5], size=SIZE, overlap=0.3)

    one, two = made(np.random.default_rng(1)), made(np.random.default_rng(1))
    for other in (two, made(one.seed)):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.owner, other.owner)
        for a, b in zip(one.people, other.people, strict=True):
            assert np.array_equal(a.points, b.points, equal_nan=True)
            assert np.array_equal(a.hidden_by, b.hidden_by)
    assert not np.array_equal(one.pixels, made(2).pixels)
    # The fourth of five is the fourth of four.
    many = list(composites(cutouts, backgrounds, 3, seed=9, size=SIZE))
    few = list(composites(cutouts, backgrounds, 2, seed=9, size=SIZE))
    assert np.array_equal(many[1].pixels, few[1].pixels)
    assert all(p.background not in p.sources or p.sources[0] == p.background for p in many)


def test_people_left_in_the_background_are_ignored_or_labelled(
    crowd: Crowd, cutouts: list[Cutout], backgrounds: list[Background]
) -> None:
    which = next(i for i, (_, mask, _) in enumerate(crowd) if mask.quality.accepted)
    person, mask, truth = crowd[which]
    stranger = cutouts[which + 1]
    ignored = make_composite(3, [stranger], backgrounds[which], size=SIZE)
    labelled = make_composite(3, [stranger], backgrounds[which], size=SIZE, label_leftovers=True)
    assert len(ignored.people) == 1 and len(ignored.ignore) == 1
    assert len(labelled.people) == 2 and not labelled.ignore
    natural = labelled.people[0]
    assert labelled.sources[0] == person.photo.name
    # The leftover's own pixels are in the region to ignore, as far as they are seen.
    seen = natural.mask & (ignored.owner == VISIBLE)
    assert (ignored.ignore[0].mask & seen).sum() == seen.sum() > 50
    names = [KEYPOINTS.index(name) for name in LSP14.keypoints]
    assert np.isfinite(natural.points[names][person.labelled]).all()

    # A mask that is not believed is never labelled, and its region is generous.
    doubted = PseudoMask(mask.crop, mask.mask, mask.limit, replace(mask.quality, limbs=0.0))
    background = Background.of_photo(person.photo, [(person, doubted)])
    picture = make_composite(3, [stranger], background, size=SIZE, label_leftovers=True)
    assert len(picture.people) == 1 and len(picture.ignore) == 1
    assert picture.ignore[0].mask.sum() > ignored.ignore[0].mask.sum()
    assert (background.leftovers[0].mask & truth).sum() > 0.9 * truth.sum()

    # Nobody is left over where nobody was.
    assert not make_composite(3, [stranger], Background.rendered(4), size=SIZE).ignore


def test_flips_swap_left_and_right(
    crowd: Crowd, cutouts: list[Cutout], backgrounds: list[Background]
) -> None:
    person, cutout = crowd[0][0], cutouts[0]
    mirrored = cutout.flipped()
    left, right = KEYPOINTS.index("left knee"), KEYPOINTS.index("right knee")
    width = cutout.mask.shape[1]
    assert mirrored.points[left, 0] == width - 1 - cutout.points[right, 0]
    assert mirrored.points[left, 1] == cutout.points[right, 1]
    assert np.array_equal(mirrored.mask, cutout.mask[:, ::-1])
    twice = mirrored.flipped()
    assert np.array_equal(twice.points, cutout.points, equal_nan=True)
    assert np.array_equal(twice.pixels, cutout.pixels)
    # A cut-out's keypoints are where the photograph's are.
    at = KEYPOINTS.index("neck")
    offset = person.keypoints[LSP14.index("neck")] - cutout.points[at]
    column, row = np.rint(offset).astype(int)
    height = cutout.mask.shape[0]
    assert np.array_equal(
        person.photo.pixels[row : row + height, column : column + width], cutout.pixels
    )
    # Both directions occur for a background, and its leftover moves along.
    seen = set()
    for seed in range(8):
        _, (leftover,) = fitted(backgrounds[0], SIZE, np.random.default_rng(seed))
        seen.add(bool(leftover.points[at, 0] < np.nanmean(leftover.points[:, 0])))
        inside = np.floor(leftover.points[np.isfinite(leftover.points).all(1)] + 0.5).astype(int)
        inside = inside[((inside >= 0) & (inside < SIZE[0])).all(1)]
        assert leftover.mask[inside[:, 1], inside[:, 0]].mean() > 0.8
    assert seen == {True, False}


def test_hidden_keypoints_and_true_masks_of_other_skeletons() -> None:
    scene = render_scene(2, size=(160, 160), people=2, occluder="person", overlap=0.5)
    person = scene.people[0]
    labelled = person.hidden_by_in(COCO17) != OUTSIDE
    one = LabelledPerson(
        read_photo(scene.pixels, name="two"),
        person.keypoints,
        labelled,
        COCO17,
        visible=person.visible,
    )
    cutout = Cutout.of(one, person.visible_mask)
    assert cutout.mask.sum() == person.visible_mask.sum()
    assert np.array_equal(cutout.hidden[:17], labelled & ~person.visible)
    assert np.isnan(cutout.points[KEYPOINTS.index("neck")]).all()
    with pytest.raises(DataError, match="another size"):
        Cutout.of(one, person.visible_mask[:-1])
    with pytest.raises(DataError, match="empty"):
        Cutout.of(one, np.zeros(scene.size, bool))


def test_a_place_hides_exactly_the_wanted_share() -> None:
    """Two equal squares: half of one is hidden when the other is shifted by half its side."""
    square = np.ones((40, 40), bool)
    back = np.zeros((120, 120), bool)
    back[40:80, 40:80] = True
    for seed in range(10):
        rng = np.random.default_rng(seed)
        top, left, miss = place(square, [back], [back], 0, 0.5, back.shape, rng)
        covered = max(0, 40 - abs(top - 40)) * max(0, 40 - abs(left - 40)) / 1600
        assert covered == pytest.approx(0.5, abs=0.02) and miss < 0.02
        top, left, miss = place(square, [back], [back], None, 0.0, back.shape, rng)
        covered = max(0, 40 - abs(top - 40)) * max(0, 40 - abs(left - 40)) / 1600
        assert covered <= 0.02 and miss == 0


def test_bad_arguments_are_refused_in_words(
    cutouts: list[Cutout], backgrounds: list[Background]
) -> None:
    with pytest.raises(DataError, match="1 to 6 people"):
        make_composite(0, [], backgrounds[0])
    with pytest.raises(DataError, match="1 to 6 people"):
        make_composite(0, cutouts[:7], backgrounds[0])
    with pytest.raises(DataError, match="overlap"):
        make_composite(0, cutouts[:2], backgrounds[0], overlap=1.0)
    with pytest.raises(DataError, match="64 to 4096"):
        make_composite(0, cutouts[:2], backgrounds[0], size=(32, 64))
    with pytest.raises(DataError, match="at least one"):
        next(composites([], backgrounds, 1, 0))
    with pytest.raises(DataError, match="only background"):
        next(composites(cutouts[:1], backgrounds[:1], 1, 0))
    with pytest.raises(DataError, match="1 to 6"):
        next(composites(cutouts, backgrounds, 1, 0, most_people=7))


def test_real_photographs_give_masks_and_composites(shared_dir: Path, tmp_path: Path) -> None:
    people = read_lsp(shared_dir / "data" / "lspet", "held out", limit=12)
    pairs = list(pseudo_masks(people, "lspet", folder=tmp_path, progress=False))
    good = [(person, mask) for person, mask in pairs if mask.quality.accepted]
    assert len(good) >= 5
    for person, mask in good:
        full = mask.on_photo()
        inside = np.rint(person.keypoints[person.labelled]).astype(int)
        inside = np.clip(inside, 0, (person.photo.width - 1, person.photo.height - 1))
        assert full[inside[:, 1], inside[:, 0]].mean() > 0.9
        assert 0.25 < full.sum() / person.box.area < 2
    cut = [Cutout.of(person, mask) for person, mask in good]
    backs = [Background.of_photo(person.photo, [(person, mask)]) for person, mask in pairs]
    for picture in composites(cut, backs, 6, seed=1, size=SIZE):
        check_truth(picture)
