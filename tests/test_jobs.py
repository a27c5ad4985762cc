"""Jobs: one a visitor, in line, watched, stopped for good, and never another visitor's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.gate import BusyError
from app.jobs import JobError, Jobs, StoppedError
from posekit.errors import TraceError
from posekit.explain.batches import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Long:
    """Work of many steps, each of which the test allows."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.step = threading.Semaphore(0)
        self.steps = 0
        self.ended = threading.Event()

    def __call__(self, progress: Progress) -> str:
        self.began.set()
        try:
            for _ in range(1000):
                assert self.step.acquire(timeout=10)
                self.steps += 1
                progress(self.steps, 1000)
            return "all"
        finally:
            self.ended.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(clock: Clock) -> Jobs:
    return Jobs(most=3, most_seconds=300, patience_seconds=90, clock=clock)


@pytest.fixture
def long() -> Iterator[Long]:
    work = Long()
    yield work
    for _ in range(2000):  # whatever still runs comes to its end
        work.step.release()


def test_quick_work_is_answered_at_once_and_then_forgotten(jobs: Jobs) -> None:
    job = jobs.start("me", "Rollout", lambda progress: {"answer": 42})
    seen, before = jobs.look("me", job.id, 5)
    assert (seen.state, seen.result, before) == ("done", {"answer": 42}, 0)
    with pytest.raises(JobError, match="start it again"):
        jobs.look("me", job.id)


def test_progress_is_told(jobs: Jobs, long: Long) -> None:
    job = jobs.start("me", "RISE", long)
    long.step.release()
    long.step.release()
    assert long.began.wait(5)
    while job.done < 2:
        pass
    seen, _ = jobs.look("me", job.id)
    assert (seen.state, seen.done, seen.total) == ("running", 2, 1000)


def test_a_stop_ends_the_work_with_its_next_step(jobs: Jobs, long: Long) -> None:
    job = jobs.start("me", "RISE", long)
    assert long.began.wait(5)
    jobs.stop("me")
    long.step.release()
    assert long.ended.wait(5) and long.steps == 1
    with pytest.raises(StoppedError, match=r"^RISE was stopped\.$"):
        jobs.look("me", job.id, 5)


def test_a_waiting_job_is_stopped_before_it_begins(jobs: Jobs, long: Long) -> None:
    jobs.start("other", "RISE", long)
    assert long.began.wait(5)
    never = jobs.start("me", "Occlusion", lambda progress: pytest.fail("it ran"))
    _, before = jobs.look("me", never.id)
    assert before == 1
    jobs.stop("me")
    with pytest.raises(StoppedError, match="Occlusion was stopped"):
        jobs.look("me", never.id, 5)


def test_a_new_question_takes_the_place_of_the_old(jobs: Jobs, long: Long) -> None:
    old = jobs.start("me", "RISE", long)
    assert long.began.wait(5)
    new = jobs.start("me", "Rollout", lambda progress: "new")
    long.step.release()
    assert jobs.look("me", new.id, 5)[0].result == "new"
    assert long.ended.wait(5) and long.steps == 1
    with pytest.raises(JobError):
        jobs.look("me", old.id)


def test_a_job_belongs_to_one_visitor(jobs: Jobs, long: Long) -> None:
    job = jobs.start("me", "RISE", long)
    assert long.began.wait(5)
    for token, wanted in (("you", job.id), ("", job.id), ("me", "guess")):
        with pytest.raises(JobError):
            jobs.look(token, wanted)
    jobs.stop("you")
    long.step.release()
    assert jobs.look("me", job.id)[0].state == "running"


def test_the_line_is_bounded(jobs: Jobs, long: Long) -> None:
    jobs.start("a", "RISE", long)
    assert long.began.wait(5)
    for name in "bc":
        jobs.start(name, "RISE", long)
    with pytest.raises(BusyError, match="try again"):
        jobs.start("d", "RISE", long)
    jobs.start("b", "Rollout", long)  # in the place of their own


def test_what_nobody_watches_is_stopped(jobs: Jobs, long: Long, clock: Clock) -> None:
    job = jobs.start("me", "RISE", long)
    assert long.began.wait(5)
    jobs.start("gone", "Rollout", lambda progress: None)
    clock.now = 80
    jobs.look("me", job.id)
    long.step.release()
    clock.now = 160  # 80 seconds after the last look at mine, 160 after the other's
    jobs.start("new", "Rollout", lambda progress: None)
    assert len(jobs) == 2
    clock.now = 200
    long.step.release()
    long.step.release()
    assert long.ended.wait(5) and long.steps <= 2
    assert job.ended.wait(5) and "did not ask for it" in str(job.error)


def test_nothing_runs_for_ever(jobs: Jobs, long: Long, clock: Clock) -> None:
    job = jobs.start("me", "RISE", long)
    assert long.began.wait(5)
    for clock.now in (80.0, 160.0, 240.0, 301.0):
        jobs.look("me", job.id)
    long.step.release()
    with pytest.raises(StoppedError, match="longer than 5 minutes"):
        jobs.look("me", job.id, 5)


def test_errors_reach_the_visitor_and_the_thread_goes_on(jobs: Jobs) -> None:
    def refused(progress: Progress) -> None:
        raise TraceError("No left wrist was found.")

    def broken(progress: Progress) -> None:
        raise ZeroDivisionError

    job = jobs.start("me", "RISE", refused)
    with pytest.raises(TraceError, match="No left wrist"):
        jobs.look("me", job.id, 5)
    job = jobs.start("me", "RISE", broken)
    with pytest.raises(ZeroDivisionError):
        jobs.look("me", job.id, 5)
    job = jobs.start("me", "RISE", lambda progress: "fine")
    assert jobs.look("me", job.id, 5)[0].result == "fine"


def test_a_job_that_is_over_lets_go_of_its_photo(jobs: Jobs) -> None:
    import gc
    import weakref

    class Photo:
        pass

    photo = Photo()
    gone = weakref.ref(photo)

    def work(progress: Progress, photo: Photo | None = photo) -> None:
        try:
            raise ValueError
        except ValueError as error:
            raise TraceError("No left wrist was found.") from error

    job = jobs.start("me", "RISE", work)
    assert job.ended.wait(5)
    del photo, work
    gc.collect()
    assert gone() is None


def test_a_page_stops_only_the_job_that_it_started_itself(jobs: Jobs, long: Long) -> None:
    job = jobs.start("me", "RISE", long, "explore")
    assert long.began.wait(10)
    jobs.stop("me", "replaced", "compare")
    long.step.release()
    assert jobs.look("me", job.id)[0] is job and not job.reason
    jobs.stop("me", "replaced", "explore")
    long.step.release()
    assert long.ended.wait(10)
    with pytest.raises(JobError):
        jobs.look("me", job.id)
