"""Work done ahead in threads: the same results in the same order, and no more of it than asked."""

from __future__ import annotations

import threading
import time

import pytest

from posekit.data.ahead import MOST_THREADS, ahead


def test_results_come_in_order_whatever_finishes_first() -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert list(ahead(slow_first, range(50))) == [n * n for n in range(50)]
    assert list(ahead(slow_first, [])) == []


def test_an_error_is_raised_at_its_items_turn() -> None:
    def picky(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    taken = ahead(picky, range(10))
    assert [next(taken) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(taken)


def test_who_stops_asking_leaves_the_rest_undone() -> None:
    begun: list[int] = []
    taken = ahead(lambda n: begun.append(n), range(10_000))
    next(taken)
    taken.close()
    assert len(begun) <= 2 * MOST_THREADS + 1
    assert not [one for one in threading.enumerate() if one.name.startswith("ahead")]
