"""Prints the table of ratios at the end of a run, and keeps the cores from fighting."""

from __future__ import annotations

import os

import pytest
import torch

from benchmarks.compare import REMARKS, TABLE, table

# Products as small as one row's run up to 80 times slower when two threads share one core.
torch.set_num_threads(int(os.environ.get("POSEKIT_BENCH_THREADS", "1")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("ratios against the baseline of the same run")
        for line in table():
            terminalreporter.write_line(line)
        for remark in REMARKS:
            terminalreporter.write_line(remark)
        terminalreporter.write_line(
            f"medians; {torch.get_num_threads()} thread(s); torch {torch.__version__}; "
            "peak: tensors made while it ran"
        )
