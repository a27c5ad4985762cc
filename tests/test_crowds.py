"""Whole photos with everybody in them: truth kept through scaling, turning, mirroring and disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from posekit.data import crowd_cache
from posekit.data.augment import NONE, Augmentation
from posekit.data.composites import make_composite
from posekit.data.crowd import CrowdPhoto, Kind, Somebody, of_photo, of_scene
from posekit.data.crowd_augment import Views, augment_crowds
from posekit.data.crowd_cache import kept_composites
from posekit.data.crowd_canvas import CrowdCanvases, make_crowd_canvases
from posekit.data.cutouts import Background, Cutout
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.errors import DataError
from posekit.geometry import Box
from posekit.photo import read_photo
from posekit.scenes import OUTSIDE, Scene, render_scene
from posekit.skeleton import COCO17, LSP14, OPENPOSE18

WILD = Augmentation(
    scale=0.3, wide=0.2, rotation=40, rotate=1, shift=0.1, half_body=0.3,
    colour=0, blur=0, occlude=0,
)  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ellipse(centre: tuple[int, int], axes: tuple[int, int], turn: float) -> np.ndarray:
    mask = np.zeros((120, 160), np.uint8)
    cv2.ellipse(mask, centre, axes, turn, 0, 360, 1, -1)
    return mask > 0


def disc_photo() -> tuple[CrowdPhoto, list[np.ndarray]]:
    """Two bright shapes on black, a red and a green one, each with keypoints on its middle line."""
    masks = [ellipse((45, 60), (38, 14), 30), ellipse((115, 50), (30, 20), -60)]
    pixels = np.zeros((120, 160, 3), np.uint8)
    people = []
    for channel, mask in enumerate(masks):
        pixels[mask, channel] = 250
        rows, cols = np.nonzero(mask)
        keypoints = np.tile([[cols.mean(), rows.mean()]], (LSP14.size, 1))
        photo = read_photo(pixels)
        person = LabelledPerson(photo, keypoints, np.ones(LSP14.size, bool), LSP14)
        labelled = LabelledPhoto(photo, (person,), LSP14)
        people += of_photo(labelled, LSP14, masks=[mask]).people
    return CrowdPhoto(pixels, tuple(people)), masks


@pytest.fixture(scope="module")
def discs() -> CrowdCanvases:
    photo, _ = disc_photo()
    return make_crowd_canvases([photo] * 3, 3, 128)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return render_scene(5, size=(144, 192), people=3, occluder="person", overlap=0.5)


def test_an_outline_has_the_masks_box() -> None:
    photo, masks = disc_photo()
    for who, mask in zip(photo.people, masks, strict=True):
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        edges = [cols[0] - 0.5, rows[0] - 0.5, cols[-1] + 0.5, rows[-1] + 0.5]
        assert [*who.outline.min(0), *who.outline.max(0)] == edges


def test_a_scene_says_what_is_hidden(scene: Scene) -> None:
    crowd = of_scene(scene, COCO17)
    assert crowd.complete and len(crowd.people) == 3
    for person, who in zip(scene.people, crowd.people, strict=True):
        others = (person.hidden_by >= -1) & (person.hidden_by != person.index)
        assert ((who.visibility == 1) == others[:17]).all()
        assert ((who.visibility == 0) == (person.hidden_by[:17] == OUTSIDE)).all()
        assert np.allclose(who.outline.min(0), person.visible_box.edges[:2])
    assert any((who.visibility == 1).sum() >= 3 for who in crowd.people)
    assert any((who.visibility == 2).all() for who in crowd.people)


def test_labels_of_a_photograph() -> None:
    """Hidden is 1, seen is 2; crowds are to be ignored; keypoints are found by name."""
    photo = read_photo(np.zeros((100, 100, 3), np.uint8))
    keypoints = np.arange(34.0).reshape(17, 2) + 30
    labelled, visible = np.ones(17, bool), np.ones(17, bool)
    labelled[COCO17.index("left knee")] = visible[COCO17.index("left hip")] = False
    somebody = LabelledPerson(photo, keypoints, labelled, COCO17, visible=visible)
    many = LabelledPerson(
        photo, keypoints, np.zeros(17, bool), COCO17, given_box=Box(10, 20, 30, 40), crowd=True
    )
    who, crowd = of_photo(LabelledPhoto(photo, (somebody, many), COCO17), LSP14).people
    assert crowd.ignore and not who.ignore
    assert [*crowd.outline.min(0), *crowd.outline.max(0)] == [9.5, 19.5, 39.5, 59.5]
    seen = {name: int(v) for name, v in zip(LSP14.keypoints, who.visibility, strict=True)}
    assert seen["left knee"] == seen["neck"] == seen["head top"] == 0
    assert seen["left hip"] == 1 and seen["right hip"] == 2
    wrist = who.keypoints[LSP14.index("left wrist")]
    assert (wrist == keypoints[COCO17.index("left wrist")]).all()
    # Without a mask or a box: a little more than the labelled keypoints.
    low, high = keypoints[labelled].min(0), keypoints[labelled].max(0)
    assert np.allclose(who.outline.min(0), low - 0.05 * 33)
    assert np.allclose(who.outline.max(0), high + 0.05 * 33)
    bare = LabelledPerson(photo, keypoints, np.zeros(17, bool), COCO17)
    with pytest.raises(DataError, match="a mask, a box or a labelled keypoint"):
        of_photo(LabelledPhoto(photo, (bare,), COCO17), LSP14)


def test_openpose_has_a_neck_where_coco_labels_both_shoulders() -> None:
    photo = read_photo(np.zeros((100, 100, 3), np.uint8))
    keypoints = np.arange(34.0).reshape(17, 2) + 30
    left, right = COCO17.index("left shoulder"), COCO17.index("right shoulder")
    keypoints[[left, right]] = [[30, 24], [10, 20]]
    neck = OPENPOSE18.index("neck")

    def somebody(hidden: bool = False, missing: bool = False) -> Somebody:
        labelled, visible = np.ones(17, bool), np.ones(17, bool)
        visible[left], labelled[right] = not hidden, not missing
        person = LabelledPerson(photo, keypoints, labelled, COCO17, visible=visible)
        return of_photo(LabelledPhoto(photo, (person,), COCO17), OPENPOSE18).people[0]

    whole = somebody()
    assert whole.keypoints[neck].tolist() == [20, 22] and (whole.visibility == 2).all()
    assert somebody(hidden=True).visibility[neck] == 1
    assert somebody(missing=True).visibility[neck] == 0
    own = np.arange(28.0).reshape(14, 2) + 20
    labelled_neck = LabelledPerson(photo, own, np.ones(14, bool), LSP14)
    known = of_photo(LabelledPhoto(photo, (labelled_neck,), LSP14), OPENPOSE18).people[0]
    assert (known.keypoints[neck] == own[LSP14.index("neck")]).all()  # its own label stands


def test_somebody_nearly_hidden_is_ignored(scene: Scene) -> None:
    first = scene.people[0]
    sliver = first.visible_mask & (np.cumsum(first.visible_mask).reshape(scene.size) < 20)
    hidden = replace(scene, people=(replace(first, visible_mask=sliver), *scene.people[1:]))
    assert [who.ignore for who in of_scene(hidden, LSP14).people] == [True, False, False]


def test_canvases_scale_photo_and_truth_alike(discs: CrowdCanvases) -> None:
    assert discs.images.shape == (3, 3, 128, 128) and discs.sizes[0].tolist() == [96, 128]
    assert discs.images[0, :, 96:].max() == 0
    assert (discs.kinds == Kind.PERSON).all() and discs.kinds.shape == (3, 2)
    outline = discs.outlines[0]
    boxes = torch.cat([outline.amin(1), outline.amax(1)], -1)
    boxes = boxes[boxes[:, 0].argsort()]  # the red one is on the left
    for channel, box in enumerate(boxes):
        rows, cols = np.nonzero(discs.images[0, channel].numpy() > 125)
        edges = [cols.min() - 0.5, rows.min() - 0.5, cols.max() + 0.5, rows.max() + 0.5]
        assert np.abs(box.numpy() - edges).max() < 1


def test_too_many_people_and_no_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posekit.data.crowd_canvas.MOST_PEOPLE", 1)
    photo, _ = disc_photo()
    data = make_crowd_canvases([photo], 1, 64)
    assert data.kinds.shape == (1, 1) and not data.complete[0]
    with pytest.raises(DataError, match="no photo"):
        make_crowd_canvases([], 3)


def test_without_augmentation_a_view_is_the_photo(discs: CrowdCanvases) -> None:
    """Scaled to fit from the top left, truth in the network's pixels, and nothing beside it."""
    index = torch.tensor([1])
    views = augment_crowds(
        discs, index, LSP14, (64, 64), generator(), NONE, fill=(0.5, 0.25, 0.125)
    )
    assert views.people.sizes.tolist() == [[48, 64]]
    assert views.people.whwh.tolist() == [[64, 48, 64, 48]]
    small = cv2.resize(discs.images[1, :, :96].permute(1, 2, 0).numpy(), (64, 48))
    found = views.images[0, :, :48].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - small).max() < 2
    below = views.images[0, :, 48:]
    assert (below == torch.tensor([0.5, 0.25, 0.125])[:, None, None]).all()
    torch.testing.assert_close(views.people.keypoints, (discs.keypoints[1:2] + 0.5) / 2)
    # At the size of the canvas, pixel by pixel.
    same = augment_crowds(discs, index, LSP14, (128, 128), generator(), NONE).images[0] * 255
    assert (same - discs.images[1].float()).abs().max() < 0.01


def test_detail_changes_the_photos_and_not_what_lies_beside_them(scene: Scene) -> None:
    data = make_crowd_canvases([of_scene(scene, LSP14)], 1, 192)
    index = torch.zeros(12, dtype=torch.long)
    plain = augment_crowds(data, index, LSP14, (128, 160), generator(), NONE)
    how = replace(NONE, detail=0.5)
    changed = augment_crowds(data, index, LSP14, (128, 160), generator(), how)
    differ = (changed.images - plain.images).abs().amax(1) > 0.02  # (B, H, W)
    assert differ.any((1, 2)).any() and not differ.any((1, 2)).all()
    height, width = (int(edge) for edge in plain.people.sizes[0])
    assert height < 128 or width < 160
    assert not differ[:, height:].any() and not differ[:, :, width:].any()
    torch.testing.assert_close(changed.people.keypoints, plain.people.keypoints)


def extremes(views: Views, item: int, channel: int) -> list[float] | None:
    """Box of what has a channel's colour in a view, in the network's pixels."""
    rows, cols = np.nonzero(views.images[item, channel].numpy() > 0.5)
    if not len(rows):
        return None
    return [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]


def test_boxes_stay_tight_and_keypoints_stay_on_their_person(discs: CrowdCanvases) -> None:
    """Whatever the view cuts off or magnifies: the box is that of the pixels."""
    index = torch.zeros(60, dtype=torch.long)
    views = augment_crowds(discs, index, LSP14, (128, 128), generator(3), WILD)
    people, errors = views.people, []
    red = 0 if discs.keypoints[0, 0, 0, 0] < discs.keypoints[0, 1, 0, 0] else 1
    for item in range(60):
        width, height = people.whwh[item, :2]
        for place in range(2):
            channel = 0 if place == red else 1
            seen = extremes(views, item, channel)
            if not people.present[item, place]:
                continue
            assert seen is not None
            errors.append(float((people.boxes[item, place] - torch.tensor(seen)).abs().max()))
            x, y = people.keypoints[item, place, 0]
            inside = 0 <= x <= width and 0 <= y <= height
            assert bool(people.counted[item, place, 0]) == inside
            if 1 < x < width - 1 and 1 < y < height - 1:
                assert views.images[item, channel, int(y), int(x)] > 0.9
    assert len(errors) > 80 and np.median(errors) < 0.8 and max(errors) < 2.5
    assert (people.present & people.ignored).sum() == 0


def test_whoever_is_cut_off_is_ignored_and_whoever_is_out_is_nobody(discs: CrowdCanvases) -> None:
    index = torch.zeros(60, dtype=torch.long)
    close = replace(WILD, half_body=1.0, rotate=0.0, shift=0.0)
    people = augment_crowds(discs, index, LSP14, (128, 128), generator(1), close).people
    extent = people.boxes[..., 2:] - people.boxes[..., :2]
    assert people.ignored.any() and people.present.any()
    assert not people.counted[~people.present].any()
    gone = ~(people.present | people.ignored)
    assert gone.any() and (people.boxes[gone] == 0).all()
    assert extent[people.present].min() >= 4
    # From close by, a person fills most of the view.
    assert people.present.any(1).all() or people.present.sum() >= 55
    share = (extent / people.whwh[:, None, :2]).amax(-1).amax(1)
    assert share.median() > 0.6


def test_a_mirror_image_swaps_left_and_right(scene: Scene) -> None:
    data = make_crowd_canvases([of_scene(scene, LSP14)], 1, 192)
    index = torch.zeros(1, dtype=torch.long)
    plain = augment_crowds(data, index, LSP14, (192, 192), generator(), NONE)
    mirror = augment_crowds(data, index, LSP14, (192, 192), generator(), replace(NONE, flip=1.0))
    order = list(LSP14.flip_order)
    flipped = mirror.people.keypoints[:, :, order]
    width = 192
    assert torch.allclose(flipped[..., 0], width - plain.people.keypoints[..., 0], atol=1e-3)
    assert torch.allclose(flipped[..., 1], plain.people.keypoints[..., 1], atol=1e-3)
    assert torch.equal(mirror.people.counted[:, :, order], plain.people.counted)
    boxes = plain.people.boxes[..., [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1])
    assert torch.allclose(
        mirror.people.boxes, boxes + torch.tensor([width, 0.0, width, 0]), atol=1e-3
    )
    height = int(plain.people.sizes[0, 0])
    assert torch.allclose(
        mirror.images[..., :height, :].flip(-1), plain.images[..., :height, :], atol=1e-3
    )


def test_hidden_keypoints_count_only_when_asked(scene: Scene) -> None:
    crowd = of_scene(scene, LSP14)
    data = make_crowd_canvases([crowd], 1, 192)
    index = torch.zeros(1, dtype=torch.long)
    counts = [
        augment_crowds(data, index, LSP14, (192, 192), generator(), NONE, hidden=hidden)
        .people.counted.sum()
        for hidden in (False, True)
    ]  # fmt: skip
    assert counts[0] == sum((who.visibility == 2).sum() for who in crowd.people)
    assert counts[1] == sum((who.visibility > 0).sum() for who in crowd.people) > counts[0]


def test_processes_that_share_a_batch_make_what_one_makes(discs: CrowdCanvases) -> None:
    index = torch.tensor([0, 1, 2, 0])
    how = Augmentation()
    whole = augment_crowds(discs, index, LSP14, (64, 64), generator(), how)
    part = augment_crowds(discs, index, LSP14, (64, 64), generator(), how, share=slice(2, 4))
    torch.testing.assert_close(whole.images[2:], part.images)
    for ours, theirs in zip(whole.people, part.people, strict=True):
        torch.testing.assert_close(ours[2:], theirs)


@pytest.fixture(scope="module")
def cut_out() -> tuple[list[Cutout], list[Background]]:
    cutouts, grounds = [], [Background.rendered(1, (96, 96))]
    for seed in range(4):
        scene = render_scene(seed, size=(128, 128), fill=0.85)
        person = scene.people[0]
        labelled = person.hidden_by_in(LSP14) != OUTSIDE
        photo = read_photo(scene.pixels, name=f"photo{seed}")
        labelled_person = LabelledPerson(photo, person.keypoints_in(LSP14), labelled)
        cutouts.append(Cutout.of(labelled_person, person.mask))
        grounds.append(Background.of_photo(photo, [(labelled_person, person.mask)]))
    return cutouts, grounds


def test_who_else_may_be_in_a_photograph_is_not_known(
    cut_out: tuple[list[Cutout], list[Background]],
) -> None:
    cutouts, (rendered, photographed, *_) = cut_out
    for ground, complete in ((rendered, True), (photographed, False)):
        made = make_composite(1, cutouts[1:3], ground, size=(96, 96))
        crowd = of_scene(made, LSP14)
        assert crowd.complete == complete
        assert sum(who.ignore for who in crowd.people) == len(made.ignore)
    assert made.ignore  # whom the photograph shows already


def test_composites_come_back_from_disk_as_they_were(
    cut_out: tuple[list[Cutout], list[Background]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowd_cache, "PIECE", 3)
    made = []
    real = crowd_cache.composites
    monkeypatch.setattr(
        crowd_cache, "composites", lambda *args, **kw: made.append(args[3]) or real(*args, **kw)
    )

    def read(count: int, seed: int = 1) -> list[CrowdPhoto]:
        return list(
            kept_composites(
                *cut_out, LSP14, count, seed, side=96, most_people=3, folder=tmp_path,
                progress=False,
            )
        )  # fmt: skip

    def same(first: CrowdPhoto, second: CrowdPhoto) -> bool:
        pairs = zip(first.people, second.people, strict=True)
        return bool((first.pixels == second.pixels).all()) and all(
            (a.outline == b.outline).all() and (a.visibility == b.visibility).all()
            for a, b in pairs
        )

    first = read(5)
    assert len(first) == 5 and len(made) == 2
    again = read(6)
    assert len(again) == 6 and len(made) == 2
    assert all(same(a, b) for a, b in zip(first, again[:5], strict=True))
    # A damaged piece is made again, the same as before; another seed is another set.
    damaged = sorted(tmp_path.glob("*-1.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert all(same(a, b) for a, b in zip(again, read(6), strict=True)) and len(made) == 3
    assert not same(read(1, seed=2)[0], first[0])
    assert not list(tmp_path.glob("*.part"))
    for photo in first:
        assert photo.pixels.shape == (96, 96, 3) and photo.people
        assert all(isinstance(who, Somebody) for who in photo.people)
