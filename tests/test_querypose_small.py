"""What the small QueryPose has and the published ones have not."""

from __future__ import annotations

import pytest
import torch

from posekit.data.crowd_augment import People
from posekit.models.querypose_config import LSP_PARTS, R50, SMALL, W32, W48
from posekit.models.querypose_pose import PoseHead, middles
from posekit.skeleton import LSP14
from posekit.training.matching import CostWeights
from posekit.training.querypose_losses import LossWeights, Matcher


def test_the_published_ones_are_as_published() -> None:
    assert SMALL.from_maps and SMALL.pose_norm
    assert not any(config.from_maps or config.pose_norm for config in (R50, W32, W48))


def test_middles_of_maps() -> None:
    maps = torch.zeros(2, 1, 4, 8)
    maps[0] = 1 / 32  # even: the box's middle
    maps[1, 0, 0, 7] = 0.75  # the corner top right, and the cell beside it
    maps[1, 0, 0, 6] = 0.25
    expected = torch.tensor([[[0.0, 0.0]], [[(6.75 + 0.5) / 8 - 0.5, 0.125 - 0.5]]])
    torch.testing.assert_close(middles(maps), expected)


def test_keypoints_count_from_the_map_of_their_own_part() -> None:
    """With the same weights, offsets differ by the middle of the part's map."""
    parts = [tuple(map(LSP14.index, names)) for _, names in LSP_PARTS]
    arguments = (32, 32, 2, 64, 2, 32, parts, 36)
    torch.manual_seed(0)
    plain = PoseHead(*arguments).eval()
    ours = PoseHead(*arguments, from_maps=True).eval()
    ours.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        given = torch.randn(3, 36, 32), torch.randn(3, 32), torch.randn(3, len(parts), 32)
        without, with_maps = plain(*given), ours(*given)
    torch.testing.assert_close(with_maps.maps, without.maps)
    torch.testing.assert_close(with_maps.sigmas, without.sigmas)
    moved = with_maps.offsets - without.offsets
    places = middles(without.maps)
    assert places.abs().max() > 1e-3
    for part, keypoints in enumerate(parts):
        for keypoint in keypoints:
            torch.testing.assert_close(moved[:, keypoint], places[:, part])


@pytest.mark.parametrize(("weight", "chosen"), [(2.0, 0), (6.0, 1)])
def test_who_is_surer_may_come_before_who_is_nearer(weight: float, chosen: int) -> None:
    """Two queries on one person: the first nearer by a few pixels, the second surer of it."""
    people = People(
        boxes=torch.tensor([[[20.0, 20, 60, 100]]]),
        keypoints=torch.zeros(1, 1, 14, 2),
        counted=torch.zeros(1, 1, 14, dtype=torch.bool),
        beyond=torch.zeros(1, 1, 14, dtype=torch.bool),
        present=torch.ones(1, 1, dtype=torch.bool),
        ignored=torch.zeros(1, 1, dtype=torch.bool),
        whwh=torch.full((1, 4), 128.0),
        complete=torch.ones(1, dtype=torch.bool),
    )
    boxes = torch.tensor([[[20.0, 20, 60, 100], [22, 22, 62, 102]]])
    logits = torch.tensor([[[0.30], [0.40]]]).logit()
    weights = LossWeights(matching=CostWeights(focal=weight))
    assert Matcher(people, weights).select(logits, boxes)[0].tolist() == [chosen == 0, chosen == 1]
