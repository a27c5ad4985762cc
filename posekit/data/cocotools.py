"""The door to pycocotools, which comes with the optional extra ``train`` and prints as it works."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterator
from types import ModuleType

from posekit.errors import PackageError

__all__ = ["cocotools", "quiet"]


def cocotools(module: str) -> ModuleType:
    """``pycocotools.<module>``, imported when it is first needed.

    Raises:
        PackageError: pycocotools is not installed.
    """
    try:
        return importlib.import_module(f"pycocotools.{module}")
    except ImportError as error:
        raise PackageError(
            "Masks and OKS need pycocotools, which is not installed: pip install -e '.[train]'."
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what pycocotools prints: standard output belongs to results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
