"""What the server remembers of a visitor: bounded in bytes, short-lived, and nobody else's.

A visitor is known only by a random token that the page keeps in its own memory (no cookie, no
address, nothing on disk).  Under the token lie *views*: one analysed photo each.  A view leaves the
store when its visitor closes the page or asks for it, when nobody touched it for ``ttl_seconds``,
when the visitor opens more photos than ``max_views``, or when all visitors together hold more than
``max_bytes`` (least recently used first).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from posekit.errors import PoseKitError

T = TypeVar("T")


class SessionError(PoseKitError):
    """The visitor's token or photo is not, or no longer, in the store."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a :class:`SessionStore`.

    ``ttl_seconds``: a session untouched for so long is forgotten.  ``max_sessions``: visitors
    remembered at once. ``max_views``: photos remembered for one visitor.  ``max_bytes``: pixels and
    traces of everyone together.  ``max_answer_bytes``: explanations kept beside one photo.
    """

    ttl_seconds: float = 30 * 60
    max_sessions: int = 64
    max_views: int = 8  # Explore's photo, five panels beside it, and a little patience
    max_bytes: int = 1 << 30
    max_answer_bytes: int = 24 << 20


@dataclass
class _Held(Generic[T]):
    value: T
    own_nbytes: int
    answers: OrderedDict[Hashable, tuple[Any, int]] = field(default_factory=OrderedDict)

    @property
    def answer_nbytes(self) -> int:
        return sum(nbytes for _, nbytes in self.answers.values())

    @property
    def nbytes(self) -> int:
        return self.own_nbytes + self.answer_nbytes


class _Session(Generic[T]):
    """One visitor's views, oldest first, and when the visitor was last here."""

    def __init__(self, now: float) -> None:
        self.seen = now
        self.views: OrderedDict[str, _Held[T]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        return sum(held.nbytes for held in self.views.values())


class SessionStore(Generic[T]):
    """Views by session token and view id.  Every method is safe to call from several threads.

    ``clock`` returns seconds that never run backwards (tests pass their own).
    """

    def __init__(
        self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._lock = threading.Lock()
        # Ordered by last use, so the first session is always the one to give up first.
        self._sessions: OrderedDict[str, _Session[T]] = OrderedDict()

    def open(self) -> str:
        """Start a session and return its token: 256 random bits, impossible to guess."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._forget_stale()
            self._sessions[token] = _Session(self._clock())
            while len(self._sessions) > self.limits.max_sessions:
                self._sessions.popitem(last=False)
        return token

    def close(self, token: str) -> None:
        """Forget everything under ``token``; an unknown token is no error."""
        with self._lock:
            self._sessions.pop(token, None)

    def put(self, token: str, value: T, nbytes: int) -> str:
        """Keep ``value`` (``nbytes`` in size) for this visitor and return its view id.

        Raises :class:`SessionError` if the session is gone, or the value alone is over
        ``max_bytes``.
        """
        if nbytes > self.limits.max_bytes:
            raise SessionError(
                "This photo with its analysis is too large for this server to keep;"
                " draw fewer boxes or choose a smaller model."
            )
        view = secrets.token_urlsafe(12)
        with self._lock:
            session = self._touch(token)
            session.views[view] = _Held(value, nbytes)
            while len(session.views) > self.limits.max_views:
                session.views.popitem(last=False)
            self._shed(keep=(token, view))
        return view

    def get(self, token: str, view: str) -> T:
        """This visitor's view, marked as used; :class:`SessionError` if it is not there."""
        with self._lock:
            return self._held(token, view).value

    def touch(self, token: str) -> None:
        """Mark the visitor as here; :class:`SessionError` if the session is gone."""
        with self._lock:
            self._touch(token)

    def drop(self, token: str, view: str) -> None:
        """Forget one of the visitor's views now; one that is not there is no error."""
        with self._lock:
            self._touch(token).views.pop(view, None)

    def remember(self, token: str, view: str, key: Hashable, answer: Any, nbytes: int) -> None:
        """Keep an answer beside a view; the oldest ones make room, and all go with the view.

        Raises :class:`SessionError` if the view is not there.
        """
        with self._lock:
            held = self._held(token, view)
            held.answers.pop(key, None)
            held.answers[key] = answer, nbytes
            while held.answer_nbytes > self.limits.max_answer_bytes:
                held.answers.popitem(last=False)
            self._shed(keep=(token, view))

    def recall(self, token: str, view: str, key: Hashable) -> Any:
        """An answer kept beside a view, or None; :class:`SessionError` if the view is not there."""
        with self._lock:
            held = self._held(token, view)
            if key not in held.answers:
                return None
            held.answers.move_to_end(key)
            return held.answers[key][0]

    def sweep(self) -> None:
        """Forget every session that was not used for ``ttl_seconds``."""
        with self._lock:
            self._forget_stale()

    @property
    def nbytes(self) -> int:
        """Bytes held for all visitors together."""
        with self._lock:
            return self._total()

    def __len__(self) -> int:
        with self._lock:
            return len(self._sessions)

    def _held(self, token: str, view: str) -> _Held[T]:
        session = self._touch(token)
        held = session.views.get(view)
        if held is None:
            raise SessionError("The server no longer holds this photo; please choose it again.")
        session.views.move_to_end(view)
        return held

    def _touch(self, token: str) -> _Session[T]:
        self._forget_stale()
        session = self._sessions.get(token)
        if session is None:
            raise SessionError("This visit has expired; please choose the photo again.")
        session.seen = self._clock()
        self._sessions.move_to_end(token)
        return session

    def _forget_stale(self) -> None:
        oldest_kept = self._clock() - self.limits.ttl_seconds
        while self._sessions:
            token, session = next(iter(self._sessions.items()))
            if session.seen >= oldest_kept:
                break
            del self._sessions[token]

    def _total(self) -> int:
        return sum(session.nbytes for session in self._sessions.values())

    def _shed(self, keep: tuple[str, str]) -> None:
        """Drop least recently used views, other visitors' stale ones first, until the bytes fit."""
        total = self._total()
        for token, session in self._sessions.items():
            for view in list(session.views):
                if total <= self.limits.max_bytes:
                    return
                if (token, view) != keep:
                    total -= session.views.pop(view).nbytes
