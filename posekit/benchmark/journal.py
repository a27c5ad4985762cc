"""Finished photographs on disk, a line each, so that a run that ends early goes on later.

The first line says what is being measured. A last line that was not written to its end, as when
the machine went down, is measured again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from posekit.benchmark.measure import Measured
from posekit.errors import DataError

__all__ = ["Journal"]


class Journal:
    """A file of finished photographs, or none at all.

    Args:
        path: the file; None keeps nothing.
        what: what is measured; figures of something else are not mixed in.

    Attributes:
        finished: by (photograph, model).

    Raises:
        DataError: the file cannot be read or written, or holds figures of something else.
    """

    def __init__(self, path: Path | None, what: Mapping[str, Any]) -> None:
        self.finished: dict[tuple[str, str], Measured] = {}
        self._path = path
        self._file = None
        if path is None:
            return
        try:
            kept = self._read(path, what)
            # A torn line goes, so that the next one does not grow out of it.
            path.write_text("".join(f"{line}\n" for line in kept), "utf-8")
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{str(path)!r} cannot be used: {error.strerror}.") from error

    def add(self, measured: Measured) -> None:
        """Keep a finished photograph; on disk when this returns."""
        self.finished[measured.photo, measured.model] = measured
        if self._file is not None:
            self._file.write(json.dumps(measured.as_dict()) + "\n")
            self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self, path: Path, what: Mapping[str, Any]) -> list[str]:
        """The whole lines of the file, the first of them ``what``."""
        header = json.dumps(what, sort_keys=True)
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        if not lines:
            return [header]
        if lines[0] != header:
            changed = ", ".join(_changed(lines[0], what)) or "everything"
            raise DataError(
                f"{path} was begun with other settings ({changed}): "
                "choose another output, or delete that file to begin again."
            )
        whole = [header]
        for line in lines[1:]:
            try:
                measured = Measured.from_dict(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue
            self.finished[measured.photo, measured.model] = measured
            whole.append(line)
        return whole


def _changed(first: str, what: Mapping[str, Any]) -> list[str]:
    """Which entries of the file's first line differ."""
    try:
        held = json.loads(first)
    except ValueError:
        return []
    if not isinstance(held, dict):
        return []
    plain = json.loads(json.dumps(what))
    return [key for key in sorted({*held, *plain}) if held.get(key) != plain.get(key)]
