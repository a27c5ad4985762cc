"""One model run at a time, a short line in front of it, and a sentence for those after that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from posekit.errors import PoseKitError


class BusyError(PoseKitError):
    """Too many visitors are waiting for the model."""


class Gate:
    """Lets ``running`` callers through at once and keeps at most ``waiting`` more in line."""

    def __init__(self, running: int = 1, waiting: int = 12, patience_seconds: float = 90.0) -> None:
        self._places = threading.BoundedSemaphore(running + waiting)
        self._turn = threading.BoundedSemaphore(running)
        self._patience_seconds = patience_seconds

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Wait for a turn; :class:`BusyError` when the line is full or the wait too long."""
        if not self._places.acquire(blocking=False):
            raise BusyError(
                "Many people are using this server right now; please try again in a minute."
            )
        try:
            if not self._turn.acquire(timeout=self._patience_seconds):
                raise BusyError(
                    "The model is still busy with other photos; please try again in a minute."
                )
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._places.release()
