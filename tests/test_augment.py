"""Crops for training: labels follow the picture, whatever is done to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posekit.data.augment import NONE, Augmentation, Draws, augment
from posekit.data.canvas import CANVAS, MARGIN, Canvases, make_canvases
from posekit.data.lsp import LabelledPerson
from posekit.data.rendered import rendered_people
from posekit.errors import DataError
from posekit.photo import read_photo
from posekit.skeleton import COCO17, LSP14
from posekit.training.people import in_skeleton, read_training_people
from tests.dots import dots


@pytest.fixture(scope="module")
def people() -> Canvases:
    return make_canvases(dots(12))


def test_canvas_keeps_keypoints_on_their_pixels(people: Canvases) -> None:
    """At a keypoint's canvas coordinates lies the dot that was drawn for it."""
    for image, keypoints in zip(people.images, people.keypoints, strict=True):
        x, y = keypoints.round().long().T
        assert image[:, y, x].amax(0).min() > 120
    assert people.images.shape[1:] == (3, CANVAS, CANVAS)
    longest = people.extent.amax(1)
    torch.testing.assert_close(longest, torch.full((12,), CANVAS / MARGIN), atol=2.0, rtol=0)


def test_augmented_keypoints_follow_the_picture(people: Canvases) -> None:
    """Whatever the turn, scale, shift and mirror, colour i stays at keypoint i (or its pair)."""
    strong = Augmentation(colour=0, half_body=0, wide=0)
    index = torch.arange(12)
    plain, at, _ = augment(people, index, LSP14, (256, 192), torch.Generator(), NONE)
    varied, moved, labelled = augment(
        people, index, LSP14, (256, 192), torch.Generator().manual_seed(3), strong
    )
    order = torch.tensor(LSP14.flip_order)
    compared = mirrored = 0
    for n in range(12):
        before = colours_at(plain[n], at[n])
        after = colours_at(varied[n], moved[n])
        inside = ((moved[n] > 6) & (moved[n] < torch.tensor([185, 249]))).all(-1)
        same, swapped = ((after - c).abs().amax(-1) < 0.35 for c in (before, before[order]))
        flipped = swapped[inside].sum() > same[inside].sum()
        right = (swapped if flipped else same)[inside]
        # Dots may lie over one another; nearly all must keep their colour.
        assert right.float().mean() > 0.75
        compared += int(inside.sum())
        mirrored += int(flipped)
    assert compared > 80 and 2 <= mirrored <= 10
    assert labelled.all()


def colours_at(image: torch.Tensor, keypoints: torch.Tensor) -> torch.Tensor:
    x = keypoints[:, 0].round().long().clamp(0, image.shape[2] - 1)
    y = keypoints[:, 1].round().long().clamp(0, image.shape[1] - 1)
    return image[:, y, x].T


def test_plain_crop_is_the_crop_the_estimator_makes(people: Canvases) -> None:
    """The person fills the crop as the estimator's padding of 1.25 has it, centred."""
    _, keypoints, _ = augment(people, torch.arange(12), LSP14, (256, 192), torch.Generator(), NONE)
    low, high = keypoints.amin(1), keypoints.amax(1)
    torch.testing.assert_close(
        (low + high) / 2, torch.tensor([[95.5, 127.5]]).expand(12, 2), atol=0.6, rtol=0
    )
    share = ((high - low) / torch.tensor([192.0, 256.0])).amax(1)
    torch.testing.assert_close(share, torch.full((12,), 0.8), atol=0.02, rtol=0)


def test_colour_changes_are_the_ones_named(people: Canvases) -> None:
    """Against the plain way, step by step: contrast, saturation, white balance, brightness."""
    how = replace(NONE, colour=0.5)
    seed = torch.Generator().manual_seed(11)
    drawn = Draws.of(12, torch.Generator().manual_seed(11))
    plain, _, _ = augment(people, torch.arange(12), LSP14, (64, 48), torch.Generator(), NONE)
    ours, _, _ = augment(people, torch.arange(12), LSP14, (64, 48), seed, how)
    for n in range(12):
        contrast, saturation, brightness, *balance = (1 + 0.5 * (2 * drawn.colour[n] - 1)).tolist()
        x = plain[n]
        x = (x - x.mean()) * contrast + x.mean()
        grey = x.mean(0)
        x = grey + (x - grey) * (0.0 if drawn.grey[n] < 0.1 else saturation)
        gains = torch.tensor([1 + 0.3 * (b - 1) for b in balance])[:, None, None]
        torch.testing.assert_close(
            ours[n], (x * gains * brightness).clamp(0, 1), atol=1e-5, rtol=1e-4
        )


def test_augmentation_depends_on_the_generator_alone(people: Canvases) -> None:
    def draw(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return augment(people, torch.arange(4), LSP14, (64, 48), generator, Augmentation())[0]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert draw(1).min() >= 0 and draw(1).max() <= 1


def test_a_shared_batch_makes_the_crops_one_process_would_make(people: Canvases) -> None:
    def draw(share: slice) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(5)
        return list(
            augment(
                people,
                torch.arange(8),
                LSP14,
                (64, 48),
                generator,
                Augmentation(close=0.5, detail=0.5),
                share=share,
            )
        )

    whole = draw(slice(None))
    parts = zip(draw(slice(0, 4)), draw(slice(4, 8)), strict=True)
    for one, (a, b) in zip(whole, parts, strict=True):
        torch.testing.assert_close(torch.cat([a, b]), one, atol=1e-5, rtol=1e-5)


def test_an_occluder_covers_and_a_blur_softens(people: Canvases) -> None:
    def crops(how: Augmentation) -> torch.Tensor:
        generator = torch.Generator().manual_seed(2)
        return augment(people, torch.arange(12), LSP14, (96, 72), generator, how)[0]

    plain = crops(NONE)
    covered = (crops(replace(NONE, occlude=1.0)) - plain).abs().amax(1) > 1e-3
    share = covered.float().mean((1, 2))
    assert (share > 0).all() and share.max() < 0.33**2 + 0.01
    soft = crops(replace(NONE, blur=1.0))
    roughness = [x.diff(dim=-1).square().mean() for x in (plain, soft)]
    assert roughness[1] < 0.6 * roughness[0]
    torch.testing.assert_close(soft.mean(), plain.mean(), atol=5e-3, rtol=0)


def test_detail_changes_what_is_seen_and_not_where_it_is(people: Canvases) -> None:
    def drawn(how: Augmentation) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(3)
        return augment(people, torch.arange(12), LSP14, (96, 72), generator, how)

    plain, changed = drawn(NONE), drawn(replace(NONE, detail=0.5))
    differ = (changed[0] - plain[0]).abs().amax((1, 2, 3)) > 0.01
    assert differ.any() and not differ.all()
    torch.testing.assert_close(changed[1], plain[1])
    assert torch.equal(changed[2], plain[2])


def test_coco_people_are_learnt_in_the_models_keypoints() -> None:
    """COCO has no neck: it counts as not labelled; what both have keeps its place."""
    keypoints = np.stack([np.arange(17) * 5.0, np.arange(17) * 3.0], -1)
    person = LabelledPerson(
        read_photo(np.zeros((90, 90, 3), np.uint8)), keypoints, np.ones(17, bool), COCO17
    )
    (ours,) = in_skeleton([person], LSP14)
    assert not ours.labelled[LSP14.index("neck")]
    for name in ("left wrist", "right knee"):
        assert ours.labelled[LSP14.index(name)]
        np.testing.assert_array_equal(
            ours.keypoints[LSP14.index(name)], keypoints[COCO17.index(name)]
        )
    assert ours.box == person.box
    nothing = replace(person, labelled=np.arange(17) < 5)  # a face has no keypoint of LSP's
    assert list(in_skeleton([nothing], LSP14)) == []


def test_a_coco_file_needs_a_second_one_to_choose_by(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--validation"):
        read_training_people(tmp_path / "people.json", LSP14)


def test_rendered_people_are_labelled_where_they_are(tmp_path: Path) -> None:
    """Every labelled keypoint lies in its photograph, and scenes join photographs."""
    rendered = list(rendered_people(8))
    assert len(rendered) == 8
    for person in rendered:
        height, width = person.photo.size
        known = person.keypoints[person.labelled]
        assert len(known) >= 3
        assert (known >= -0.5).all() and (known < [width, height]).all()
    both = Canvases.join([make_canvases(rendered), make_canvases(dots(2))])
    assert len(both) == 10 and both.keypoints.shape == (10, 14, 2)


def test_nobody_to_train_on_is_said() -> None:
    with pytest.raises(DataError, match="no person"):
        make_canvases([])
