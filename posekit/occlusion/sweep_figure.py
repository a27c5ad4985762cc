"""A sweep drawn: plotly figures for the page, and a plain picture of the curves for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.draw.pixels import figure_pixels, jpeg_url
from posekit.occlusion.sweep_result import Sweep
from posekit.photo import shrink

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["curves", "curves_picture", "heat_figure", "heat_picture"]

Floats = npt.NDArray[np.float64]

_INK = {
    "confidence": "#0b6e69",
    "on this person": "#d55e00",
    "on other people": "#cc79a7",
    "on what was put in front": "#7f7f7f",
    "on what is hatched": "#7f7f7f",
    "displacement": "#0072b2",
}
_DASH = {
    "on other people": "dot",
    "on what was put in front": "dash",
    "on what is hatched": "dash",
    "displacement": "dashdot",
}
_BACKGROUND_SIDE = 640  # px of the photo behind a map
_DROPS = [[0.0, "#a04fd6"], [0.5, "#f5f5f5"], [1.0, "#2f9e4f"]]
"""Green where the confidence falls, violet where it rises: the hues of ``draw.DIVERGING``."""


def curves(sweep: Sweep) -> Figure:
    """Confidence, purity and displacement against the covered share; points for a grid."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    mode = "lines+markers" if sweep.kind == "limb" else "markers"
    for name, x, y in _series(sweep):
        figure.add_trace(
            Scatter(
                x=(100 * x).tolist(),
                y=[None if not np.isfinite(v) else float(v) for v in y],
                name=name,
                mode=mode,
                yaxis="y2" if name == "displacement" else "y",
                line={"color": _INK[name], "dash": _DASH.get(name, "solid")},
                marker={"color": _INK[name], "size": 7 if mode == "lines+markers" else 5},
                hovertemplate="%{x:.0f} % covered<br>%{y:.3g}<extra>" + name + "</extra>",
            )
        )
    figure.update_layout(
        title={"text": sweep.title, "font": {"size": 15}},
        xaxis={
            "title": {"text": f"covered of {sweep.share_words}"},
            "ticksuffix": " %",
            "range": [-2, max(102, 102 * float(np.nanmax([*sweep.share, 0.0])))]
            if sweep.kind == "limb"
            else None,
        },
        yaxis={"title": {"text": "confidence, shares of attention"}, "rangemode": "tozero"},
        yaxis2={
            "title": {"text": "displacement (px)"},
            "overlaying": "y",
            "side": "right",
            "rangemode": "tozero",
            "showgrid": False,
            "tickmode": "auto",  # round numbers of its own, rather than those beside the left ones
        },
        legend={"orientation": "h", "y": -0.28},
        margin={"l": 60, "r": 60, "t": 48, "b": 60},
        template="plotly_white",
    )
    return figure


def heat_figure(sweep: Sweep, *, photo: bool = True) -> Figure:
    """By how much the confidence falls with the occluder's middle at each place, over the photo.

    Args:
        sweep: over a grid.
        photo: False leaves the photo out.
    """
    from plotly.graph_objects import Figure, Heatmap

    x, y = _places(sweep)
    values = sweep.drop.reshape(x.shape)
    limit = max(float(np.abs(values).max()), 1e-9)
    figure = Figure(
        Heatmap(
            z=values.tolist(),
            x=x[0].tolist(),
            y=y[:, 0].tolist(),
            zmin=-limit,
            zmax=limit,
            colorscale=_DROPS,
            opacity=0.6 if photo else 1.0,
            colorbar={"title": {"text": "drop of<br>confidence"}},
            customdata=np.stack(
                [sweep.confidence.reshape(x.shape), 100 * sweep.share.reshape(x.shape)], axis=-1
            ).tolist(),
            hovertemplate="middle at (%{x:.0f}, %{y:.0f})<br>confidence %{customdata[0]:.2f}, "
            "%{customdata[1]:.0f} % covered<br>drop %{z:.2f}<extra></extra>",
        )
    )
    height, width = sweep.before.prediction.photo.size
    if photo:
        figure.add_layout_image(
            source=jpeg_url(shrink(sweep.before.prediction.photo.pixels, _BACKGROUND_SIDE), 85),
            xref="x",
            yref="y",
            x=-0.5,
            y=-0.5,
            sizex=width,
            sizey=height,
            sizing="stretch",
            layer="below",
        )
    figure.update_layout(
        title={"text": sweep.title, "font": {"size": 15}},
        xaxis={"range": [-0.5, width - 0.5], "showgrid": False, "constrain": "domain"},
        yaxis={
            "range": [height - 0.5, -0.5],
            "showgrid": False,
            "scaleanchor": "x",
            "constrain": "domain",
        },
        margin={"l": 40, "r": 20, "t": 48, "b": 36},
        template="plotly_white",
    )
    return figure


def curves_picture(sweep: Sweep, *, width: int = 760) -> npt.NDArray[np.uint8]:
    """The curves as plain pixels (H, W, 3), for a file that may run no script."""
    from matplotlib.figure import Figure as Plain

    figure = Plain(figsize=(width / 120, width / 120 * 0.56), dpi=120, facecolor="white")
    axes = figure.add_axes((0.09, 0.14, 0.81, 0.66))
    right = axes.twinx()
    styles = {"solid": "-", "dot": ":", "dash": "--", "dashdot": "-."}
    for name, x, y in _series(sweep):
        line = styles[_DASH.get(name, "solid")] if sweep.kind == "limb" else "none"
        (right if name == "displacement" else axes).plot(
            x,
            y,
            linestyle=line,
            marker="o",
            markersize=3,
            linewidth=1.4,
            color=_INK[name],
            label=name,
        )
    axes.set_xlabel(f"covered of {sweep.share_words}", size=8)
    axes.set_ylabel("confidence, shares of attention", size=8)
    right.set_ylabel("displacement (px)", size=8)
    for one in (axes, right):
        one.set_ylim(bottom=0)
        one.tick_params(labelsize=7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.grid(alpha=0.25)
    figure.legend(loc="upper center", ncols=5, fontsize=7, frameon=False)
    return figure_pixels(figure)


def heat_picture(sweep: Sweep, *, width: int = 640, photo: bool = True) -> npt.NDArray[np.uint8]:
    """The map of a grid over the photo as plain pixels (H, W, 3): green where confidence falls.

    Without the photo it lies on grey with the pose faintly on it.
    """
    from posekit.draw.overlay import signed_overlay
    from posekit.draw.panels import Window

    prediction = sweep.before.prediction
    window = Window.of(prediction.photo.size, width)
    base = window.ground_of(prediction, photo=photo)
    return signed_overlay(base, window.values_of(sweep.heat) / max(sweep.heat.limit, 1e-9))


def _series(sweep: Sweep) -> list[tuple[str, Floats, Floats]]:
    """Names, covered shares and values of what is drawn, by covered share."""
    order = np.argsort(sweep.share, kind="stable")
    shown = sweep.purity.get(sweep.layer or "")
    on = sweep.on_occluder.get(sweep.layer or "")
    held: list[tuple[str, Floats | None]] = [
        ("confidence", sweep.confidence),
        ("on this person", None if shown is None else shown[:, 0]),
        ("on other people", None if shown is None else shown[:, 1]),
        (sweep.place_words, on),
        ("displacement", sweep.displacement),
    ]
    return [
        (name, sweep.share[order], values[order])
        for name, values in held
        if values is not None and np.isfinite(values).any()
    ]


def _places(sweep: Sweep) -> tuple[Floats, Floats]:
    """(rows, cols) x and y of the occluder's middle, in photo pixels."""
    assert sweep.shape is not None and sweep.to_photo is not None  # a grid has both
    row, col = np.indices(sweep.shape)
    points = sweep.to_photo.apply(np.stack([col, row], axis=-1))
    return points[..., 0], points[..., 1]
