"""Masks of people, drawn, read, estimated, or the model's own."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from posekit.errors import OcclusionError
from posekit.occlusion import (
    PersonMasks,
    best_masks,
    masks_of_file,
    masks_of_limbs,
    masks_of_model,
    masks_of_polygons,
)
from posekit.occlusion.measure import covered_limbs
from posekit.run_lengths import encoded
from posekit.skeleton import COCO17
from tests.occluded import PHOTO, found, stick_person
from tests.tiny_models import noise_photo


def test_a_drawn_polygon_holds_the_pixels_inside() -> None:
    square = [(9.5, 19.5), (29.5, 19.5), (29.5, 39.5), (9.5, 39.5)]
    triangle = [(-0.5, -0.5), (9.5, -0.5), (-0.5, 9.5)]
    held = masks_of_polygons([square, triangle], (80, 60))
    expected = np.zeros((80, 60), bool)
    expected[20:40, 10:30] = True
    assert (held.masks[0] == expected).all()
    assert held.masks[1].sum() == 45  # centres strictly below the diagonal of a 10 x 10 corner
    assert held.source == "drawn" and not held.in_order
    for wrong in ([(0, 0), (1, 1)], [(0, 0), (5, math.nan), (5, 5)], [(900, 900)] * 3, "abc"):
        with pytest.raises(OcclusionError):
            masks_of_polygons([wrong], (80, 60))  # type: ignore[list-item]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_mask_file_holds_one_person_a_colour() -> None:
    painted = np.zeros((80, 60, 3), np.uint8)
    painted[10:20, 5:9], painted[30:40, 20:30] = (255, 0, 0), (0, 0, 255)
    held = masks_of_file(png(painted), PHOTO)
    assert sorted(int(mask.sum()) for mask in held.masks) == [40, 100]
    twice = masks_of_file(png(painted.repeat(2, 0).repeat(2, 1)), PHOTO)
    assert all((a == b).all() for a, b in zip(held.masks, twice.masks, strict=True))
    ramp = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (80, 1))
    assert (masks_of_file(png(ramp), PHOTO).masks[0] == (ramp >= 128)).all()
    for wrong, words in (
        (np.zeros((80, 60), np.uint8), "all black"),
        (np.full((80, 80), 9, np.uint8), "does not fit"),
        (noise_photo(80, 60).pixels, "colours"),
    ):
        with pytest.raises(OcclusionError, match=words):
            masks_of_file(png(wrong), PHOTO)


def test_masks_round_limbs_hold_the_limbs_and_are_called_an_estimate() -> None:
    one, other = stick_person(), stick_person(80)
    held = masks_of_limbs(found(one, other))
    assert held is not None and "estimate" in held.words and held.in_order
    for person, mask in zip((one, other), held.masks, strict=True):
        assert covered_limbs(mask, person.keypoints, COCO17.limbs[:6]) == 1.0
    assert not (held.masks[0] & held.masks[1]).any()
    lost = replace(one, keypoints=np.full((17, 2), np.nan), scores=np.zeros(17))
    assert masks_of_limbs(found(lost)) is None
    assert masks_of_limbs(found()) is None


def test_the_models_own_masks_come_first() -> None:
    mask = np.zeros((160, 200), bool)
    mask[10:140, 40:80] = True
    one = replace(found(stick_person()), masks=(mask,))
    held = best_masks(one)
    assert held is not None and held.source == "model" and (held.masks[0] == mask).all()
    assert masks_of_model(found(stick_person())) is None
    estimate = best_masks(found(stick_person()))
    assert estimate is not None and estimate.source == "limbs"


def test_masks_in_no_order_belong_to_whoever_stands_there() -> None:
    left, right = np.zeros((160, 200), bool), np.zeros((160, 200), bool)
    left[10:140, 30:90], right[10:140, 115:165] = True, True
    held = PersonMasks((right, left), "drawn", in_order=False)
    assert held.own(stick_person(), 0) == 1 and held.own(stick_person(80), 1) == 0
    assert PersonMasks((right, left)).own(stick_person(), 0) == 0
    again = PersonMasks.from_dict(json.loads(json.dumps(held.to_dict())))
    assert again.source == "drawn" and not again.in_order and (again.masks[0] == right).all()
    for wrong in ((), (left, left[:9]), [left] * 33):
        with pytest.raises(OcclusionError):
            PersonMasks(tuple(wrong))
    for data in (None, {}, {"masks": [1]}, {"masks": []}, {"masks": [encoded(left)], "source": 1}):
        with pytest.raises(OcclusionError):
            PersonMasks.from_dict(data)
