"""What is wrong with a data set: counted, with examples, said once, and never a crash later."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["Problem", "Problems"]

EXAMPLES = 3

LEFT_OUT = "Left out"
UNLABELLED = "Read as not labelled"
BOX_OF_LABELS = "Boxed by their labels instead"
NO_MASK = "Used without a mask"
NOTHING = "Nothing to learn there"


class Problem(Enum):
    """A kind of bad record: what one is, what several are, and what is done about it."""

    MISSING_PHOTO = "photograph is missing", "photographs are missing", LEFT_OUT
    DAMAGED_PHOTO = "photograph is damaged", "photographs are damaged", LEFT_OUT
    OTHER_SIZE = (
        "photograph is not of the size on record",
        "photographs are not of the size on record",
        LEFT_OUT,
    )
    NO_PEOPLE = "photograph is without people", "photographs are without people", NOTHING
    DUPLICATE_PHOTO = "photograph is listed twice", "photographs are listed twice", LEFT_OUT
    MALFORMED = "record is malformed", "records are malformed", LEFT_OUT
    DUPLICATE_PERSON = "person is listed twice", "people are listed twice", LEFT_OUT
    OTHER_CATEGORY = "record is of another category", "records are of another category", LEFT_OUT
    UNKNOWN_PHOTO = (
        "person is in a photograph that is not listed",
        "people are in photographs that are not listed",
        LEFT_OUT,
    )
    WRONG_COUNT = (
        "person has the wrong number of keypoints",
        "people have the wrong number of keypoints",
        LEFT_OUT,
    )
    TOO_FEW = (
        "person has too few labels to be boxed",
        "people have too few labels to be boxed",
        LEFT_OUT,
    )
    NOT_A_NUMBER = (
        "keypoint is not a finite number",
        "keypoints are not finite numbers",
        UNLABELLED,
    )
    OUTSIDE = "keypoint lies outside the photograph", "keypoints lie outside", UNLABELLED
    EMPTY_BOX = (
        "person has a box without area in the photograph",
        "people have boxes without area in the photograph",
        BOX_OF_LABELS,
    )
    BAD_MASK = "person has a damaged mask", "people have damaged masks", NO_MASK

    @property
    def consequence(self) -> str:
        """What is done about it."""
        return self.value[2]

    def counted(self, count: int) -> str:
        """``"3 photographs are missing"``."""
        return f"{count:,} {self.value[0] if count == 1 else self.value[1]}"


class Problems:
    """The bad records met so far. The same record counts once, however often it is read."""

    def __init__(self) -> None:
        self._records: dict[Problem, dict[str, None]] = {}

    def add(self, problem: Problem, record: str) -> None:
        """Note a bad record by a name a person can look up, such as a file's."""
        self._records.setdefault(problem, {})[record] = None

    def update(self, others: Problems) -> None:
        """Note what others noted."""
        for problem, records in others._records.items():
            self._records.setdefault(problem, {}).update(records)

    def count(self, problem: Problem) -> int:
        """How many records have this problem."""
        return len(self._records.get(problem, ()))

    @property
    def counts(self) -> dict[Problem, int]:
        """How many records have each problem, those without any left away."""
        return {problem: len(records) for problem, records in self._records.items()}

    def records(self, problem: Problem) -> tuple[str, ...]:
        """All the records that have it, in the order in which they were met."""
        return tuple(self._records.get(problem, ()))

    def examples(self, problem: Problem) -> tuple[str, ...]:
        """The first few records that have it."""
        return self.records(problem)[:EXAMPLES]

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def summary(self) -> str:
        """A sentence for each consequence, with counts and examples; empty when all is well."""
        sentences: dict[str, list[str]] = {}
        for problem in Problem:
            if count := self.count(problem):
                examples = ", ".join(self.examples(problem))
                more = ", ..." if count > EXAMPLES else ""
                sentences.setdefault(problem.consequence, []).append(
                    f"{problem.counted(count)} ({examples}{more})"
                )
        return " ".join(f"{what}: {'; '.join(parts)}." for what, parts in sentences.items())

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON: ``{"missing photo": {"count": 3, "examples": [...]}}``."""
        return {
            problem.name.lower().replace("_", " "): {
                "count": self.count(problem),
                "examples": list(self.examples(problem)),
            }
            for problem in Problem
            if self.count(problem)
        }
