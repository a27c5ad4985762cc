"""The errors PoseKit raises on purpose.

Each carries one sentence that says what is wrong and, where possible, what to do about it: the
page and the command line show that sentence as it stands, without a traceback.
"""

from __future__ import annotations

__all__ = [
    "BoxError",
    "DataError",
    "DownloadError",
    "LibraryError",
    "ModelError",
    "OcclusionError",
    "PackageError",
    "PhotoError",
    "PoseKitError",
    "SkeletonError",
    "TraceError",
    "WeightsError",
]


class PoseKitError(Exception):
    """Base of every error a caller of PoseKit is expected to handle."""


class PhotoError(PoseKitError):
    """The picture cannot be used: not an image, damaged, too large, too small, unsupported."""


class BoxError(PoseKitError):
    """A person box is not finite, has no area, or lies outside the photo."""


class SkeletonError(PoseKitError):
    """An unknown skeleton or keypoint was named, or a skeleton contradicts itself."""


class ModelError(PoseKitError):
    """An unknown model, or a model, device or input size that cannot be used."""


class WeightsError(PoseKitError):
    """A weights file is missing, damaged, unsafe to read, or belongs to another model."""


class DownloadError(WeightsError):
    """A weights file could not be fetched, or what came is not what was expected."""


class TraceError(PoseKitError):
    """A recording holds no attention of the kind, layer, head or token that was asked for."""


class DataError(PoseKitError):
    """A data set or annotation file is missing or malformed."""


class OcclusionError(PoseKitError):
    """An occluder, a mask or a study cannot be: outside the photo, empty, or not well formed."""


class LibraryError(PoseKitError):
    """A case library cannot be read or written, or holds no such case."""


class PackageError(PoseKitError):
    """An optional package that this work needs is not installed."""
