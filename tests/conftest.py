"""What several test files need: reference numbers, and the photographs that stay outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine may take its time over an example; that says nothing about the code.
settings.register_profile("posekit", deadline=None)
settings.load_profile("posekit")

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = Path(__file__).resolve().parent / "fixtures"


def _shared() -> Path:
    return Path(os.environ.get("POSEKIT_SHARED") or ROOT.parent / "shared")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of photographs and specifications beside the repository."""
    folder = _shared()
    if not (folder / "specs").is_dir():
        pytest.skip(f"The shared folder is not at {folder}; POSEKIT_SHARED can say where it is.")
    return folder


@pytest.fixture(scope="session")
def transpose_fixture() -> Callable[[str], dict[str, np.ndarray]]:
    """A loader of the TransPose reference numbers: ``transpose_fixture("codec")`` -> arrays.

    The copy in the repository is used where there is one, else the shared folder's.
    """

    def load(name: str) -> dict[str, np.ndarray]:
        places = [FIXTURES / "transpose", _shared() / "specs" / "transpose"]
        for file in (place / f"fixture_{name}.npz" for place in places):
            if file.is_file():
                with np.load(file, allow_pickle=False) as numbers:
                    return dict(numbers)
        pytest.skip(f"The reference numbers fixture_{name}.npz are not here.")

    return load
