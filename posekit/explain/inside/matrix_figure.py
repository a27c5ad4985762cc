"""A matrix drawn with plotly: names on both axes, every cell with its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posekit.explain.inside.matrices import Matrix

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["matrix_figure"]

_FULL = 30
"""Rows or columns up to which every one has its name on the axis; of more plotly names some."""


def matrix_figure(matrix: Matrix, *, colour_map: str = "magma") -> Figure:
    """Queries down, keys across; the row of the person asked about is framed.

    Attention is in per cent of a row and its colours end at the largest cell; gates and affinity
    go from 0 to 1.
    """
    from plotly.graph_objects import Figure, Heatmap

    share = matrix.kind in ("keypoint", "query", "part")
    values = matrix.values * (100 if share else 1)
    cell = "%{z:.2g} %" if share else "%{z:.2f}"
    rows, cols = _unique(matrix.rows), _unique(matrix.cols)
    figure = Figure(
        Heatmap(
            z=values.round(4).tolist(),
            x=cols,
            y=rows,
            zmin=0,
            zmax=max(float(values.max()), 1e-9) if share else 1,
            colorscale=colour_map,
            colorbar={
                "title": {"text": matrix.unit, "side": "right"},
                "ticksuffix": " %" if share else "",
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate="%{y} → %{x}: " + cell + "<extra></extra>",
        )
    )
    if matrix.mine is not None:
        figure.add_shape(
            type="rect",
            xref="paper",
            x0=0,
            x1=1,
            y0=matrix.mine - 0.5,
            y1=matrix.mine + 0.5,
            line={"color": "#4cc9bd", "width": 2},
        )
    axis = {"type": "category", "showgrid": False, "ticks": "", "automargin": True}
    figure.update_layout(
        title={"text": matrix.title, "font": {"size": 15}},
        xaxis={
            **axis,
            "title": {"text": matrix.across},
            "tickmode": "linear" if len(cols) <= _FULL else "auto",
        },
        yaxis={
            **axis,
            "title": {"text": matrix.down},
            "tickmode": "linear" if len(rows) <= _FULL else "auto",
            "autorange": "reversed",
        },
        margin={"l": 60, "r": 20, "t": 48, "b": 60},
        template="plotly_white",
    )
    return figure


def _unique(names: Sequence[str]) -> list[str]:
    """Names of their own: two of the same would be one place of an axis."""
    held, seen = Counter(names), Counter[str]()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if held[name] > 1 else name)
    return found
