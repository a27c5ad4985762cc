"""From a saved case back to a study, and to one HTML file that can be sent to somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posekit.errors import LibraryError
from posekit.explain.query import Query
from posekit.files import FileTarget, write_text
from posekit.occlusion.html import html_page
from posekit.occlusion.study import MaskChoice, study

if TYPE_CHECKING:
    from posekit.estimator import Estimator
    from posekit.occlusion.library import SavedCase
    from posekit.occlusion.result import Study
    from posekit.occlusion.sweep_result import Sweep
    from posekit.zoo import PoseModel

__all__ = ["export_case", "study_of"]


def study_of(case: SavedCase, model: PoseModel | Estimator) -> Study:
    """Make a saved case's study again.

    Args:
        case: as :meth:`CaseLibrary.open` gives it.
        model: the case's model, or any other to ask the same.

    Raises:
        LibraryError: the case is one of a list, without its photo, or nothing was asked in it.
        PoseKitError: see :func:`posekit.occlusion.study`.
    """
    if case.photo is None:
        raise LibraryError("This case has no photo at hand: open it by its id first.")
    keypoint: str | Query
    if case.keypoint is not None:
        keypoint = case.keypoint
    elif case.point is not None:
        keypoint = Query(case.person, case.point)
    else:
        raise LibraryError("Nothing was asked about in this case, so there is no study of it.")
    masks: MaskChoice = case.masks if case.masks is not None else "best"
    return study(
        model,
        case.photo,
        case.occluder,
        keypoint=keypoint,
        person=case.person,
        boxes=case.boxes,
        layer=case.layer,
        masks=masks,
    )


def export_case(
    case: SavedCase,
    model: PoseModel | Estimator,
    target: FileTarget,
    *,
    sweep: Sweep | None = None,
) -> None:
    """Write a saved case as one self-contained HTML file, with its title and note.

    Arguments and errors as :func:`study_of`; ``sweep`` is shown as well.
    """
    page = html_page(study_of(case, model), note=case.note, title=case.title, sweep=sweep)
    write_text(page, target)
