"""Portraits among whole photos: the view ends where one does, and its sitter is to be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from posekit.data.augment import NONE
from posekit.data.close_up import shown_by
from posekit.data.crowd import CORNERS, CrowdPhoto, Somebody
from posekit.data.crowd_augment import Views, augment_crowds
from posekit.data.crowd_canvas import CrowdCanvases, make_crowd_canvases
from posekit.skeleton import LSP14
from tests.test_close_up import upright

VIEW = (128, 128)


def whole(hidden_head: bool = False) -> CrowdCanvases:
    """Somebody of 100 x 200 pixels, whose every pixel says where it is, and somebody beside."""
    someone = upright()
    pixels = np.concatenate([someone.photo.pixels, np.zeros((200, 100, 3), np.uint8)], 1)
    turns = 2 * np.pi * np.arange(CORNERS) / CORNERS
    circle = np.stack([np.cos(turns), np.sin(turns)], -1)
    visibility = np.full(LSP14.size, 2, np.int8)
    if hidden_head:
        visibility[shown_by("waist", LSP14)] = 1
    left = Somebody(circle * (30, 95) + (50, 95), someone.keypoints, visibility)
    beside = Somebody(
        circle * (10, 15) + (150, 150), someone.keypoints, np.zeros(LSP14.size, np.int8)
    )
    photo = CrowdPhoto(pixels, (left, beside), complete=True)
    return make_crowd_canvases([photo], 1, 200)


def views(chance: float, people: CrowdCanvases | None = None, rotate: float = 0.0) -> Views:
    data = whole() if people is None else people
    how = replace(NONE, close=chance, rotate=rotate, rotation=20.0)
    seed = torch.Generator().manual_seed(3)
    return augment_crowds(data, torch.zeros(96, dtype=torch.long), LSP14, VIEW, seed, how)


def test_a_portrait_has_its_own_shape_and_its_sitter_is_to_be_found() -> None:
    found = views(1.0).people
    # Half of the draws fall on the one beside, of whom no keypoint is labelled: the whole photo.
    portrait = (found.sizes != torch.tensor([128, 128])).any(1) | (found.present[:, 1] == 0)
    assert 30 < portrait.sum() < 66
    assert found.present[portrait, 0].all()
    assert found.present[~portrait].all()
    shoulders = torch.from_numpy(shown_by("shoulders", LSP14))
    assert found.counted[portrait, 0][:, shoulders].all()
    assert not found.counted[portrait, 0, LSP14.index("left ankle")].any()
    # Everything is labelled, so what does not count lies beyond; of the one beside nothing is.
    assert torch.equal(found.beyond[:, 0], ~found.counted[:, 0])
    assert found.beyond[portrait, 0, LSP14.index("left ankle")].all()
    assert not found.beyond[:, 1].any()
    sizes = found.sizes[portrait]
    assert (sizes.amax(1) == 128).all()  # as large as fits
    assert len(sizes.unique(dim=0)) > 10


@pytest.mark.parametrize("rotate", [0.0, 1.0])
def test_a_portrait_shows_what_it_says(rotate: float) -> None:
    """Each keypoint that counts lies on the pixel whose colour says that it is its own."""
    got = views(1.0, rotate=rotate)
    truth = torch.from_numpy(upright().keypoints).float()
    checked = 0
    for n in range(96):
        height, width = (int(edge) for edge in got.people.sizes[n])
        for k in torch.where(got.people.counted[n, 0])[0]:
            x, y = (int(c) for c in got.people.keypoints[n, 0, k].floor())
            if 1 <= x < width - 1 and 1 <= y < height - 1:
                colour = got.images[n, :2, y, x] * 255
                assert (colour - truth[k]).abs().max() < 2.5
                checked += 1
    assert checked > 600


def test_no_portrait_is_made_of_a_hidden_head() -> None:
    found = views(1.0, whole(hidden_head=True)).people
    assert (found.sizes == 128).all() and found.present.all()


def test_without_portraits_the_view_is_the_whole_photo() -> None:
    found = views(0.0).people
    assert (found.sizes == 128).all() and found.present.all()
