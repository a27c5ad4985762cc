"""Several models, one photo, one question: their maps on one scale, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.compare.disagreement import Disagreement, disagreements
from posekit.compare.grid import CommonGrid, token_affine
from posekit.compare.layers import Layers
from posekit.compare.panel import Figures, Panel
from posekit.errors import TraceError
from posekit.explain.faithfulness.agreement import spearman, standing
from posekit.explain.faithfulness.grids import same_grid
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap, Direction
from posekit.explain.methods import find_method
from posekit.files import FileTarget

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.geometry import Box
    from posekit.photo import Photo

__all__ = ["Comparison", "DensityScale", "Overlap"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DensityScale:
    """The one colour scale of all panels: from no mass to the densest cell of any of them.

    Attributes:
        limit: density at the top, share of the mass per 1 % of the person's box.
        even: the density of a map that is even over the box, 0.01.
    """

    limit: float
    even: float = 0.01

    unit = "of the map on 1% of the person's box"
    words = "one scale for all models: share of a map's mass on each 1% of the person's box"

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Places on the colour bar, 0 to 1, with their text."""
        from posekit.percents import percent

        return tuple((at, percent(at * self.limit)) for at in (0.0, 0.5, 1.0))

    def unit_values(self, density: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Densities as 0 to 1 for a colour map; what is denser than the limit is clipped."""
        limit = self.limit or 1.0
        return np.clip(np.asarray(density, dtype=np.float32) / np.float32(limit), 0.0, 1.0)


@dataclass(frozen=True)
class Overlap:
    """How alike two maps are.

    Attributes:
        intersection: the mass that lies in the same places, 0 to 1: the histogram intersection of
            the two maps on the common grid (Swain and Ballard, "Color Indexing", IJCV 1991).
        rank_correlation: Spearman's, -1 to 1, on the cells both models saw.
    """

    intersection: float
    rank_correlation: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """What several models answer to one question about one photo.

    Attributes:
        photo: the photo.
        panels: one a model, in the order given; 2 to 5.
        label: the question in words, such as ``left wrist``.
        keypoint: the keypoint's name, None for a question that is not about one.
        person: index into each prediction's people.
        method: name of the method.
        direction: ``row`` or ``column``, for attention.
        layer: the layer asked for, one a model or the same for all; None for each model's last.
        head: the head asked for, None for the mean.
        grid: the common grid; see :class:`posekit.compare.grid.CommonGrid`.
    """

    photo: Photo
    panels: tuple[Panel, ...]
    label: str
    keypoint: str | None
    person: int
    method: str
    direction: Direction
    layer: Layers
    head: int | None
    grid: CommonGrid

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """One a panel."""
        return tuple(panel.prediction for panel in self.panels)

    @property
    def box(self) -> Box:
        """The person's box, whose area the densities refer to."""
        return self.grid.box

    @property
    def title(self) -> str:
        """``Left wrist looks at`` (:attr:`way`), or ``Left wrist: rollout``."""
        words = f" {self.way}"
        text = self.label + (words if self.method == "attention" else f": {self.shown_by}")
        return text[:1].upper() + text[1:]

    @property
    def way(self) -> str:
        """``looks at``; ``found by`` where the maps are a model's outputs and nobody looks."""
        looks = DIRECTION_WORDS[self.direction]
        maps = [one.map for one in self.panels if one.map is not None]
        outputs = [isinstance(one, AttentionMap) and bool(one.meaning) for one in maps]
        if not any(outputs):
            return looks
        return "found by" if all(outputs) else f"{looks}, or found by"

    @property
    def shown_by(self) -> str:
        """The method's name as people write it."""
        return find_method(self.method).title

    @property
    def table(self) -> tuple[Figures, ...]:
        """One row of figures a panel."""
        return tuple(panel.figures for panel in self.panels)

    @cached_property
    def scale(self) -> DensityScale:
        """The colour scale all panels share."""
        tops = [self.density(n).max() for n in self.shown]
        return DensityScale(float(max(tops, default=0.0)))

    @property
    def shown(self) -> tuple[int, ...]:
        """Indices of the panels that have a map."""
        return tuple(n for n, panel in enumerate(self.panels) if panel.mass is not None)

    def density(self, panel: int) -> Floats:
        """Mass density of a panel's map on the common grid, (rows, cols).

        Share of the map's mass per 1 % of the person's box; the cells' densities times their part
        of the box in percent sum to 1.

        Raises:
            TraceError: no such panel, or it has no map.
        """
        return self._masses(panel) * self.grid.factor

    def difference(self, first: int, second: int) -> Floats:
        """Density of one panel minus that of another, (rows, cols) on the common grid.

        Raises:
            TraceError: no such panel, or one without a map.
        """
        return self.density(first) - self.density(second)

    def overlap(self, first: int, second: int) -> Overlap:
        """How alike two panels' maps are.

        Rank correlation is taken on the maps' own cells where both have the same ones, else on the
        cells of the common grid that both cover.

        Raises:
            TraceError: no such panel, or one without a map.
        """
        a, b = self._masses(first), self._masses(second)
        shared = float(np.minimum(a, b).sum())
        return Overlap(min(1.0, shared), self._rank_correlation(first, second))

    @cached_property
    def disagreement(self) -> tuple[Disagreement, ...]:
        """All keypoints, those the models disagree about most first; see :func:`disagreements`.

        It depends on the predictions, layer, head and direction, not on what was asked.
        """
        return disagreements(
            self.predictions,
            person=self.person,
            layer=self.layer if self.method == "attention" else None,
            head=self.head if self.method == "attention" else None,
            direction=self.direction,
        )

    def save_json(self, target: FileTarget) -> None:
        """Write all figures, see :func:`posekit.compare.export.save_json`."""
        from posekit.compare.export import save_json

        save_json(self, target)

    def save_npz(self, target: FileTarget) -> None:
        """Write the raw maps, see :func:`posekit.compare.export.save_npz`."""
        from posekit.compare.export import save_npz

        save_npz(self, target)

    def save_html(self, target: FileTarget, *, photo: bool = True) -> None:
        """Write one self-contained page, see :func:`posekit.compare.html.save_html`."""
        from posekit.compare.html import save_html

        save_html(self, target, photo=photo)

    def save_png(self, target: FileTarget, *, photo: bool = True) -> None:
        """Write the picture, see :func:`posekit.compare.figure.draw_comparison`."""
        from posekit.compare.figure import save_comparison

        save_comparison(self, target, photo=photo)

    def _repr_png_(self) -> bytes:
        from posekit.notebook import png_of

        return png_of(self)

    def save_svg(self, target: FileTarget, *, photo: bool = True) -> None:
        """Write skeletons and contours as vectors, see :func:`posekit.compare.svg.svg_text`."""
        from posekit.compare.svg import save_svg

        save_svg(self, target, photo=photo)

    @cached_property
    def _held(self) -> dict[int, Floats]:
        return {}

    def _masses(self, panel: int) -> Floats:
        if panel not in self._held:
            mass = self._mass(panel)
            self._held[panel] = self.grid.masses(mass.weights, token_affine(mass))
        return self._held[panel]

    def _mass(self, panel: int) -> AttentionMap:
        if not 0 <= panel < len(self.panels):
            raise TraceError(f"There is no panel {panel}: there are {len(self.panels)}, from 0.")
        mass = self.panels[panel].mass
        if mass is None:
            title = self.panels[panel].title
            raise TraceError(f"There is no map of {title} to compare: {self.panels[panel].note}")
        return mass

    def _rank_correlation(self, first: int, second: int) -> float:
        a, b = self._mass(first), self._mass(second)
        same_crop = a.crop.size == b.crop.size and np.allclose(
            a.crop.to_crop.matrix, b.crop.to_crop.matrix
        )
        if same_crop and same_grid(a.grid, b.grid):
            return spearman(a, b)
        both = self.grid.covered(a.grid, token_affine(a)) & self.grid.covered(
            b.grid, token_affine(b)
        )
        x, y = (standing(self._masses(n)[both]) for n in (first, second))
        return float(x @ y)
