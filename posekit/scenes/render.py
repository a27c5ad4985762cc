"""Puts figures, objects, light and a backdrop together into one picture with exact truth."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from posekit.errors import DataError
from posekit.scenes.backdrop import KINDS, backdrop
from posekit.scenes.camera import Camera
from posekit.scenes.raster import FAR, Layer
from posekit.scenes.scene import KEYPOINTS, OBJECT, OUTSIDE, VISIBLE, Scene, ScenePerson
from posekit.scenes.shading import paint_face, shaded
from posekit.scenes.shadow import shadow
from posekit.scenes.shapes import PARTS
from posekit.scenes.staging import Actor, Occluder, stage
from posekit.scenes.texture import noise_field, piece

PER_PIXEL = 2
"""Samples per photo pixel and axis; every second sample lies on a pixel centre."""

NOBODY = VISIBLE

# How far (metres) the skin may lie in front of a keypoint that counts as seen, and the body parts
# it may belong to ("arm" fits "left upper arm" for a left keypoint).
_REACH = {
    "nose": (0.05, "head"), "eye": (0.05, "head"), "ear": (0.06, "head"),
    "shoulder": (0.16, "trunk upper"), "elbow": (0.12, "upper forearm"),
    "wrist": (0.10, "forearm hand"), "hip": (0.19, "trunk thigh"),
    "knee": (0.14, "thigh shin trunk"),
    "ankle": (0.12, "shin foot"), "neck": (0.17, "trunk head"), "head top": (0.17, "head"),
    "pelvis": (0.22, "trunk thigh"), "thorax": (0.2, "trunk upper"),
}  # fmt: skip


def render_scene(
    seed: int,
    *,
    size: tuple[int, int] = (240, 320),
    people: int = 1,
    occluder: Occluder | None = None,
    overlap: float = 0.5,
    pose: str | None = None,
    heading: float | None = None,
    background: Literal["field", "court", "street", "room", "studio", "clutter"] | None = None,
    fill: float | None = None,
    effects: bool = True,
) -> Scene:
    """Render a scene; the same arguments give the same picture and truth.

    Args:
        seed: any non-negative integer.
        size: (height, width) of the picture, at least 64 each.
        people: how many, 1 to 16 ("person" needs and makes at least 2, "crowd" at least 4).
        occluder: what hides person 0: "object" (something in front), "person" (person 1 in
            front), "arms" (the own crossed arms), "crowd" (people at random places, close
            together), or None (people side by side, little overlap).
        overlap: share of person 0 to hide with "object" and "person", 0.05 to 0.9.
        pose: name of a pose in ``POSES`` for person 0; random when None.
        heading: degrees that person 0 is turned from facing the camera; random when None.
        background: one of ``KINDS``; random when None.
        fill: size of the group as a share of the picture (above 1 it is cut off); random when None.
        effects: camera blur, noise and JPEG traces.

    Raises:
        DataError: an argument is out of range, or there is no such pose.
    """
    _check(seed, size, people, occluder, overlap, background, fill)
    rng = np.random.default_rng(seed)
    kind = background or str(rng.choice(KINDS, p=(0.26, 0.18, 0.18, 0.18, 0.08, 0.12)))
    actors, camera = stage(rng, size, people, occluder, overlap, pose, heading, fill, PER_PIXEL)
    # Own streams: what the backdrop draws must not change the light or the camera.
    for_light, for_backdrop, for_camera = rng.spawn(3)
    sun = _sun(for_light)
    picture = _background(kind, size, actors, camera, sun, for_backdrop)
    colour, owner = _figures(size, actors, sun, for_light)
    picture = _composited(picture, colour)
    pixels = (
        _developed(picture, for_camera)
        if effects
        else np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    )
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    seen = np.ascontiguousarray(owner[::PER_PIXEL, ::PER_PIXEL])
    seen.flags.writeable = False
    persons = [a for a in actors if a.body is not None]
    truth = tuple(_truth(i, actor, seen) for i, actor in enumerate(persons))
    return Scene(pixels=pixels, people=truth, owner=seen, seed=seed, background=kind)


def _check(
    seed: int,
    size: tuple[int, int],
    people: int,
    occluder: str | None,
    overlap: float,
    background: str | None,
    fill: float | None,
) -> None:
    if seed < 0:
        raise DataError("The seed of a scene must not be negative.")
    if min(size) < 64 or max(size) > 4096:
        raise DataError("A scene must be 64 to 4096 pixels high and wide.")
    if not 1 <= people <= 16:
        raise DataError("A scene shows 1 to 16 people.")
    if occluder not in (None, "object", "person", "arms", "crowd"):
        raise DataError(
            f'There is no occluder {occluder!r}; choose "object", "person", "arms" or "crowd".'
        )
    if not 0.05 <= overlap <= 0.9:
        raise DataError("The overlap must lie between 0.05 and 0.9.")
    if background is not None and background not in KINDS:
        raise DataError(f"There is no background {background!r}; choose {', '.join(KINDS)}.")
    if fill is not None and not 0.2 <= fill <= 3:
        raise DataError("The fill must lie between 0.2 and 3.")


def _sun(rng: np.random.Generator) -> np.ndarray:
    """Unit vector towards the light, world axes; mostly from the camera's side."""
    azimuth = np.radians(rng.normal(0, 65))
    height = np.radians(rng.uniform(28, 70))
    flat = np.cos(height)
    return np.array([flat * np.sin(azimuth), np.sin(height), flat * np.cos(azimuth)])


def _background(
    kind: str,
    size: tuple[int, int],
    actors: list[Actor],
    camera: Camera,
    sun: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    far = max(a.distance for a in actors) + 1.0
    picture, ground = backdrop(kind, size, camera, far, rng)
    blur = rng.choice([0.0, 0.0025, 0.006], p=[0.3, 0.4, 0.3]) * max(size)
    if blur > 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    if kind != "clutter":
        dark = np.zeros(size, np.float32)
        for actor in actors:
            np.maximum(dark, shadow(actor.solid, actor.camera, size, sun), out=dark)
        rows = np.flatnonzero((dark * ground).any(axis=1))
        if len(rows):
            part = slice(rows[0], rows[-1] + 1)
            picture[part] *= (1 - dark[part] * ground[part])[..., None]
    return picture


def _figures(
    size: tuple[int, int], actors: list[Actor], sun: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """RGBA (2H, 2W, 4) uint8 of people and objects, and owner (2H, 2W) int8 of each sample."""
    height, width = size[0] * PER_PIXEL, size[1] * PER_PIXEL
    depth = np.full((height, width), FAR, np.float32)
    colour = np.zeros((height, width, 4), np.uint8)
    owner = np.full((height, width), NOBODY, np.int8)
    ambient = rng.uniform(0.34, 0.62)
    person = 0
    for actor in actors:
        light = actor.camera.rotation @ sun * (1, 1, -1)
        layer = actor.layer
        noise = np.roll(noise_field(6.0), rng.integers(0, 512, 2), (0, 1))
        paint = shaded(
            layer, actor.table, light, ambient, noise, 0.015 if actor.body is None else 0.05
        )
        index = OBJECT
        if actor.body is not None and actor.look is not None:
            paint_face(paint, layer, actor.body, actor.look, actor.camera, PER_PIXEL)
            index, person = person, person + 1
        there, here = _windows(layer, (height, width))
        if there is None or here is None:
            continue
        nearer = layer.depth[here] < depth[there]
        np.copyto(depth[there], layer.depth[here], where=nearer)
        solid = np.full((*nearer.shape, 4), 255, np.uint8)
        solid[..., :3] = np.clip(paint[here] + np.float32(0.5), 0, 255)
        cv2.copyTo(solid, nearer.astype(np.uint8), colour[there])
        np.copyto(owner[there], np.int8(index), where=nearer)
    return colour, owner


def _windows(
    layer: Layer, size: tuple[int, int]
) -> tuple[tuple[slice, slice] | None, tuple[slice, slice] | None]:
    """Where a layer lies on the sample grid, and which of its samples those are."""
    height, width = layer.depth.shape
    top, left = max(layer.top, 0), max(layer.left, 0)
    bottom, right = min(layer.top + height, size[0]), min(layer.left + width, size[1])
    if top >= bottom or left >= right:
        return None, None
    there = (slice(top, bottom), slice(left, right))
    here = (
        slice(top - layer.top, bottom - layer.top),
        slice(left - layer.left, right - layer.left),
    )
    return there, here


def _composited(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Blend figures over the picture; pyrDown filters around every second sample."""
    small = cv2.pyrDown(colour)
    rows = np.flatnonzero(small[..., 3].any(axis=1))
    columns = np.flatnonzero(small[..., 3].any(axis=0))
    if not len(rows):
        return picture
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    cover = (255 - small[part][..., 3:]).astype(np.float32) * np.float32(1 / 255)
    picture[part] = picture[part] * cover + small[part][..., :3]
    return picture


def _developed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera does: tone, white balance, vignette, blur, grain and JPEG."""
    height, width = picture.shape[:2]
    picture = picture * (1 + rng.normal(0, 0.03, 3).astype(np.float32))
    contrast, middle = np.float32(rng.uniform(0.85, 1.15)), np.float32(picture.mean())
    picture = (picture - middle) * contrast + middle + np.float32(rng.normal(0, 8))
    blur = rng.uniform(0, 0.75) * max(1.0, max(height, width) / 640)
    if blur > 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.float32)
    grain = rng.uniform(0.4, 3.4)
    picture += np.float32(grain) * piece(noise_field(), (height, width), rng)[..., None]
    picture[..., 0] += np.float32(0.4 * grain) * piece(noise_field(), (height, width), rng)
    pixels = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    quality = int(rng.integers(55, 95))
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)) if done else pixels


def _truth(index: int, actor: Actor, owner: np.ndarray) -> ScenePerson:
    assert actor.body is not None
    height, width = owner.shape
    body, layer, camera = actor.body, actor.layer, actor.camera
    world = actor.keypoints
    points = camera.project(world)
    distances = camera.to_camera(world)[:, 2]
    there, here = _windows(layer, (height * PER_PIXEL, width * PER_PIXEL))
    surface = np.full((height * PER_PIXEL, width * PER_PIXEL), FAR, np.float32)
    part = np.zeros(surface.shape, np.uint8)
    if there is not None and here is not None:
        surface[there], part[there] = layer.depth[here], layer.part[here]
    surface, part = surface[::PER_PIXEL, ::PER_PIXEL], part[::PER_PIXEL, ::PER_PIXEL]
    mask = surface < FAR / 2
    hidden_by = np.empty(len(KEYPOINTS), np.int64)
    for i, name in enumerate(KEYPOINTS):
        column, row = (int(v) for v in np.floor(points[i] + 0.5))
        if not (0 <= row < height and 0 <= column < width):
            hidden_by[i] = OUTSIDE
        elif owner[row, column] not in (index, NOBODY):
            hidden_by[i] = owner[row, column]
        else:
            gap = distances[i] - float(surface[row, column])
            hidden = mask[row, column] and _self_hidden(name, gap / body.unit, part[row, column])
            hidden_by[i] = index if hidden else VISIBLE
    visible_mask = np.asarray(owner == index)
    for array in (points, hidden_by, mask, visible_mask):
        array.flags.writeable = False
    return ScenePerson(
        index=index, points=points, hidden_by=hidden_by, mask=mask,
        visible_mask=visible_mask, distance=actor.distance,
        pose=actor.pose, heading=actor.heading,
    )  # fmt: skip


def _self_hidden(name: str, gap: float, part: int) -> bool:
    side, _, rest = name.partition(" ") if name.startswith(("left", "right")) else ("", "", name)
    reach, parts = _REACH[rest]
    if gap > reach:
        return True
    where = PARTS[part]
    other_side = where.startswith(("left", "right")) and side and not where.startswith(side)
    # A touching part of another limb hides the keypoint only when it clearly lies in front.
    fits = not other_side and any(word in where for word in parts.split())
    return not fits and gap > 0.5 * reach
