"""Draws solids into a depth buffer: silhouettes, depths and normals of cones, balls and blocks.

Every primitive is drawn in weak perspective (its own scale), which keeps the ray-surface
intersection in closed form; the end points themselves are placed in full perspective.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posekit.scenes.camera import Camera
from posekit.scenes.shapes import PARTS, Solid
from posekit.scenes.wardrobe import STEPS

FAR = np.float32(1e6)
_MARGIN = 12_000  # samples; nothing is drawn farther from the photo's origin than this


@dataclass(eq=False)
class Layer:
    """One solid alone, drawn on a grid of ``per_pixel`` samples per photo pixel.

    Sample (row r, column c) lies at photo pixel ((left + c) / per_pixel, (top + r) / per_pixel).
    depth: metres from the camera, FAR where nothing is; part: index into PARTS; paint: index
    into the flattened colour table; normal: (h, w, 3), camera axes with z towards the camera.
    """

    left: int
    top: int
    depth: np.ndarray
    part: np.ndarray
    paint: np.ndarray
    normal: np.ndarray
    per_metre: float

    @property
    def mask(self) -> np.ndarray:
        """(h, w) bool: where the solid is."""
        return np.asarray(self.depth < FAR / 2)

    def moved(self, dx: int, dy: int) -> Layer:
        """The same layer dx, dy samples further right and down."""
        return Layer(
            self.left + dx, self.top + dy, self.depth, self.part, self.paint, self.normal,
            self.per_metre,
        )  # fmt: skip

    def shape_params(self) -> tuple[int, int]:
        """(height, width) in samples."""
        return self.depth.shape[0], self.depth.shape[1]


class _Canvas:
    """The buffers while primitives are drawn; depth in samples, relative to the solid's middle."""

    def __init__(self, left: int, top: int, width: int, height: int) -> None:
        self.left, self.top = left, top
        self.width, self.height = width, height
        self.depth = np.full((height, width), FAR, np.float32)
        self.code = np.zeros((height, width), np.int32)
        self.nx = np.zeros((height, width), np.float32)
        self.ny = np.zeros((height, width), np.float32)
        self.xs = np.arange(width, dtype=np.float32)
        self.ys = np.arange(height, dtype=np.float32)[:, None]

    def window(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice] | None:
        a, b = max(int(x0), 0), min(int(x1) + 2, self.width)
        c, d = max(int(y0), 0), min(int(y1) + 2, self.height)
        return (slice(c, d), slice(a, b)) if a < b and c < d else None

    def put(
        self,
        where: tuple[slice, slice],
        inside: np.ndarray,
        depth: np.ndarray,
        code: np.ndarray,
        nx: np.ndarray,
        ny: np.ndarray,
    ) -> None:
        old = self.depth[where]
        nearer = inside & (depth < old)
        np.copyto(old, depth, where=nearer)
        np.copyto(self.code[where], code, where=nearer)
        np.copyto(self.nx[where], nx, where=nearer)
        np.copyto(self.ny[where], ny, where=nearer)

    def cone(self, a: np.ndarray, b: np.ndarray, ra: float, rb: float, code: int) -> None:
        """Round cone between a and b (x, y, z in samples) with end radii ra, rb."""
        x0, y0, z0 = a
        dx, dy, dz = b - a
        where = self.window(
            min(a[0] - ra, b[0] - rb), max(a[0] + ra, b[0] + rb),
            min(a[1] - ra, b[1] - rb), max(a[1] + ra, b[1] + rb),
        )  # fmt: skip
        if where is None:
            return
        length = max(float(np.hypot(dx, dy)), 0.5)
        ux, uy, slope = dx / length, dy / length, dz / length
        px = self.xs[where[1]] - np.float32(x0)
        py = self.ys[where[0]] - np.float32(y0)
        along = px * np.float32(ux) + py * np.float32(uy)
        across = py * np.float32(ux) - px * np.float32(uy)
        taper = np.float32(rb - ra)
        inv = np.float32(1 / length)
        radius = np.clip(along * inv, 0, 1) * taper + np.float32(ra)
        across *= across
        # The nearest point of the surface is not above the axis' foot point when the bone
        # points towards the camera: it slides along the bone by this much.
        slide = np.sqrt(np.maximum(radius * radius - across, 0))
        slide *= np.float32(slope / np.sqrt(1 + slope * slope))
        t = np.clip((along - slide) * inv, 0, 1)
        radius = t * taper + np.float32(ra)
        square = radius * radius - across - (along - t * np.float32(length)) ** 2
        inside = square > 0
        depth = np.float32(z0) + t * np.float32(dz) - np.sqrt(np.maximum(square, 0))
        nx = (px - t * np.float32(dx)) / radius
        ny = (py - t * np.float32(dy)) / radius
        step = np.int32(code * STEPS) + (t * np.float32(STEPS - 0.01)).astype(np.int32)
        self.put(where, inside, depth, step, nx, ny)

    def ball(self, centre: np.ndarray, axes: np.ndarray, code: int) -> None:
        """Ellipsoid: centre in samples, columns of ``axes`` are its semi-axes in samples."""
        reach = np.sqrt((axes**2).sum(axis=1))
        where = self.window(
            centre[0] - reach[0], centre[0] + reach[0], centre[1] - reach[1], centre[1] + reach[1]
        )
        if where is None:
            return
        inverse = np.linalg.inv(axes)
        m = (inverse.T @ inverse).astype(np.float32)
        up = inverse[1].astype(np.float32)
        px = self.xs[where[1]] - np.float32(centre[0])
        py = self.ys[where[0]] - np.float32(centre[1])
        linear = m[0, 2] * px + m[1, 2] * py
        plane = (m[0, 0] * px * px - 1) + m[1, 1] * py * py + (2 * m[0, 1] * px) * py
        square = linear * linear - m[2, 2] * plane
        inside = square > 0
        w = (-linear - np.sqrt(np.maximum(square, 0))) / m[2, 2]
        nx = m[0, 0] * px + m[0, 1] * py + m[0, 2] * w
        ny = m[0, 1] * px + m[1, 1] * py + m[1, 2] * w
        nz = linear + m[2, 2] * w
        norm = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
        t = np.clip(
            (up[0] * px + up[1] * py + up[2] * w) * np.float32(-0.5) + np.float32(0.5), 0, 1
        )
        step = np.int32(code * STEPS) + (t * np.float32(STEPS - 0.01)).astype(np.int32)
        self.put(where, inside, w + np.float32(centre[2]), step, nx * norm, ny * norm)

    def block(self, centre: np.ndarray, axes: np.ndarray, code: int) -> None:
        """Box: columns of ``axes`` are its half-edges in samples; met by slabs."""
        reach = np.abs(axes).sum(axis=1)
        where = self.window(
            centre[0] - reach[0], centre[0] + reach[0], centre[1] - reach[1], centre[1] + reach[1]
        )
        if where is None:
            return
        inverse = np.linalg.inv(axes)
        px = self.xs[where[1]] - np.float32(centre[0])
        py = self.ys[where[0]] - np.float32(centre[1])
        near = np.full((py.shape[0], px.shape[0]), -FAR, np.float32)
        far = np.full_like(near, FAR)
        nx, ny = np.zeros_like(near), np.zeros_like(near)
        for row in inverse:
            a, b, c = (np.float32(v) for v in row)
            c = c if abs(c) > 1e-7 else np.float32(1e-7)
            middle = (a * px + b * py) * np.float32(-1 / c)
            half = np.float32(abs(1 / c))
            closer = middle - half > near
            unit = np.array([a, b, c]) / np.linalg.norm([a, b, c]) * -np.sign(c)
            np.copyto(nx, np.float32(unit[0]), where=closer)
            np.copyto(ny, np.float32(unit[1]), where=closer)
            near = np.maximum(near, middle - half)
            far = np.minimum(far, middle + half)
        a, b, c = (np.float32(v) for v in inverse[1])
        t = np.clip(0.5 - 0.5 * (a * px + b * py + c * near), 0, 1)
        step = np.int32(code * STEPS) + (t * np.float32(STEPS - 0.01)).astype(np.int32)
        self.put(where, near < far, near + np.float32(centre[2]), step, nx, ny)


def rasterise(solid: Solid, camera: Camera, per_pixel: int = 2) -> Layer:
    """Draw a solid alone, in full, wherever it lies (also beyond the photo's edges)."""
    cones, balls = solid.cones, solid.balls + solid.blocks
    points = np.array([c[0] for c in cones] + [c[1] for c in cones] + [b[0] for b in balls])
    seen = camera.to_camera(points.reshape(-1, 3))
    seen[:, 2] = np.maximum(seen[:, 2], 0.2)
    middle = float(seen[:, 2].mean())
    per_metre = camera.focal * per_pixel / middle
    scale = camera.focal * per_pixel / seen[:, 2]
    spot = np.empty_like(seen)
    spot[:, :2] = seen[:, :2] * scale[:, None] + per_pixel * np.array(camera.centre)
    spot[:, 2] = (seen[:, 2] - middle) * per_metre
    n = len(cones)
    radii = np.array([c[2] for c in cones] + [c[3] for c in cones]) * scale[: 2 * n]
    axes = [camera.rotation @ b[1] * s for b, s in zip(balls, scale[2 * n :], strict=True)]
    reach = np.concatenate(
        [np.stack([radii, radii], 1), np.array([np.abs(a[:2]).sum(1) for a in axes]).reshape(-1, 2)]
    )  # fmt: skip
    low = np.floor((spot[:, :2] - reach).min(0)).astype(int) - 2
    high = np.ceil((spot[:, :2] + reach).max(0)).astype(int) + 3
    low, high = np.maximum(low, -_MARGIN), np.minimum(high, _MARGIN)
    canvas = _Canvas(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    spot[:, :2] -= low
    code = len(PARTS)
    for i, (_, _, _, _, part, paint) in enumerate(cones):
        canvas.cone(spot[i], spot[n + i], radii[i], radii[n + i], paint * code + part)
    for i, (_, _, part, paint) in enumerate(balls):
        draw = canvas.ball if i < len(solid.balls) else canvas.block
        draw(spot[2 * n + i], axes[i], paint * code + part)
    return _finished(canvas, middle, per_metre)


def _finished(canvas: _Canvas, middle: float, per_metre: float) -> Layer:
    mask = canvas.depth < FAR / 2
    which, step = np.divmod(canvas.code, STEPS)
    paint, part = np.divmod(which, len(PARTS))
    # Soften the creases between primitives so that they read as one skin.
    size = max(3, int(0.035 * per_metre) | 1)
    weight = cv2.blur(mask.astype(np.float32), (size, size)) + np.float32(1e-6)
    nx = cv2.blur(canvas.nx, (size, size)) / weight
    ny = cv2.blur(canvas.ny, (size, size)) / weight
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.02, 1))
    depth = np.where(mask, np.float32(middle) + canvas.depth / np.float32(per_metre), FAR)
    return Layer(
        left=canvas.left,
        top=canvas.top,
        depth=depth,
        part=part.astype(np.uint8),
        paint=paint * STEPS + step,
        normal=np.dstack([nx, ny, nz]),
        per_metre=per_metre,
    )
