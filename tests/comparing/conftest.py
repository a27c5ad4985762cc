"""Two models side by side, and a third one with other keypoints."""

from __future__ import annotations

import pytest

from posekit.compare import Comparison, compare
from posekit.estimator import Prediction
from posekit.skeleton import LSP14
from tests.comparing.predictions import FINE, predicted


@pytest.fixture(scope="module")
def pair() -> list[Prediction]:
    return [predicted(0, kind="shipped"), predicted(1, size=FINE)]


@pytest.fixture(scope="module")
def lsp() -> Prediction:
    return predicted(2, skeleton=LSP14)


@pytest.fixture(scope="module")
def found(pair: list[Prediction]) -> Comparison:
    return compare(pair, "left wrist")
