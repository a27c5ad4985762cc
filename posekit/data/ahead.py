"""Doing a slow thing to many items a few ahead of whoever asks, in threads.

Decoding photographs leaves Python's lock free for most of the time; on a machine lent by the
minute, reading a data set on one of its many cores would cost a good part of the loan.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["ahead"]

MOST_THREADS = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``map(function, items)``, in the same order, worked on a few items ahead.

    Args:
        function: may run in several threads at once; what it raises is raised when its item's
            turn comes.
        items: taken from one thread, twice as many ahead as there are threads.
    """
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    waiting = iter(items)
    pool = ThreadPoolExecutor(threads, "ahead")
    try:
        running: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(waiting, 2 * threads)
        )
        while running:
            done = running.popleft()
            running.extend(pool.submit(function, item) for item in islice(waiting, 1))
            yield done.result()
    finally:
        # Also when nobody asks any further: what has not begun need not begin.
        pool.shutdown(cancel_futures=True)
