"""The benchmark itself: every photograph, every model, every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit import __version__
from posekit.benchmark.cases import Cases, open_cases
from posekit.benchmark.entrants import BASELINES, Entrant, entrants
from posekit.benchmark.journal import Journal
from posekit.benchmark.measure import Measured, measure_photo
from posekit.benchmark.metrics import RandomModels
from posekit.benchmark.report import Report, report_of
from posekit.benchmark.settings import Settings
from posekit.download import sha256_of
from posekit.errors import DataError, ModelError, SkeletonError
from posekit.estimator import Estimator
from posekit.explain.batches import Progress
from posekit.zoo import load

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["run"]


def run(
    data: str | Path | Cases,
    models: Sequence[str | PoseModel],
    methods: Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
    weights: str = "auto",
    device: str = "auto",
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure how far each method's maps of each model can be trusted.

    Args:
        data: a folder of photographs, an LSP-style folder, a COCO-format ``.json`` file, or cases
            of one's own.
        models: names from the zoo, or loaded models; each name once.
        methods: names out of :func:`posekit.explain.list_methods`, with options in brackets such as
            ``"integrated-gradients(steps=8)"`` and ``"attention(layer=encoder.1)"``; None is all.
        settings: metrics, keypoints, and how finely to measure.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder.
        limit: only the first so many photographs.
        weights: see :func:`posekit.load`; for models given by name.
        device: likewise.
        journal: a file that keeps finished photographs; those it holds are not measured again.
        progress: called with (done, total), where one model's one method on one photograph is a
            unit; an exception it raises ends the work, and the journal keeps what is finished.

    Returns:
        The table, the same for the same arguments but for the milliseconds.

    Raises:
        DataError: no data, nothing in it that could be measured, or a journal of another run.
        ModelError: no such model, none, or one named twice.
        SkeletonError: none of the models has a keypoint that was named.
        TraceError: no such method, option or metric.
        WeightsError: weights are missing or damaged.
    """
    chosen = settings or Settings()
    methods_ = entrants(methods)
    rows: tuple[Entrant, ...] = (*methods_, *BASELINES)
    loaded = [load(one, weights=weights, device=device) if isinstance(one, str) else one
              for one in models]  # fmt: skip
    _check_models(loaded, chosen)
    cases: Cases = (
        open_cases(data, images=images, part=part, limit=limit)
        if isinstance(data, str | Path)
        else data
    )
    what = _what(cases, loaded, [one.name for one in methods_], chosen)
    estimators = [Estimator(model) for model in loaded]
    random = [RandomModels(estimator, chosen.seed) for estimator in estimators]
    measured: list[Measured] = []
    units, total = 0, len(cases) * len(loaded) * len(rows)

    def tell(within: int = 0) -> None:
        if progress is not None:
            progress(min(units + within, total), total)

    with Journal(None if journal is None else Path(journal), what) as kept:
        for case in cases:
            for estimator, copies in zip(estimators, random, strict=True):
                found = kept.finished.get((case.name, estimator.model.name))
                if found is None:
                    finished = iter(range(1, 10**9))
                    # Several people finish a row several times; a photograph is one unit a row.
                    found = measure_photo(
                        estimator, case, rows, chosen, copies,
                        lambda: tell(min(next(finished), len(rows))),  # noqa: B023
                    )  # fmt: skip
                    kept.add(found)
                measured.append(found)
                units += len(rows)
                tell()
    if not any(one.failed is None for one in measured):
        reasons = [one.failed for one in measured if one.failed] or [cases.problems.summary()]
        raise DataError(f"No photograph could be measured. {reasons[0]}".strip())
    return report_of(
        measured,
        [model.name for model in loaded],
        [one.name for one in methods_],
        [one.name for one in BASELINES],
        chosen.columns,
        what,
        chosen.seed,
        cases.problems.summary(),
    )


def _check_models(models: Sequence[PoseModel], settings: Settings) -> None:
    names = [model.name for model in models]
    if not names:
        raise ModelError("There is no model to measure: name at least one of `posekit models`.")
    if len(set(names)) < len(names):
        raise ModelError("Each model is measured once; one of them is named twice.")
    for name in settings.keypoints or ():
        for model in models:
            try:
                model.entry.skeleton.index(name)
                break
            except SkeletonError as error:
                unknown = error
        else:
            raise unknown


def _what(
    cases: Cases, models: Sequence[PoseModel], methods: Sequence[str], settings: Settings
) -> dict[str, Any]:
    """What the figures are figures of: one journal holds those of one such entry."""
    measuring = asdict(settings)
    del measuring["batch_size"]  # changes no figure
    return {
        "posekit": __version__,
        "data": cases.name,
        "models": {
            model.name: {
                "kind": model.weights.kind,
                "sha256": sha256_of(model.weights.local) if model.weights.local else None,
            }
            for model in models
        },
        "methods": list(methods),
        **{name: list(v) if isinstance(v, tuple) else v for name, v in measuring.items()},
    }
