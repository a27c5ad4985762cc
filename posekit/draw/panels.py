"""The parts of a figure's panels: window on the photo, star, contour, colour bar, captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from posekit.doubts import doubts_of
from posekit.draw.colours import colour_table
from posekit.draw.overlay import dimmed, opacity_of
from posekit.draw.people import asked_edges, draw_asked
from posekit.draw.skeleton import draw_skeleton, left_out_words, mark_words
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap, resample, to_window
from posekit.geometry import Affine
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from posekit.estimator import Prediction

View = Literal["photo", "person"]

TEXT, FAINT, DARK = "#1b1e25", "#5b6270", "#101218"

GREY = 58
"""Of the ground, from 0 to 255, where a picture must not show the photo."""
COVERED = (138, 143, 152)
"""Of what stands in front of somebody, on such a ground."""

# Inches below a panel's picture: gap, colour bar, its ticks, a line of the caption.
BAR_TOP, BAR, TICKS, LINE = 0.07, 0.075, 0.17, 0.118
PANEL = 2.35
"""Width of a panel in inches."""
_POINTS = 6.4  # height of a caption's letters
_SPARE = 0.97  # of the width: a screen's letters are set to whole pixels, a little wider


@dataclass(frozen=True)
class Asked:
    """What a figure is about: words, person, and, where there are such, keypoint and place."""

    label: str
    person: int
    keypoint: int | None
    point: tuple[float, float] | None


@dataclass(frozen=True)
class Window:
    """The part of the photo that is drawn: first and past-the-last pixel, and the drawn size."""

    left: int
    top: int
    right: int
    bottom: int
    size: tuple[int, int]

    @classmethod
    def of(
        cls,
        photo: tuple[int, int],
        cols: int,
        edges: tuple[float, float, float, float] | None = None,
    ) -> Window:
        """The part of a photo that holds a region of it.

        Args:
            photo: its (height, width).
            cols: how wide the part is drawn, in pixels.
            edges: the region's outer edges (left, top, right, bottom) in photo pixels, which may
                lie beside the photo; None is the whole photo.
        """
        height, width = photo
        left, top, right, bottom = 0, 0, width, height
        if edges is not None:
            left, top = (max(0, math.floor(edge + 0.5)) for edge in edges[:2])
            right = min(width, math.ceil(edges[2] + 0.5))
            bottom = min(height, math.ceil(edges[3] + 0.5))
        rows = max(1, round(cols * (bottom - top) / (right - left)))
        return cls(left, top, right, bottom, (rows, cols))

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Outer edges (left, top, right, bottom) in photo pixels."""
        return self.left - 0.5, self.top - 0.5, self.right - 0.5, self.bottom - 0.5

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The same as matplotlib orders them: left, right, bottom, top."""
        left, top, right, bottom = self.edges
        return left, right, bottom, top

    @property
    def to_drawn(self) -> Affine:
        """Photo pixels to drawn pixels."""
        return to_window(self.edges, self.size)

    def place_of(self, point: tuple[float, float]) -> tuple[float, float]:
        """A place of the photo as shares of the window's width and height; 0 to 1 within it."""
        left, top, right, bottom = self.edges
        return (point[0] - left) / (right - left), (point[1] - top) / (bottom - top)

    def pixels_of(self, photo: np.ndarray) -> np.ndarray:
        """The photo's pixels in the window, at the size they are drawn: (rows, cols, 3) uint8."""
        part = photo[self.top : self.bottom, self.left : self.right]
        rows, cols = self.size
        kind = cv2.INTER_AREA if cols < part.shape[1] else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(part, (cols, rows), interpolation=kind))

    def ground_of(
        self, prediction: Prediction, *, photo: bool, asked: int | None = None
    ) -> np.ndarray:
        """What maps and poses lie on: the photo, or grey with the prediction's pose faintly on it.

        Args:
            prediction: of the photo.
            photo: whether the photo may be shown.
            asked: index of the person asked about, see :func:`draw_skeleton`.

        Returns:
            (rows, cols, 3) uint8.
        """
        if photo:
            return self.pixels_of(prediction.photo.pixels).astype(np.uint8, copy=False)
        grey = np.full((*self.size, 3), GREY, dtype=np.uint8)
        people, skeleton = prediction.people, prediction.skeleton
        drawn = draw_skeleton(
            grey,
            people,
            skeleton,
            to_picture=self.to_drawn,
            asked=asked,
            doubted=doubts_of(prediction),
        )
        return np.asarray(grey // 2 + drawn // 2)

    def values_of(self, one: AttentionMap | HeatMap) -> np.ndarray:
        """A map in the window, at the size it is drawn: (rows, cols) float32."""
        return one.on_photo(self.size, self.edges)

    def cover_of(self, kept: AttentionMap) -> np.ndarray | None:
        """How far the cells that :meth:`AttentionMap.keep_mass` kept reach: (rows, cols), 0 to 1.

        None where all were kept. Cells left out fade away within half a cell of those kept, whose
        colours stay those of their own weights.
        """
        if kept.kept == 1.0:
            return None
        return self.cover_of_cells(kept, kept.weights > 0)

    def cover_of_cells(self, one: AttentionMap | HeatMap, cells: np.ndarray) -> np.ndarray:
        """How far some cells (rows, cols) of a map's grid reach: (rows, cols) drawn, 0 to 1."""
        mask = resample(cells.astype(np.float32), self.to_drawn @ one.grid_to_photo, self.size)
        return np.clip(2.0 * mask - 0.5, 0.0, 1.0)


def choose_window(
    photo: tuple[int, int], one: AttentionMap | HeatMap, view: View, drawn_cols: int
) -> Window:
    """The whole photo of that (height, width), or the part of it that a map's grid covers."""
    if view == "photo":
        return Window.of(photo, drawn_cols)
    rows, cols = one.grid.size
    ends = [(x, y) for x in (-0.5, cols - 0.5) for y in (-0.5, rows - 0.5)]
    corners = one.grid_to_photo.apply(ends)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return Window.of(photo, drawn_cols, (float(left), float(top), float(right), float(bottom)))


def photo_panel(
    panel: Axes, prediction: Prediction, asked: Asked, window: Window, picture: np.ndarray
) -> None:
    """Draw the photo with its people, and who of them is asked about."""
    drawn = draw_asked(picture, prediction, asked.person, to_picture=window.to_drawn)
    panel.imshow(drawn, extent=window.extent, interpolation="antialiased")


def photo_lines(prediction: Prediction, asked: Asked, *, photo: bool = True) -> list[str]:
    """The caption of the photo: what was asked, what it shows, and what its skeleton lacks."""
    skeleton = prediction.skeleton
    person = prediction.people[asked.person]
    words = f"query: {asked.label}"
    if asked.keypoint is not None:
        words += f" · confidence {person.scores[asked.keypoint]:.2f}"
    height, width = prediction.photo.size
    lines = [words, f"photo {width} × {height} px · {skeleton.title}"]
    if len(prediction.people) > 1:
        boxed = asked_edges(prediction, asked.person) is not None
        which = f"person {asked.person + 1} of {len(prediction.people)}"
        lines.append(f"{which}, in the dashed box" if boxed else which)
    if not photo:
        lines.append("the photo itself is left out")
    return lines + pose_lines(prediction, asked.person)


def pose_lines(prediction: Prediction, person: int) -> list[str]:
    """What must be said of drawn poses: colours, keypoints left out, poses that are doubtful.

    Args:
        prediction: whose people are drawn.
        person: index of the one asked about.
    """
    missing = left_out_words(prediction.people, prediction.skeleton, person)
    return [text for text in (mark_words(prediction), missing, unsure_words(prediction)) if text]


def star(panel: Axes, point: tuple[float, float] | None) -> None:
    """Mark the query."""
    if point is None:
        return
    panel.plot(
        *point,
        marker="*",
        markersize=10,
        markerfacecolor="white",
        markeredgecolor=DARK,
        markeredgewidth=0.9,
    )


def outline(panel: Axes, values: np.ndarray, level: float, window: Window) -> None:
    """The contour at a level of a map's values as :meth:`Window.values_of` gives them."""
    if not values.min() < level < values.max():
        return  # all or none of the window: there is no line to draw
    rows, cols = window.size
    to_photo = window.to_drawn.inverse()
    x = to_photo.apply(np.stack([np.arange(cols), np.zeros(cols)], axis=-1))[:, 0]
    y = to_photo.apply(np.stack([np.zeros(rows), np.arange(rows)], axis=-1))[:, 1]
    panel.contour(x, y, values, levels=[level], colors=DARK, linewidths=1.5, alpha=0.5)
    panel.contour(x, y, values, levels=[level], colors="white", linewidths=0.7)


def colour_bar(
    figure: Figure,
    panel: Axes,
    colours: np.ndarray,
    ticks: Sequence[tuple[float, str]],
    unit: str = "",
) -> None:
    """A bar of (256, 3) uint8 colours below a panel, with texts at places 0 to 1 of it.

    The last text also says the ``unit``.
    """
    height = figure.get_size_inches()[1]
    box = panel.get_position()
    bottom = box.y0 - (BAR_TOP + BAR) / height
    bar = figure.add_axes((box.x0, bottom, box.width, BAR / height))
    *most, (end, text) = ticks
    fill_bar(bar, colours, [*most, (end, f"{text} {unit}" if unit else text)])


def fill_bar(bar: Axes, colours: np.ndarray, ticks: Sequence[tuple[float, str]]) -> None:
    """Axes as a bar of (256, 3) uint8 colours, with texts at places 0 to 1 of it."""
    bar.imshow(colours[None], aspect="auto", extent=(0, 1, 0, 1))
    bar.set_yticks([])
    bar.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    bar.tick_params(length=2, width=0.5, pad=1.5, labelsize=5.8, labelcolor=FAINT, color=FAINT)
    labels = bar.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")
    for spine in bar.spines.values():
        spine.set_visible(False)


def blended(
    picture: np.ndarray, colour_map: str, opacity: float, dim: float, *, signed: bool = False
) -> np.ndarray:
    """The colours of a map over the mean of a photo, (256, 3) uint8: what a bar shows."""
    unit = np.linspace(-1.0 if signed else 0.0, 1.0, 256, dtype=np.float32)
    mean = dimmed(picture, dim).reshape(-1, 3).mean(axis=0)
    colour = colour_table(colour_map).astype(np.float32)
    mixed = mean + (colour - mean) * opacity_of(np.abs(unit), opacity)[:, None]
    return np.round(mixed).astype(np.uint8)


def fitting(lines: Sequence[str], inches: float = PANEL) -> list[str]:
    """The lines of a caption, broken where they are wider than its panel.

    A line breaks at the dots between its parts; a part that is itself too wide, between its words.

    Args:
        lines: as they are said.
        inches: width of the panel.
    """
    return [
        row
        for line in lines
        for part in _filled(line.split(" · "), " · ", inches)
        for row in _filled(part.split(" "), " ", inches)
    ]


def _filled(parts: Sequence[str], between: str, inches: float) -> list[str]:
    """Parts joined to rows, each as long as there is room for."""
    rows = [parts[0]]
    for part in parts[1:]:
        longer = f"{rows[-1]}{between}{part}"
        if _inches(longer) <= _SPARE * inches:
            rows[-1] = longer
        else:
            rows.append(part)
    return rows


def _inches(line: str) -> float:
    """Width of a caption's line."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=_POINTS)
    return float(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]) / 72


def caption(figure: Figure, panel: Axes, lines: Sequence[str], drop: float) -> None:
    """Lines of text, the first ``drop`` inches below the panel's picture."""
    height = figure.get_size_inches()[1]
    box = panel.get_position()
    for n, line in enumerate(lines):
        y = box.y0 - (drop + n * LINE) / height
        figure.text(box.x0, y, line, size=_POINTS, color=TEXT if n == 0 else FAINT, va="top")
