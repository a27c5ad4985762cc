"""Many passes of a network for one answer: bounded memory, progress, and a way to stop.

Every method that runs the network again does it through here. ``progress`` is called with
``(done, total)`` after each batch; an exception it raises ends the work and reaches the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from posekit.device import is_out_of_memory, release_memory
from posekit.errors import ModelError, TraceError

__all__ = ["BATCH_SIZE", "Progress", "batch_within", "in_batches", "within_memory"]

Progress = Callable[[int, int], None]
"""Called with (passes done, passes in all)."""

BATCH_SIZE = 8
"""Passes at once where nothing else is said: on a CPU larger batches leave its caches."""

Result = TypeVar("Result")


def batch_within(seconds: float, one_pass: float, most: int = BATCH_SIZE) -> int:
    """How many passes of ``one_pass`` seconds fit in ``seconds``: at least 1, at most ``most``.

    Work can be stopped, and tells how far it is, between batches: where a pass takes long, large
    batches would keep a person waiting.
    """
    return max(1, min(most, int(seconds / max(one_pass, 1e-6))))


def within_memory(run: Callable[[int], Result], size: int, device: torch.device) -> Result:
    """``run(size)``; after running out of memory again with half the size, down to 1.

    Raises:
        ModelError: memory does not even hold a batch of one.
        TraceError: the size is below 1.
    """
    return _largest(run, size, device)[0]


def in_batches(
    run: Callable[[slice], Result],
    count: int,
    size: int,
    device: torch.device,
    progress: Progress | None = None,
) -> Iterator[tuple[slice, Result]]:
    """Cut ``count`` passes into batches, and yield each slice with what ``run`` made of it.

    A batch that does not fit in memory is halved, and later ones stay that small.

    Raises:
        ModelError: memory does not even hold a batch of one.
        TraceError: the size is below 1.
    """
    done = 0
    while done < count:
        start = done

        def batch(n: int, start: int = start) -> Result:
            return run(slice(start, min(start + n, count)))

        part, size = _largest(batch, size, device)
        done = min(start + size, count)
        yield slice(start, done), part
        if progress is not None:
            progress(done, count)


def _largest(run: Callable[[int], Result], size: int, device: torch.device) -> tuple[Result, int]:
    """What ``run`` makes of the largest size that fits, and that size."""
    if size < 1:
        raise TraceError(f"The batch size is at least 1, not {size}.")
    while True:
        try:
            return run(size), size
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Past the except clause: the failed pass and its tensors are gone by now.
        release_memory(device)
        if size == 1:
            raise ModelError(
                "There is not enough memory for this explanation even with one pass at a time: "
                "choose a smaller model or another method, or close other programs."
            )
        size //= 2
