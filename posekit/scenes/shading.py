"""Colours a drawn figure: cloth and skin colours, light, contact shade, folds and a face."""

from __future__ import annotations

import cv2
import numpy as np

from posekit.scenes.body import Skeleton3D
from posekit.scenes.camera import Camera
from posekit.scenes.raster import Layer
from posekit.scenes.wardrobe import STEPS, Look


def shaded(
    layer: Layer,
    table: np.ndarray,
    light: np.ndarray,
    ambient: float,
    noise: np.ndarray,
    uneven: float,
) -> np.ndarray:
    """Colour of a layer, (h, w, 3) float32 RGB 0..255.

    light: (3,) unit vector towards the lamp in camera axes with z towards the camera.
    noise: a (n, n) float32 field around 0 for folds of cloth, of strength ``uneven``.
    """
    colour = table.reshape(-1, 3).take(layer.paint, axis=0)
    return colour * lit(layer, light, ambient, noise, uneven)[..., None]


def lit(
    layer: Layer, light: np.ndarray, ambient: float, noise: np.ndarray, uneven: float
) -> np.ndarray:
    """Brightness of every sample (h, w) float32: wrapped diffuse light, folds, contact shade."""
    normal, mask = layer.normal, layer.mask
    height, width = layer.shape_params()
    folds = cv2.resize(
        noise, None, fx=layer.per_metre / 300, fy=layer.per_metre / 300,
        interpolation=cv2.INTER_LINEAR,
    )  # fmt: skip
    folds = cv2.copyMakeBorder(
        folds[:height, :width],
        0, max(height - folds.shape[0], 0), 0, max(width - folds.shape[1], 0),
        cv2.BORDER_REFLECT,
    )  # fmt: skip
    diffuse = normal @ light.astype(np.float32)
    diffuse = np.clip(0.5 + 0.5 * diffuse + uneven * folds, 0, 1)
    # A sample that lies behind its neighbourhood (torso beside an arm) gets less sky.
    size = max(3, int(0.14 * layer.per_metre) | 1)
    weight = cv2.blur(mask.astype(np.float32), (size, size)) + np.float32(1e-6)
    around = cv2.blur(np.where(mask, layer.depth, 0), (size, size)) / weight
    hidden = np.clip((layer.depth - around) / np.float32(0.16), 0, 1)
    bright = ambient + (1.18 - ambient) * diffuse * np.sqrt(diffuse)
    return np.asarray(bright * (1 - 0.5 * hidden), dtype=np.float32)


def paint_face(
    colour: np.ndarray, layer: Layer, body: Skeleton3D, look: Look, camera: Camera, per_pixel: int
) -> None:
    """Paint eyes, brows, mouth, hairline and beard in place, in the head's own coordinates."""
    spot = camera.to_camera(body.head)
    scale = camera.focal * per_pixel / spot[2]
    middle = spot[:2] * scale + per_pixel * np.array(camera.centre) - (layer.left, layer.top)
    reach = 1.15 * float(body.head_axes.max()) * scale
    x0, x1 = max(int(middle[0] - reach), 0), min(int(middle[0] + reach) + 2, colour.shape[1])
    y0, y1 = max(int(middle[1] - reach), 0), min(int(middle[1] + reach) + 2, colour.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    window = (slice(y0, y1), slice(x0, x1))
    face = layer.paint[window] // STEPS == look.face
    if not face.any():
        return
    rows, columns = np.nonzero(face)
    seen = np.stack(
        [
            (columns + x0 - middle[0]) / scale,
            (rows + y0 - middle[1]) / scale,
            layer.depth[window][rows, columns] - spot[2],
        ]
    )
    frame = (camera.rotation @ body.head_frame).T / body.head_axes[:, None]
    u, v, w = frame @ seen
    side = np.abs(u)
    patch = colour[window]
    pixels = patch[rows, columns]
    front = w > 0.05
    hair, skin = look.table[look.hair, 0], look.table[look.face, 0]

    def ellipse(cu: float, cv: float, ru: float, rv: float) -> np.ndarray:
        return np.asarray(front & (((side - cu) / ru) ** 2 + ((v - cv) / rv) ** 2 < 1))

    def blend(where: np.ndarray, target: object, amount: float) -> None:
        pixels[where] = (1 - amount) * pixels[where] + amount * np.asarray(target)

    blend(ellipse(0.36, 0.1, 0.27, 0.2), skin * 0.62, 0.45)
    blend(ellipse(0.42, -0.32, 0.25, 0.2), (214, 110, 96), 0.14)
    blend(ellipse(0.0, -0.36, 0.17, 0.06), skin * 0.5, 0.5)
    blend(ellipse(0.36, 0.06, 0.17, 0.085), (236, 234, 230), 0.85)
    blend(ellipse(0.36, 0.06, 0.085, 0.1), (38, 28, 24), 0.95)
    blend(ellipse(0.37, 0.28, 0.22, 0.045), hair * 0.8, 0.8)
    blend(ellipse(0.0, -0.54, 0.29, 0.075), skin * (0.74, 0.42, 0.42), 0.9)
    blend(ellipse(0.0, -0.53, 0.27, 0.022), skin * 0.25, 0.8)
    if look.beard:
        jaw = (v < -0.4 - 0.25 * (w - 0.6)) & ~ellipse(0.0, -0.54, 0.29, 0.09)
        blend(jaw, hair, 0.75)
    if look.hair_style != "bald":
        blend(v > -0.3 + 1.25 * np.clip(w, -0.4, 0.82), hair * 0.95, 0.92)
    patch[rows, columns] = pixels
