"""How far each method can be trusted, on many photographs: ``posekit benchmark`` and :func:`run`.

A table model x method. Every method answers for the same keypoints of the same people, and so do
three maps that know nothing of how the model works (see
:mod:`posekit.explain.faithfulness.baselines`); a figure says something only beside theirs.

* :mod:`~posekit.benchmark.cases`: photographs with people, from a folder, LSP or COCO.
* :mod:`~posekit.benchmark.entrants`: methods with their options, by what a person types.
* :mod:`~posekit.benchmark.metrics`: the figures of one person's maps.
* :mod:`~posekit.benchmark.measure`: one photograph, all methods.
* :mod:`~posekit.benchmark.journal`: finished photographs, so that a run can go on.
* :mod:`~posekit.benchmark.report`: means, intervals and differences; ``writing`` puts them down.
"""

from posekit.benchmark.report import Report
from posekit.benchmark.settings import METRICS, Settings
from posekit.benchmark.sweep import run

__all__ = ["METRICS", "Report", "Settings", "run"]
