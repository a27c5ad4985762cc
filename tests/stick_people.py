"""People of sticks: keypoints in plausible places, for tests and benchmarks of crowds."""

from __future__ import annotations

import numpy as np

from posekit.skeleton import COCO17, Skeleton

# A standing person in a box one wide and two and a half high, (x, y).
PLACES = {
    "head top": (0.5, 0.0), "nose": (0.5, 0.2), "neck": (0.5, 0.45), "upper neck": (0.5, 0.45),
    "left eye": (0.58, 0.13), "right eye": (0.42, 0.13),
    "left ear": (0.68, 0.17), "right ear": (0.32, 0.17),
    "left shoulder": (0.78, 0.5), "right shoulder": (0.22, 0.5),
    "left elbow": (0.92, 0.85), "right elbow": (0.08, 0.85),
    "left wrist": (1.0, 1.2), "right wrist": (0.0, 1.2),
    "left hip": (0.66, 1.25), "right hip": (0.34, 1.25),
    "left knee": (0.7, 1.85), "right knee": (0.3, 1.85),
    "left ankle": (0.7, 2.5), "right ankle": (0.3, 2.5),
    "thorax": (0.5, 0.5), "pelvis": (0.5, 1.25),
}  # fmt: skip


def stick_person(
    skeleton: Skeleton = COCO17,
    corner: tuple[float, float] = (0.0, 0.0),
    width: float = 40.0,
    jitter: float = 0.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """(K, 2): the person's box begins at ``corner`` and is ``width`` wide, 2.5 times as high."""
    points = np.array([PLACES[name] for name in skeleton.keypoints]) * width + np.array(corner)
    if rng is not None:
        points = points + rng.uniform(-jitter, jitter, points.shape) * width
    return points


def crowd(
    count: int, size: tuple[int, int], skeleton: Skeleton = COCO17, seed: int = 0
) -> np.ndarray:
    """(count, K, 2): people side by side in rows, jittered, all of them inside (height, width)."""
    if count == 0:
        return np.zeros((0, skeleton.size, 2))
    rng = np.random.default_rng(seed)
    across = int(np.ceil(np.sqrt(2.5 * count * size[1] / size[0])))
    down = -(-count // across)
    cell = np.array([size[1] / across, size[0] / down])
    width = 0.75 * min(cell[0], cell[1] / 2.5)
    people = []
    for index in rng.permutation(across * down)[:count]:
        row, col = divmod(int(index), across)
        spare = cell - np.array([1.0, 2.5]) * width
        corner = cell * (col, row) + rng.uniform(0.1, 0.9, 2) * spare
        people.append(
            stick_person(skeleton, (float(corner[0]), float(corner[1])), width, 0.04, rng)
        )
    return np.stack(people)
