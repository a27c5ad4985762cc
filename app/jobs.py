"""Explanations that take their time: one after another, watched, and stopped when nobody waits.

A visitor has one job at most; a new one takes the place of the old.  Jobs wait in one line and run
on one thread of their own, so that photos and clicks are answered meanwhile.  Stopping works
through the progress that every long method reports: the report raises, and the method ends there.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from app.gate import BusyError
from posekit.errors import PoseKitError
from posekit.explain.batches import Progress

log = logging.getLogger("posekit.app")

Task = Callable[[Progress], Any]
"""What a job does: it reports (done, total) now and then, and returns the result."""

REASONS = {
    "visitor": "{label} was stopped.",
    "photo": "The photo changed while {label} was being computed for it, so it was stopped.",
    "replaced": "{label} was stopped, because something else was asked for.",
    "gone": "The visit ended while {label} was being computed, so it was stopped.",
    "unwatched": "{label} was stopped, because the page did not ask for it any more.",
    "long": (
        "{label} took longer than {minutes:.0f} minutes and was stopped;"
        " choose a quicker method or a smaller model."
    ),
}


class StoppedError(PoseKitError):
    """The job was ended before it was done; the sentence says why."""


class JobError(PoseKitError):
    """There is no such job, or not any more."""


@dataclass(eq=False)
class Job:
    """One piece of work.

    Attributes:
        token: the visitor's.
        page: of the page that started it, its name; empty where that matters to nobody.
        label: what is computed, in words.
        state: ``waiting``, ``running``, ``done`` or ``failed``.
        done: passes done.
        total: passes in all, 0 while that is not known.
        result: what came out.
        error: why it failed.
    """

    token: str
    label: str
    task: Task
    seen: float
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: str = "waiting"
    done: int = 0
    total: int = 0
    result: Any = None
    error: BaseException | None = None
    page: str = ""
    reason: str = ""
    began: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)


class Jobs:
    """The jobs of all visitors.  Every method is safe to call from several threads.

    Args:
        most: jobs remembered at once, waiting ones included.
        most_seconds: a job that runs longer is stopped.
        patience_seconds: a job that its page did not look at for so long is stopped.
        clock: seconds that never run backwards (tests pass their own).
    """

    def __init__(
        self,
        most: int = 32,
        most_seconds: float = 600.0,
        patience_seconds: float = 90.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.most_seconds, self.patience_seconds = most, most_seconds, patience_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # by visitor, oldest first
        self._thread: threading.Thread | None = None

    def start(self, token: str, label: str, task: Task, page: str = "") -> Job:
        """Put a job in line; the visitor's earlier one is stopped, whichever page started it.

        Raises:
            BusyError: the line is full.
        """
        job = Job(token, label, task, self._clock(), page=page)
        with self._changed:
            self._stop(token, "replaced")
            self._forget_stale()
            if len(self._jobs) >= self.most:
                raise BusyError(
                    "Many people are computing something right now; please try again in a minute."
                )
            self._jobs[token] = job
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="posekit-jobs", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return job

    def look(self, token: str, job_id: str, wait_seconds: float = 0.0) -> tuple[Job, int]:
        """The visitor's job, and how many are before it; returns sooner when it ends.

        A job that ended is forgotten once it was looked at.

        Raises:
            JobError: the visitor has no such job.
            StoppedError: it was stopped; the sentence says why.
            Exception: what it failed with.
        """
        with self._changed:
            job = self._jobs.get(token)
            if job is None or job.id != job_id:
                raise JobError("This computation is no longer under way; please start it again.")
            job.seen = self._clock()
        job.ended.wait(wait_seconds)
        with self._changed:
            job.seen = self._clock()
            if job.state in ("done", "failed") and self._jobs.get(token) is job:
                del self._jobs[token]
            before = [one.state for one in self._jobs.values()]
            place = list(self._jobs).index(token) if token in self._jobs else 0
        if job.error is not None:
            raise job.error
        return job, sum(state in ("waiting", "running") for state in before[:place])

    def stop(self, token: str, why: str = "visitor", page: str | None = None) -> None:
        """Stop the visitor's job, if there is one; ``why`` is one of :data:`REASONS`.

        A page that still looks is told the reason once.  With ``page``, only a job that this page
        started is stopped: what one page no longer needs, another may be waiting for.
        """
        with self._changed:
            job = self._jobs.get(token)
            if job is not None and page in (None, job.page):
                self._stop(token, why)

    def __len__(self) -> int:
        with self._changed:
            return len(self._jobs)

    def _stop(self, token: str, why: str) -> None:
        job = self._jobs.get(token)
        if job is None or job.state in ("done", "failed"):
            return
        job.reason = why
        if job.state == "waiting":
            self._end(job, error=self._stopped(job))
        if why in ("replaced", "gone"):  # nobody will look at it again
            del self._jobs[token]

    def _stopped(self, job: Job) -> StoppedError:
        words = REASONS[job.reason].format(label=job.label, minutes=self.most_seconds / 60)
        return StoppedError(words[0].upper() + words[1:])

    def _end(self, job: Job, *, result: Any = None, error: BaseException | None = None) -> None:
        job.result, job.error = result, error
        job.state = "done" if error is None else "failed"
        job.task = _nothing  # what it holds, photo and trace among it, may go
        job.ended.set()

    def _forget_stale(self) -> None:
        """Drop jobs that ended, or wait, and that no page looked at for a while."""
        oldest = self._clock() - self.patience_seconds
        for token, job in list(self._jobs.items()):
            if job.seen < oldest and job.state != "running":
                job.reason = "unwatched"
                if job.state == "waiting":
                    self._end(job, error=self._stopped(job))
                del self._jobs[token]

    def _work(self) -> None:
        while True:
            with self._changed:
                while (job := self._next()) is None:
                    self._changed.wait()
                job.state, job.began = "running", self._clock()
            try:
                result, error = job.task(partial(self._report, job)), None
            except BaseException as problem:  # told to the visitor who looks
                if not isinstance(problem, PoseKitError):
                    log.exception("a computation failed: %s", job.label)
                # The frames of a traceback would hold on to the photo and its tensors.
                problem.__context__ = problem.__cause__ = None
                result, error = None, problem.with_traceback(None)
            with self._changed:
                if job.reason and error is None:
                    result, error = None, self._stopped(job)
                self._end(job, result=result, error=error)

    def _next(self) -> Job | None:
        self._forget_stale()
        return next((job for job in self._jobs.values() if job.state == "waiting"), None)

    def _report(self, job: Job, done: int, total: int) -> None:
        """Called by the work itself after each batch; raises when it should end."""
        with self._changed:
            now = self._clock()
            job.done, job.total = done, total
            if not job.reason and now - job.seen > self.patience_seconds:
                job.reason = "unwatched"
            if not job.reason and now - job.began > self.most_seconds:
                job.reason = "long"
            if job.reason:
                raise self._stopped(job)


def _nothing(_: Progress) -> None:
    """In the place of work that is over."""
