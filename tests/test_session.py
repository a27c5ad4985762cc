"""The visitors' store: bounded, expiring, private, and safe with several threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gate import BusyError, Gate
from app.session import Limits, SessionError, SessionStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_is_put_is_got_back(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(clock=clock)
    token = store.open()
    assert store.get(token, store.put(token, "photo", 10)) == "photo"
    assert store.nbytes == 10


def test_tokens_and_views_cannot_be_guessed_from_one_another(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(clock=clock)
    tokens = [store.open() for _ in range(20)]
    views = [store.put(token, "x", 1) for token in tokens]
    assert len({*tokens, *views}) == 40
    assert all(len(token) >= 43 for token in tokens)  # 32 bytes, in base64


def test_a_view_belongs_to_one_visitor(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(clock=clock)
    mine, yours = store.open(), store.open()
    view = store.put(mine, "my photo", 10)
    with pytest.raises(SessionError, match="choose it again"):
        store.get(yours, view)
    with pytest.raises(SessionError, match="expired"):
        store.get("no such token", view)
    assert store.get(mine, view) == "my photo"


def test_closing_forgets_and_may_be_repeated(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(clock=clock)
    token = store.open()
    view = store.put(token, "photo", 10)
    store.close(token)
    store.close(token)
    assert (len(store), store.nbytes) == (0, 0)
    with pytest.raises(SessionError):
        store.get(token, view)


def test_a_session_expires_when_nobody_touches_it(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(ttl_seconds=100), clock)
    token = store.open()
    view = store.put(token, "photo", 10)
    for clock.now in (99.0, 198.0, 297.0):  # each look starts the time afresh
        assert store.get(token, view) == "photo"
    clock.now = 397.1
    with pytest.raises(SessionError):
        store.get(token, view)
    assert (len(store), store.nbytes) == (0, 0)


def test_sweeping_forgets_the_stale_and_only_them(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(ttl_seconds=100), clock)
    old = store.open()
    store.put(old, "old", 10)
    clock.now = 60.0
    young = store.open()
    view = store.put(young, "young", 7)
    clock.now = 130.0
    store.sweep()
    assert (len(store), store.nbytes) == (1, 7)
    assert store.get(young, view) == "young"


def test_one_visitor_keeps_the_latest_views(clock: Clock) -> None:
    store: SessionStore[int] = SessionStore(Limits(max_views=2), clock)
    token = store.open()
    first, second = store.put(token, 1, 1), store.put(token, 2, 1)
    store.get(token, first)  # now the second is the one used longest ago
    third = store.put(token, 3, 1)
    assert (store.get(token, first), store.get(token, third)) == (1, 3)
    with pytest.raises(SessionError):
        store.get(token, second)


def test_bytes_are_bounded_and_the_least_recently_used_visitor_pays(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(max_bytes=100), clock)
    a, b, c = store.open(), store.open(), store.open()
    view_a, view_b = store.put(a, "a", 40), store.put(b, "b", 40)
    store.get(a, view_a)
    view_c = store.put(c, "c", 40)
    assert store.nbytes == 80
    assert (store.get(a, view_a), store.get(c, view_c)) == ("a", "c")
    with pytest.raises(SessionError):
        store.get(b, view_b)


def test_what_can_never_fit_is_refused_and_costs_nobody_a_photo(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(max_bytes=100), clock)
    token = store.open()
    view = store.put(token, "small", 60)
    with pytest.raises(SessionError, match="too large"):
        store.put(token, "huge", 101)
    assert store.get(token, view) == "small"


def test_the_number_of_visitors_is_bounded(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(max_sessions=2), clock)
    first = store.open()
    store.open()
    store.open()
    assert len(store) == 2
    with pytest.raises(SessionError):
        store.put(first, "photo", 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), max_size=40))
def test_the_bounds_hold_whatever_is_put(puts: list[tuple[int, int]]) -> None:
    limits = Limits(max_bytes=100, max_views=3, max_sessions=4)
    store: SessionStore[int] = SessionStore(limits, Clock())
    tokens = [store.open() for _ in range(4)]
    for visitor, nbytes in puts:
        view = store.put(tokens[visitor], nbytes, nbytes)
        assert store.nbytes <= limits.max_bytes
        assert store.get(tokens[visitor], view) == nbytes  # the newest always survives


def test_two_threads_never_see_each_others_views() -> None:
    store: SessionStore[tuple[int, int]] = SessionStore(Limits(max_bytes=10_000, max_views=4))
    wrong: list[object] = []

    def visit(visitor: int) -> None:
        token = store.open()
        for number in range(300):
            view = store.put(token, (visitor, number), 5)
            if store.get(token, view) != (visitor, number):
                wrong.append((visitor, number))
        store.close(token)

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (len(store), store.nbytes) == (0, 0)


def test_the_gate_lets_one_through_and_turns_the_rest_away() -> None:
    gate = Gate(running=1, waiting=0)
    with gate.enter(), pytest.raises(BusyError, match="try again"), gate.enter():
        pass
    with gate.enter():  # and opens again
        pass


def test_the_gate_runs_one_at_a_time() -> None:
    gate = Gate(running=1, waiting=8)
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with gate.enter():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.01)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_who_waits_too_long_is_told_so_and_leaves_the_line() -> None:
    gate = Gate(running=1, waiting=1, patience_seconds=0.01)
    with gate.enter():
        for _ in range(3):  # a place in line that was not given back would change the sentence
            with pytest.raises(BusyError, match="still busy"), gate.enter():
                pass


def test_answers_go_with_their_view(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(max_views=1), clock=clock)
    token = store.open()
    view = store.put(token, "photo", 10)
    assert store.recall(token, view, "rollout") is None
    store.remember(token, view, "rollout", "map", 5)
    assert store.recall(token, view, "rollout") == "map" and store.nbytes == 15
    store.remember(token, view, "rollout", "another", 7)
    assert store.recall(token, view, "rollout") == "another" and store.nbytes == 17
    store.put(token, "next photo", 10)
    assert store.nbytes == 10
    for call in (lambda: store.recall(token, view, "rollout"), lambda: store.get(token, view)):
        with pytest.raises(SessionError, match="choose it again"):
            call()
    with pytest.raises(SessionError):
        store.remember(token, view, "rollout", "late", 5)


def test_answers_are_bounded_and_the_oldest_make_room(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(max_answer_bytes=100), clock=clock)
    token = store.open()
    view = store.put(token, "photo", 10)
    for name in "abc":
        store.remember(token, view, name, name, 40)
        store.recall(token, view, "a")  # which keeps it young
    assert [store.recall(token, view, name) for name in "abc"] == ["a", None, "c"]
    store.remember(token, view, "huge", "huge", 101)
    assert store.recall(token, view, "huge") is None and store.nbytes <= 110


def test_an_answer_belongs_to_one_visitor(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(clock=clock)
    mine, yours = store.open(), store.open()
    view = store.put(mine, "photo", 10)
    store.remember(mine, view, "rollout", "my map", 5)
    with pytest.raises(SessionError):
        store.recall(yours, view, "rollout")
    clock.now += store.limits.ttl_seconds + 1
    store.sweep()
    assert store.nbytes == 0


def test_everybody_s_answers_count(clock: Clock) -> None:
    store: SessionStore[str] = SessionStore(Limits(max_bytes=100), clock=clock)
    first, second = store.open(), store.open()
    old = store.put(first, "photo", 40)
    new = store.put(second, "photo", 40)
    store.remember(second, new, "rise", "map", 30)
    assert store.nbytes == 70  # the first visitor's photo made room
    with pytest.raises(SessionError):
        store.get(first, old)
