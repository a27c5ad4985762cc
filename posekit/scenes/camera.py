"""A pinhole camera over a ground plane (world axes as in body.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Camera:
    """Camera at (0, height, 0) that looks along -z, tipped down by pitch degrees.

    focal and centre (x, y) are in photo pixels. The centre of projection may lie anywhere: the
    photo is a cut-out of a larger picture, so perspective stays exact wherever it is framed.
    """

    height: float
    pitch: float
    focal: float
    centre: tuple[float, float]

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3): world directions to camera directions (x right, y down, z away)."""
        c, s = np.cos(np.radians(self.pitch)), np.sin(np.radians(self.pitch))
        return np.array([[1.0, 0, 0], [0, -c, s], [0, -s, -c]])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in metres to camera coordinates (..., 3)."""
        return (points - (0.0, self.height, 0.0)) @ self.rotation.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) to photo pixels (..., 2)."""
        seen = self.to_camera(points)
        return self.focal * seen[..., :2] / seen[..., 2:] + np.array(self.centre)

    @property
    def horizon(self) -> float:
        """Row of the horizon in photo pixels."""
        return float(self.centre[1] - self.focal * np.tan(np.radians(self.pitch)))

    def ground_to_photo(self) -> np.ndarray:
        """Homography (3, 3) from ground (x, z, 1) in metres to photo pixels."""
        turn = self.rotation
        return self._lens() @ np.stack([turn[:, 0], turn[:, 2], -self.height * turn[:, 1]], axis=1)

    def wall_to_photo(self, distance: float) -> np.ndarray:
        """Homography (3, 3) from a wall z = -distance, (x, y, 1) in metres, to photo pixels."""
        turn = self.rotation
        origin = turn @ np.array([0.0, -self.height, -distance])
        return self._lens() @ np.stack([turn[:, 0], turn[:, 1], origin], axis=1)

    def _lens(self) -> np.ndarray:
        x, y = self.centre
        return np.array([[self.focal, 0, x], [0, self.focal, y], [0, 0, 1.0]])
