"""Boxes of people: cut to the photo, and refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.errors import BoxError
from posekit.geometry import Box
from posekit.people import MAX_BOXES, check_boxes, whole_photo_box
from posekit.photo import Photo

PHOTO = Photo(np.zeros((50, 100, 3), dtype=np.uint8))


def test_whole_photo_is_one_box() -> None:
    assert whole_photo_box(PHOTO) == Box(0, 0, 100, 50)
    assert check_boxes([whole_photo_box(PHOTO)], PHOTO) == [Box(0, 0, 100, 50)]


def test_boxes_are_cut_to_the_photo_in_order() -> None:
    found = check_boxes([Box(90, 10, 40, 10), Box(-5, -5, 20, 20)], PHOTO)
    assert found == [Box(90, 10, 10, 10), Box(0, 0, 15, 15)]
    assert check_boxes([], PHOTO) == []


@pytest.mark.parametrize(
    ("boxes", "sentence"),
    [
        ([Box(200, 0, 10, 10)], "The box at x = 200, y = 0 lies outside the photo"),
        ([Box(0, 0, 9, 9), Box(99.5, 0, 9, 9)], "Box 2 covers 0.5 x 9 pixels of the photo"),
        ([Box(5, 5, 9, 1.9)], "each side must have at least 2"),
        ([Box(0, 0, 9, 9)] * (MAX_BOXES + 1), "At most 32 boxes .* but 33 came"),
    ],
)
def test_boxes_that_cannot_be_used_are_refused_in_a_sentence(
    boxes: list[Box], sentence: str
) -> None:
    with pytest.raises(BoxError, match=sentence) as refused:
        check_boxes(boxes, PHOTO)
    assert str(refused.value).endswith(".")


def test_as_many_boxes_as_allowed_pass() -> None:
    assert len(check_boxes([Box(0, 0, 9, 9)] * MAX_BOXES, PHOTO)) == 32
