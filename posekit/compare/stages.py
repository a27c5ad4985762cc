"""One progress out of several tasks, and the knowledge of having been stopped."""

from __future__ import annotations

from posekit.explain.batches import Progress

__all__ = ["Stages"]


class Stages:
    """Reports ``stages`` tasks of any length as one, 100 steps each."""

    def __init__(self, progress: Progress | None, stages: int) -> None:
        self._report, self._total, self._begun = progress, 100 * stages, 0
        self.stopped = False

    def next(self) -> Progress | None:
        """The progress to hand to the next task."""
        if self._report is None:
            return None
        start = min(100 * self._begun, self._total - 100)
        self._begun += 1

        def within(done: int, of: int) -> None:
            self._say(start + min(100, round(100 * done / max(1, of))))

        return within

    def end(self) -> None:
        """All is done, whether or not every task took place."""
        self._say(self._total)

    def _say(self, done: int) -> None:
        if self._report is None:
            return
        try:
            self._report(done, self._total)
        except BaseException:
            # The caller wants no more: this is no failure of the model at hand.
            self.stopped = True
            raise
