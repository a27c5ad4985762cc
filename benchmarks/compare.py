"""Times and memory of two ways to do one thing, measured turn by turn in the same run.

A machine is never quiet, so the two are not timed one after the other but in alternation: what
slows one slows the other, and the ratio of their medians holds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile


@dataclass(frozen=True)
class Ratio:
    """One line of the table. Seconds are medians; bytes are peaks, None where not measured."""

    what: str
    baseline: str
    seconds: float
    baseline_seconds: float
    bytes: int | None = None
    baseline_bytes: int | None = None

    @property
    def time(self) -> float:
        """How many times as fast as the baseline."""
        return self.baseline_seconds / self.seconds

    @property
    def memory(self) -> float | None:
        """How many times less memory than the baseline."""
        if self.bytes is None or self.baseline_bytes is None:
            return None
        return self.baseline_bytes / max(self.bytes, 1)


TABLE: list[Ratio] = []
"""What the run has measured; printed at its end."""

REMARKS: list[str] = []
"""Sentences below the table, such as a rate; what a test prints itself, pytest keeps to itself."""


def compare(
    what: str,
    ours: Callable[[], object],
    baseline_name: str,
    baseline: Callable[[], object],
    *,
    rounds: int = 7,
    memory: bool = True,
) -> Ratio:
    """Measure both, add the line to :data:`TABLE` and return it."""
    ours(), baseline()  # warm up
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for kept, run in zip(times, (ours, baseline), strict=True):
            start = time.perf_counter()
            run()
            kept.append(time.perf_counter() - start)
    ratio = Ratio(
        what,
        baseline_name,
        statistics.median(times[0]),
        statistics.median(times[1]),
        peak_bytes(ours) if memory else None,
        peak_bytes(baseline) if memory else None,
    )
    TABLE.append(ratio)
    return ratio


def peak_bytes(run: Callable[[], object]) -> int:
    """The most memory that tensors made by ``run`` held at one time (CPU).

    Allocations and releases are replayed in the order torch's profiler saw them; numpy's arrays
    are not seen.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = run()
    del result
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]" and event.device_type() == torch.autograd.DeviceType.CPU:
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def table() -> list[str]:
    """:data:`TABLE` as lines of text."""
    head = ("what", "ms", "baseline", "ms", "time", "peak", "baseline", "memory")
    rows = [head]
    for one in TABLE:
        rows.append(
            (
                one.what,
                f"{one.seconds * 1e3:.2f}",
                one.baseline,
                f"{one.baseline_seconds * 1e3:.2f}",
                f"{one.time:.2f}x" if one.time < 10 else f"{one.time:.0f}x",
                _mib(one.bytes),
                _mib(one.baseline_bytes),
                "" if one.memory is None else f"{one.memory:.1f}x",
            )
        )
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    left = (0, 2)
    return [
        "  ".join(
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _mib(size: int | None) -> str:
    return "" if size is None else f"{size / 2**20:.2f} MiB"
