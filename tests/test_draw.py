"""Pictures checked by their pixels, files by reading them back."""

from __future__ import annotations

import io
import json
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from posekit import draw
from posekit.draw.legend import asked_words, missed_share
from posekit.draw.panels import choose_window
from posekit.draw.skeleton import left_out_words
from posekit.errors import PoseKitError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, HeatMap, Query, explain
from posekit.explain.faithfulness import Chance, Faithfulness
from posekit.geometry import Affine, Box, Crop, TokenGrid
from posekit.people import Person
from posekit.percents import percent
from posekit.skeleton import COCO17
from tests.tiny_models import noise_photo, pose_model, tiny_model

SECRET = "my-holiday-with-anna.jpg"


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(
        noise_photo(180, 140, name=SECRET), [Box(30, 30, 80, 120)]
    )


@pytest.fixture(scope="module")
def explanation(prediction: Prediction) -> Explanation:
    return explain(prediction, prediction.people[0].box.centre)


def someone(points: dict[str, tuple[float, float]]) -> Person:
    keypoints, scores = np.zeros((17, 2)), np.zeros(17)
    for name, point in points.items():
        keypoints[COCO17.index(name)], scores[COCO17.index(name)] = point, 1.0
    box = Box(10, 10, 180, 180)
    return Person(box, keypoints, scores, Crop.of_box(box, (64, 48), (200, 200)))


# --- skeleton ---------------------------------------------------------------------------------


def test_sides_have_their_colours():
    assert draw.keypoint_colour(COCO17, COCO17.index("left wrist")) == draw.LEFT
    assert draw.keypoint_colour(COCO17, COCO17.index("right knee")) == draw.RIGHT
    assert draw.keypoint_colour(COCO17, COCO17.index("nose")) == draw.MIDDLE
    left, right = COCO17.index("left shoulder"), COCO17.index("right shoulder")
    assert draw.limb_colour(COCO17, (left, right)) == draw.MIDDLE
    assert draw.limb_colour(COCO17, (left, COCO17.index("left elbow"))) == draw.LEFT
    assert draw.limb_colour(COCO17, (COCO17.index("nose"), right)) == draw.RIGHT


def test_a_limb_is_drawn_between_its_keypoints():
    blank = np.full((200, 200, 3), 128, dtype=np.uint8)
    person = someone({"left elbow": (50, 60), "left wrist": (150, 160)})
    drawn = draw.draw_skeleton(blank, [person], COCO17)
    assert tuple(drawn[60, 50]) == draw.LEFT and tuple(drawn[160, 150]) == draw.LEFT
    assert tuple(drawn[110, 100]) == draw.LEFT  # half-way along the limb
    assert tuple(drawn[60, 150]) == (128, 128, 128)
    assert (blank == 128).all()  # the photo itself is left alone
    changed = (drawn != 128).any(axis=-1)
    assert 0.005 < changed.mean() < 0.1


def test_faint_and_lost_keypoints_are_left_out():
    blank = np.full((200, 200, 3), 128, dtype=np.uint8)
    person = someone({"left elbow": (50, 60), "left wrist": (150, 160)})
    assert (draw.draw_skeleton(blank, [person], COCO17, min_score=1.1) == 128).all()
    lost = replace(person, keypoints=np.full((17, 2), np.nan))
    assert (draw.draw_skeleton(blank, [lost], COCO17) == 128).all()
    far = replace(person, keypoints=np.full((17, 2), -1e9))
    assert draw.draw_skeleton(blank, [far], COCO17).shape == blank.shape


def test_people_are_drawn_where_a_scaled_picture_shows_them():
    small = np.full((100, 100, 3), 128, dtype=np.uint8)
    person = someone({"right hip": (121, 81)})
    half = Affine.scaling((0.5, 0.5), (-0.25, -0.25))
    drawn = draw.draw_skeleton(small, [person], COCO17, to_picture=half)
    y, x = np.nonzero((drawn == draw.RIGHT).all(axis=-1))
    assert (x.mean(), y.mean()) == pytest.approx((60.25, 40.25), abs=0.5)


# --- overlay ----------------------------------------------------------------------------------


def test_nothing_on_the_map_leaves_the_dimmed_photo():
    pixels = noise_photo().pixels
    zero = np.zeros(pixels.shape[:2])
    plain = draw.overlay(pixels, zero, dim=0.4)
    np.testing.assert_array_equal(plain, np.round(draw.dimmed(pixels, 0.4)).astype(np.uint8))
    assert plain.mean() == pytest.approx(0.6 * pixels.mean(), rel=0.1)


@pytest.mark.parametrize("name", draw.COLOUR_MAPS)
def test_full_opacity_shows_the_colour_map_itself(name):
    pixels = noise_photo().pixels
    full = draw.overlay(pixels, np.ones(pixels.shape[:2]), colour_map=name, opacity=1.0)
    assert (full == draw.colour_table(name)[255]).all()
    assert draw.colour_table(name).shape == (256, 3)


@pytest.mark.parametrize("name", ["viridis", "magma", "inferno", "cividis"])
def test_even_colour_maps_grow_lighter_all_the_way(name):
    light = draw.colour_table(name) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) >= -1).all() and light[-1] - light[0] > 120


def test_more_attention_never_hides_less_of_the_photo():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    opacity = draw.opacity_of(values, 0.75)
    assert opacity[0] == 0 and opacity[-1] == pytest.approx(0.75)
    assert (np.diff(opacity) >= 0).all()


def test_wrong_maps_are_refused():
    pixels = noise_photo().pixels
    with pytest.raises(PoseKitError, match="choose one of viridis"):
        draw.overlay(pixels, np.zeros(pixels.shape[:2]), colour_map="jet")
    with pytest.raises(ValueError, match="pixels"):
        draw.overlay(pixels, np.zeros((3, 3)))


def test_a_contour_runs_along_the_level():
    blank = np.zeros((60, 60, 3), dtype=np.uint8)
    y, x = np.mgrid[0:60, 0:60]
    values = 30 - np.hypot(x - 30, y - 30)
    drawn = draw.contour(blank, values, 10.0, line_width=1)
    white = (drawn > 180).all(axis=-1)
    assert white.sum() > 60
    assert np.abs(np.hypot(x - 30, y - 30)[white] - 20).max() < 2
    assert (blank == 0).all()
    assert (draw.contour(blank, values, np.inf) == 0).all()


# --- scale and legend -------------------------------------------------------------------------


def test_own_scale_reaches_one_and_says_what_one_is(explanation):
    for one, whole in zip(draw.scaled(explanation.maps), explanation.maps, strict=True):
        assert one.map.weights.max() == pytest.approx(1)
        assert [text for _, text in one.ticks] == [
            "0%",
            percent(whole.weights.max() / 2),
            percent(whole.weights.max()),
        ]


def test_cells_left_out_show_the_photo_and_the_others_keep_their_colour(explanation):
    """Within a kept cell nothing changes; where no cell is near, the photo is bare."""
    one = explanation.maps[-1]
    window = choose_window(explanation.prediction.photo.size, one, "person", 400)
    cover = window.cover_of(one.keep_mass(0.3))
    assert cover.min() == 0 and cover.max() == 1
    picture = window.pixels_of(explanation.prediction.photo.pixels)
    values = window.values_of(one) / one.weights.max()
    whole, part = (draw.overlay(picture, values, cover=c) for c in (None, cover))
    np.testing.assert_array_equal(part[cover == 1], whole[cover == 1])
    bare = np.round(draw.dimmed(picture, 0.4)).astype(np.uint8)
    np.testing.assert_array_equal(part[cover == 0], bare[cover == 0])
    assert window.cover_of(one) is None


def test_shared_scale_keeps_the_ratio_of_maps(explanation):
    shared = draw.scaled(explanation.maps, "shared")
    top = max(one.weights.max() for one in explanation.maps)
    for one, whole in zip(shared, explanation.maps, strict=True):
        np.testing.assert_allclose(one.map.weights, whole.weights / top, rtol=1e-6)
        assert one.ticks == shared[0].ticks


def test_mass_scale_ranks_cells_by_the_mass_below_them():
    rank = draw.mass_rank(np.array([[0.1, 0.4], [0.4, 0.1]], dtype=np.float32))
    np.testing.assert_allclose(rank, [[0.2, 1.0], [1.0, 0.2]], atol=1e-6)
    assert (draw.mass_rank(np.zeros((2, 2), dtype=np.float32)) == 0).all()


def test_mass_scale_agrees_with_keep_mass(explanation):
    """The cells above 1 - s hold about s of the mass: the very set keep_mass keeps."""
    one = explanation.maps[2]
    rank = draw.scaled([one], "mass")[0].map.weights
    for share in (0.2, 0.5, 0.8):
        assert ((rank > 1 - share + 1e-6) <= (one.keep_mass(share).weights > 0)).all()


def test_the_legend_says_model_layer_head_scale_and_grid(explanation, prediction):
    model = prediction.model
    text = draw.legend(explanation.maps[2], model)
    assert text == (
        "Tiny-TransPose (untrained) · encoder layer 3 · looks at (row) · mean of 4 heads · "
        "grid 8 × 6 · scaled to its own maximum"
    )
    column = explain(prediction, explanation.query, direction="column", head=1).maps[0]
    text = draw.legend(column.keep_mass(0.5), model, scale="shared")
    assert "is looked at by (column) · head 2 of 4" in text
    assert "one scale for all maps shown, heaviest 50% of mass" in text
    trained = pose_model(model.module, (64, 48), kind="file")
    assert "untrained" not in draw.legend(column, trained)
    with pytest.raises(PoseKitError, match="own, shared, mass"):
        draw.legend(column, model, scale="log")  # type: ignore[arg-type]


def test_all_and_nothing_are_said_of_all_and_nothing_alone():
    shares = (1 - 0.0032, 0.9961, 0.9999, 0.00004, 1 - 1e-8, 1e-8, 0.995)
    words = ["99.7%", "99.6%", "99.9%", "0.0040%", "100%", "0%", "99.5%"]
    assert [percent(share) for share in shares] == words


def test_percentages_keep_two_digits():
    assert [percent(v) for v in (0, 0.5, 0.0132, 0.000326, 1)] == [
        "0%",
        "50%",
        "1.3%",
        "0.033%",
        "100%",
    ]


# --- figure -----------------------------------------------------------------------------------


def rendered(figure) -> np.ndarray:
    buffer = io.BytesIO()
    draw.save_png(figure, buffer)
    return np.asarray(Image.open(io.BytesIO(buffer.getvalue())))


def texts(figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def test_the_figure_has_a_panel_a_layer_with_its_legend_and_bar(explanation):
    figure = draw.draw_explanation(explanation)
    assert len(figure.axes) == 1 + 3 * 2  # photo, and for each layer a map and its colour bar
    words = texts(figure)
    for layer in (1, 2, 3):
        assert f"encoder layer {layer}" in words
    for needed in ("looks at", "mean of 4 heads", "grid 8 × 6", "own maximum", "entropy", "box"):
        assert needed in words
    assert "random weights" in words
    assert SECRET not in words
    picture = rendered(figure)
    assert picture.ndim == 3 and picture.std() > 20


@pytest.mark.parametrize("direction", ["row", "column"])
def test_no_text_of_the_figure_runs_into_the_next_panel(prediction, direction):
    explanation = explain(prediction, "right shoulder", direction=direction, head=1)
    figure = draw.draw_explanation(explanation, scale="shared", keep=0.8)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    for bar in (axes for axes in figure.axes if axes.axison):
        boxes += [label.get_window_extent(renderer) for label in bar.get_xticklabels()]
    for n, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[n + 1 :])


def test_the_star_stands_at_the_query(explanation):
    figure = draw.draw_explanation(explanation)
    stars = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    assert len(stars) == 4
    for one in stars:
        assert one.get_xydata()[0] == pytest.approx(explanation.query.point)


def test_the_person_view_is_the_part_the_model_saw(explanation, prediction):
    figure = draw.draw_explanation(explanation, view="person")
    left, right = figure.axes[0].get_xlim()
    one = explanation.maps[0]
    x0, x1 = one.grid_to_photo.apply([(-0.5, 0), (5.5, 0)])[:, 0]
    assert left == pytest.approx(max(-0.5, x0), abs=1) and right == pytest.approx(
        min(139.5, x1), abs=1
    )


@pytest.mark.parametrize("scale", ["own", "shared", "mass"])
@pytest.mark.parametrize("direction", ["row", "column"])
def test_every_scale_and_direction_draws(prediction, scale, direction):
    one = explain(prediction, "nose", direction=direction, layers=[0])
    figure = draw.draw_explanation(one, scale=scale, colour_map="viridis", contour_share=None)
    assert rendered(figure).std() > 20


def test_bad_options_are_refused_before_drawing(explanation):
    with pytest.raises(PoseKitError, match="colour map"):
        draw.draw_explanation(explanation, colour_map="rainbow")
    with pytest.raises(PoseKitError, match="scale"):
        draw.draw_explanation(explanation, scale="log")  # type: ignore[arg-type]
    with pytest.raises(TraceError, match="share"):
        draw.draw_explanation(explanation, keep=1.5)


def test_figures_can_be_drawn_in_threads_and_pyplot_is_not_touched(prediction):
    explanation = explain(prediction, "nose", layers=[0])
    expected = rendered(draw.draw_explanation(explanation))
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(rendered(draw.draw_explanation(explanation))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and all(np.array_equal(one, expected) for one in found)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_the_outline_shows_even_when_one_cell_holds_half(explanation):
    weights = np.full((8, 6), 0.2 / 47, dtype=np.float32)
    weights[4, 3] = 0.8
    peaked = replace(explanation.maps[0], weights=weights)
    assert peaked.isoline(0.5) == pytest.approx((0.8 + 0.2 / 47) / 2)
    figure = draw.draw_explanation(replace(explanation, maps=(peaked,)))
    lines = figure.axes[1].collections
    ends = np.concatenate([path.vertices for line in lines for path in line.get_paths()])
    x, y = peaked.grid_to_photo.apply((3, 4))
    assert len(ends) > 8
    assert np.abs(ends - (x, y)).max() < peaked.grid_to_photo.scale  # within one cell


# --- files ------------------------------------------------------------------------------------


def test_a_png_says_what_it_shows_and_not_whose_photo(explanation, tmp_path):
    path = tmp_path / "picture.png"
    draw.save_png(draw.draw_explanation(explanation), path, explanation=explanation)
    with Image.open(path) as picture:
        text = dict(picture.text)
        assert not picture.getexif()
    assert text["Software"].startswith("PoseKit ")
    assert text["Model"] == "tiny"
    assert text["Layer"] == "encoder.1, encoder.2, encoder.3"
    assert "grid 8 × 6" in text["Description"]
    what = json.loads(text["PoseKit"])
    assert what["direction"] == "row" and what["trained"] is False
    assert b"holiday" not in path.read_bytes()


def test_a_png_of_one_map_names_that_layer(explanation):
    buffer = io.BytesIO()
    one = explanation.layer("encoder.2")
    pixels = draw.overlay(explanation.prediction.photo.pixels, one.on_photo())
    draw.save_png(pixels, buffer, explanation=explanation, shown=one)
    picture = Image.open(io.BytesIO(buffer.getvalue()))
    assert picture.text["Layer"] == "encoder.2"
    np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_an_npz_places_every_raw_map_on_the_photo(explanation, prediction, tmp_path):
    path = tmp_path / "maps.npz"
    draw.save_npz(explanation, path)
    assert path.exists()
    with np.load(path, allow_pickle=False) as kept:
        assert kept["weights"].dtype == np.float32
        np.testing.assert_array_equal(kept["weights"], [one.weights for one in explanation.maps])
        assert kept["layers"].tolist() == ["encoder.1", "encoder.2", "encoder.3"]
        np.testing.assert_array_equal(
            kept["grid_to_photo"], [one.grid_to_photo.matrix for one in explanation.maps]
        )
        # The affine alone leads from the heaviest cell to its place on the photo.
        row, column = divmod(int(kept["query_token"][0]), 6)
        centre = kept["grid_to_photo"][0] @ [column, row, 1]
        cell = explanation.maps[0].grid_to_photo.scale
        assert np.abs(centre - kept["query_point"]).max() <= cell / 2 + 1e-6
        assert kept["query_person"] == 0 and kept["query_keypoint"] == -1
        assert kept["keypoint_names"].tolist() == list(COCO17.keypoints)
        np.testing.assert_array_equal(kept["keypoints"], prediction.people[0].keypoints)
        assert kept["box"].tolist() == [30, 30, 80, 120]
        assert kept["photo_size"].tolist() == [180, 140]
        assert json.loads(str(kept["metadata"]))["model"] == "tiny"
    assert b"holiday" not in path.read_bytes()
    draw.save_npz(explanation, tmp_path / "no-suffix")
    assert (tmp_path / "no-suffix").exists()


# --- maps of methods --------------------------------------------------------------------------


CHANCE = Chance((0.4, 0.6), (0.6, 0.4), (0.8, 0.2))
TRUST = Faithfulness(0.9, 0.1, CHANCE)


def heat_of(prediction: Prediction, values: np.ndarray, **more) -> HeatMap:
    grid = prediction.trace.attentions["encoder.1"].key_grid
    crop = prediction.people[0].crop
    return HeatMap("occlusion", values, grid, crop, target="left wrist", **more)


@pytest.fixture(scope="module")
def signed(prediction: Prediction) -> HeatMap:
    """One cell for, one against half as strongly, nothing elsewhere."""
    values = np.zeros((8, 6), dtype=np.float32)
    values[2, 1], values[5, 4] = 0.5, -0.25
    return heat_of(prediction, values, signed=True, delta=0.0125, options={"window": 16})


def test_signed_colours_are_centred_at_zero():
    table = draw.colour_table(draw.DIVERGING).astype(int)
    light = table @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light[:128]) <= 0).all() and (np.diff(light[128:]) >= 0).all()
    assert light[127] < 30 < 150 < min(light[0], light[-1])
    pixels = np.full((1, 5, 3), 128, dtype=np.uint8)
    drawn = draw.signed_overlay(pixels, np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]]), opacity=1.0)
    np.testing.assert_array_equal(drawn[0, 2], np.round(draw.dimmed(pixels, 0.4))[0, 2])
    np.testing.assert_array_equal(drawn[0, [0, 4]], table[[0, 255]])
    violet, green = drawn[0, 1].astype(int), drawn[0, 3].astype(int)
    assert violet[1] < min(violet[0], violet[2]) and green[1] > max(green[0], green[2])
    with pytest.raises(ValueError, match="pixels"):
        draw.signed_overlay(pixels, np.zeros((3, 3)))


def test_a_signed_map_is_green_for_and_violet_against(prediction, signed):
    figure = draw.draw_explanation(signed, prediction=prediction, contour_share=None)
    shown = figure.axes[1].images[0].get_array().astype(int)
    extent = figure.axes[1].images[0].get_extent()
    for (row, col), sign in (((2, 1), 1), ((5, 4), -1)):
        x, y = signed.grid_to_photo.apply((col, row))
        at = shown[
            int((y + 0.5) / (extent[2] - extent[3]) * shown.shape[0]),
            int((x + 0.5) / (extent[1] - extent[0]) * shown.shape[1]),
        ]
        assert sign * (at[1] - (at[0] + at[2]) / 2) > 20
    words = texts(figure)
    assert "green for, violet against" in words
    labels = [label.get_text() for label in figure.axes[2].get_xticklabels()]
    assert labels == ["−0.5", "0", "0.5 per cell"]


def test_a_map_s_legend_says_what_it_is(prediction, signed):
    said = draw.heat_legend(signed, prediction.model, faithfulness=TRUST)
    assert said == (
        "Tiny-TransPose (untrained) · Occlusion · left wrist · grid 8 × 6 · window 16 · "
        "green for, violet against · scaled to its own maximum · "
        "its sum meets the value within 5% · convergence delta 0.0125 · "
        "faithfulness 0.90 (random maps 0.50, a plain spot 0.80)"
    )
    plain = heat_of(prediction, np.abs(signed.values))
    said = draw.heat_legend(plain, prediction.model)
    assert "violet" not in said and "delta" not in said and "faithfulness" not in said


def test_a_map_that_misses_its_value_says_by_how_much(prediction, signed):
    """Its sum is 0.25: of a value of 0.5 half is missing, of one of 0.26 a twenty-fifth."""
    for delta, said in (
        (-0.25, "its sum misses the value by 50%"),
        (-0.01, "meets the value within 4%"),
    ):
        assert said in draw.heat_legend(replace(signed, delta=delta), prediction.model)
    none = draw.heat_legend(replace(signed, delta=0.25), prediction.model)  # of a value of 0
    assert "convergence delta 0.25" in none and "the value" not in none
    terms = replace(signed, method="contribution", options={"value": 2.0}, delta=-0.5)
    assert missed_share(terms) == 0.25


def test_a_method_s_options_are_said_in_plain_words(prediction, signed):
    options = {"start": "encoder.1", "head": "mean", "residual": 0.5, "steps": 32}
    said = asked_words("rollout", options, prediction.model)
    assert said == [
        "from encoder layer 1 on",
        "mean of the heads",
        "50% pass each layer unchanged (residual 0.5)",
        "steps 32",
    ]
    assert asked_words("contribution", {"head": 1, "residual": 0.5}, prediction.model) == [
        "head 2",
        "residual 0.5",  # a term of the value here, not an option
    ]
    fine = TokenGrid(80, 60, Affine.scaling((0.1, 0.1), (0.0, 0.0)))
    crop, values = prediction.people[0].crop, np.ones((80, 60), np.float32)
    legend = draw.heat_legend(HeatMap("saliency", values, fine, crop), prediction.model)
    assert "the top 0.5% of pixels share the full colour" in legend and "99.5" not in legend


def test_keypoints_that_are_not_drawn_are_named(prediction):
    names, people = COCO17.keypoints, prediction.people
    scores = np.where([name in ("right ankle", "left knee") for name in names], 0.1, 0.9)
    sure = [replace(one, scores=np.full(17, 0.9)) for one in people]
    weak = replace(prediction, people=(replace(people[0], scores=scores), *sure[1:]))
    missing = "not drawn (confidence below 0.20): left knee, right ankle"
    asked = explain(weak, "left wrist")
    for shown in (asked, signed_of(weak)):
        figure = draw.draw_explanation(shown, prediction=weak)
        assert missing in " ".join(texts(figure).split())
        assert missing in draw.svg_text(shown, prediction=weak)
    assert left_out_words(sure, COCO17) == ""
    nobody = replace(people[0], scores=np.zeros(17))
    assert left_out_words([nobody], COCO17).endswith(": all keypoints")
    assert left_out_words([sure[0], weak.people[0]], COCO17).endswith(": 2 of other people")
    lost = replace(sure[0], keypoints=np.where(np.eye(17, 2) > 0, np.nan, people[0].keypoints))
    assert "nose, left eye" in left_out_words([lost], COCO17)


def signed_of(prediction: Prediction) -> HeatMap:
    return heat_of(prediction, np.eye(8, 6, dtype=np.float32), signed=True)


def test_a_fine_map_is_not_blinded_by_a_few_pixels(prediction):
    crop = prediction.people[0].crop
    values = np.full((640, 480), 0.1, dtype=np.float32)
    values[0, :20] = 50.0
    grid = TokenGrid(640, 480, Affine.scaling((0.1, 0.1), (0.0, 0.0)))
    assert draw.colour_limit(HeatMap("saliency", values, grid, crop)) == pytest.approx(0.1)
    coarse = heat_of(prediction, np.arange(48, dtype=np.float32).reshape(8, 6))
    assert draw.colour_limit(coarse) == 47
    assert draw.colour_limit(heat_of(prediction, np.zeros((8, 6)))) == 1.0


@pytest.mark.parametrize("keep", [1.0, 0.6])
def test_the_figure_of_a_map_has_its_words_in_place(prediction, signed, keep):
    figure = draw.draw_explanation(
        signed, prediction=prediction, faithfulness=TRUST, keep=keep, view="person"
    )
    assert len(figure.axes) == 3
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    for n, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[n + 1 :])
    words = texts(figure)
    for needed in ("Left wrist by Occlusion", "confidence", "faithfulness 0.90", "delta 0.0125"):
        assert needed in words
    assert ("heaviest 60% of mass" in words) is (keep < 1)
    stars = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    wrist = prediction.people[0].keypoints[COCO17.index("left wrist")]
    assert len(stars) == 2
    for one in stars:
        assert one.get_xydata()[0] == pytest.approx(wrist)


def test_what_is_left_out_of_a_signed_map_is_its_weakest_on_both_sides(prediction, signed):
    """Two thirds of the magnitude is the stronger cell alone."""
    whole, part = (
        draw.draw_explanation(signed, prediction=prediction, keep=keep, contour_share=None)
        for keep in (1.0, 0.6)
    )
    one, other = (f.axes[1].images[0].get_array().astype(int) for f in (whole, part))
    scale = one.shape[1] / 140
    weak, strong = (
        tuple(int((at + 0.5) * scale) for at in signed.grid_to_photo.apply(cell)[::-1])
        for cell in ((4, 5), (1, 2))
    )
    assert (one[strong] == other[strong]).all()
    window = choose_window(prediction.photo.size, signed, "photo", one.shape[1])
    bare = np.round(draw.dimmed(window.pixels_of(prediction.photo.pixels), 0.4))
    assert (other[weak] == bare[weak]).all() and (one[weak] != bare[weak]).any()


def test_a_map_without_its_photo_is_a_sentence(prediction, signed):
    with pytest.raises(PoseKitError, match="pass prediction="):
        draw.draw_explanation(signed)
    with pytest.raises(PoseKitError, match="pass prediction="):
        draw.save_npz(signed, io.BytesIO())
    with pytest.raises(PoseKitError, match="no layers to name it by"):
        draw.draw_explanation(signed, prediction=prediction, faithfulness={"encoder.1": TRUST})


def test_a_layer_s_legend_says_its_faithfulness(explanation):
    figure = draw.draw_explanation(explanation, faithfulness={"encoder.2": TRUST})
    assert texts(figure).count("faithfulness 0.90") == 1
    assert draw.describe(explanation, faithfulness={"encoder.2": TRUST})["faithfulness"][
        "encoder.2"
    ]["score"] == pytest.approx(0.9)
    with pytest.raises(PoseKitError, match="which layer"):
        draw.draw_explanation(explanation, faithfulness=TRUST)


def test_files_of_a_map_say_method_and_values(prediction, signed, tmp_path):
    about = {"prediction": prediction, "faithfulness": TRUST}
    path = tmp_path / "map.png"
    figure = draw.draw_explanation(signed, **about)
    draw.save_png(figure, path, explanation=signed, **about)
    with Image.open(path) as picture:
        text = dict(picture.text)
    assert text["Method"] == "occlusion" and "convergence delta 0.0125" in text["Description"]
    what = json.loads(text["PoseKit"])
    assert what["options"] == {"window": 16} and what["delta"] == 0.0125
    assert what["faithfulness"]["verdict"] == "better"
    assert b"holiday" not in path.read_bytes()
    draw.save_npz(signed, tmp_path / "map.npz", **about)
    with np.load(tmp_path / "map.npz", allow_pickle=False) as kept:
        np.testing.assert_array_equal(kept["values"], signed.values)
        np.testing.assert_array_equal(kept["grid_to_photo"], signed.grid_to_photo.matrix)
        assert int(kept["query_keypoint"]) == COCO17.index("left wrist")
        assert json.loads(str(kept["metadata"]))["method"] == "occlusion"


def test_a_target_without_a_place_has_no_star(prediction, signed):
    coordinate = replace(signed, target="x of left wrist")
    figure = draw.draw_explanation(coordinate, prediction=prediction)
    assert not any(line.get_marker() == "*" for axes in figure.axes for line in axes.lines)
    query = Query(0, (60.0, 70.0), COCO17.index("left wrist"))
    figure = draw.draw_explanation(coordinate, prediction=prediction, query=query)
    stars = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    assert stars[0].get_xydata()[0] == pytest.approx((60, 70))
