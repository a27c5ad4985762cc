"""The box around what a view keeps of somebody, where the view cuts through them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clipped_boxes"]

_EDGE = 1e-3  # pixels: how far outside a corner still counts as on the edge


def clipped_boxes(outlines: Tensor, width_height: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest boxes around the parts of convex outlines that lie in a view.

    Cutting the box of a whole outline would leave room where nobody is. The corners of what is left
    are corners of the outline, corners of the view, or places where the two cross.

    Args:
        outlines: (B, P, n, 2) convex, in order.
        width_height: (B, 2), the view spans 0 to these.

    Returns:
        (B, P, 4) xyxy, zeros where nothing is left; (B, P) bool, where something is.
    """
    limit = width_height[:, None, None]  # (B, 1, 1, 2)
    following = outlines.roll(-1, dims=2)
    step = following - outlines
    corners = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], device=outlines.device)
    corners = corners * limit  # (B, 1, 4, 2)

    candidates, valid = [outlines], [_inside(outlines, limit)]
    for axis in (0, 1):
        for border in (torch.zeros_like(limit[..., axis]), limit[..., axis]):
            along = (border - outlines[..., axis]) / step[..., axis]
            crossing = outlines + along[..., None] * step
            candidates.append(crossing)
            valid.append((along >= 0) & (along <= 1) & _inside(crossing, limit))
    # A corner is in a convex outline when it lies on the same side of every edge.
    to_corner = corners[:, :, None] - outlines[:, :, :, None]  # (B, P, n, 4, 2)
    cross = step[..., None, 0] * to_corner[..., 1] - step[..., None, 1] * to_corner[..., 0]
    candidates.append(corners.expand(*outlines.shape[:2], -1, -1))
    valid.append((cross >= 0).all(2) | (cross <= 0).all(2))

    points, kept = torch.cat(candidates, 2), torch.cat(valid, 2)[..., None]
    low = torch.where(kept, points, torch.inf).amin(2)
    high = torch.where(kept, points, -torch.inf).amax(2)
    low, high = (torch.minimum(p.clamp(min=0), width_height[:, None]) for p in (low, high))
    reaches = (high > low).all(-1)
    return torch.where(reaches[..., None], torch.cat([low, high], -1), 0.0), reaches


def _inside(points: Tensor, limit: Tensor) -> Tensor:
    return ((points >= -_EDGE) & (points <= limit + _EDGE)).all(-1)
