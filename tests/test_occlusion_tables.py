"""A study's tables: as CSV, in a picture that holds only some of the rows, and asked again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import posekit
from app.occlusion_files import FORMATS, SWEEPS, file_name, swept, written
from app.style import STATIC
from posekit.cli import app as cli
from posekit.geometry import Box
from posekit.occlusion import Rectangle, Study, draw_study, prepared_case, study, sweep_grid
from posekit.occlusion.figure import shown_rows
from posekit.occlusion.paper import draw_paper
from posekit.occlusion.reproduce import command_line, needed, python_call
from posekit.occlusion.tables import COLUMNS
from tests.occluded import ONES, PHOTO, WRIST
from tests.test_occlusion_studies import MASKS
from tests.tiny_models import noise_photo, tiny_model

CASE = "somebody steps in"


@pytest.fixture(scope="module")
def done() -> Study:
    return study(tiny_model(), PHOTO, ONES[0], keypoint=WRIST, masks=MASKS)


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def of_file(one: Any) -> list[dict[str, str]]:
    target = io.BytesIO()
    one.save_csv(target)
    return read(target.getvalue())


def test_the_csv_holds_every_figure_as_it_is(done: Study) -> None:
    rows = of_file(done)
    assert tuple(rows[0]) == COLUMNS
    changed = [row for row in rows if row["table"] == "what changed"]
    assert [row["key"] for row in changed] == [one.key for one in done.changes]
    for row, one in zip(changed, done.changes, strict=True):
        for name in ("before", "after", "difference"):
            value = getattr(one, name)
            assert row[name] == ("" if value is None else repr(float(value))), (row, name)
    keypoints = {row["key"]: row for row in rows if row["table"] == "every keypoint"}
    assert len(keypoints) == 7 * 17 and len(rows) == len(changed) + len(keypoints)
    wrist = next(one for one in done.keypoint_changes if one.keypoint == WRIST)
    assert wrist.before is not None and wrist.after is not None and wrist.moved is not None
    assert float(keypoints["y.left wrist"]["before"]) == wrist.before[1]
    dx, dy = (float(keypoints[f"{axis}.left wrist"]["difference"]) for axis in "xy")
    assert float(keypoints["moved.left wrist"]["after"]) == pytest.approx(np.hypot(dx, dy))
    assert keypoints["covered.left wrist"]["before"] == str(int(wrist.covered))
    assert keypoints["confidence.left wrist"]["unit"] == ""


def test_a_keypoint_that_is_not_found_has_empty_cells() -> None:
    from tests.test_occlusion_studies import spots, whole_photo_model

    photo = spots((30, 40, 200))
    rows = of_file(study(whole_photo_model(), photo, ONES[0], keypoint="nose"))
    ankle = {row["key"]: row for row in rows}["x.left ankle"]
    assert (ankle["before"], ankle["after"], ankle["difference"]) == ("", "", "")


def test_a_sweeps_csv_has_a_row_an_occluder() -> None:
    square = Rectangle(Box(0, 0, 14, 14), "grey")
    swept_ = sweep_grid(
        tiny_model(), PHOTO, square, keypoint=WRIST, masks=MASKS, shape=(2, 3),
        region=Box(0, 0, 60, 80),
    )  # fmt: skip
    rows = of_file(swept_)
    assert len(rows) == 6
    places = [(float(row["middle_x"]), float(row["middle_y"])) for row in rows]
    # Cells of 20 x 40 pixels, whose first begins at the edge of pixel 0.
    assert places == [(x, y) for y in (19.5, 59.5) for x in (9.5, 29.5, 49.5)]
    for row, one in zip(rows, swept_.rows, strict=True):
        assert float(row["confidence"]) == one["confidence"]
        parts = ("on_person", "on_others", "on_background", "in_front")
        assert sum(float(row[part]) for part in parts) == pytest.approx(1)
    assert read(swept(swept_, "sweep-csv")) == rows
    assert file_name("left wrist", "sweep-csv") == "posekit-occlusion-left-wrist-sweep.csv"


def test_the_page_hands_out_the_same_csv(done: Study) -> None:
    assert read(written(done, "csv")) == of_file(done)
    assert file_name(done.label, "csv") == "posekit-occlusion-left-wrist.csv"
    assert set(SWEEPS) < set(FORMATS) and FORMATS["csv"] == "text/csv"
    buttons = (STATIC / "occlusion-page.js").read_text("utf-8")
    assert all(f'downloadOcclusion("{kind}")' in buttons for kind in FORMATS)


def test_the_command_line_writes_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posekit.zoo.load", lambda *_, **__: tiny_model())
    Image.fromarray(noise_photo(80, 60).pixels).save(tmp_path / "photo.png")
    words = ["occlude", str(tmp_path / "photo.png"), "-k", WRIST, "--rectangle", "10,20,30,40"]
    for name, more in (("study.csv", []), ("sweep.csv", ["--sweep", "grid", "--grid", "2,2"])):
        run = CliRunner().invoke(cli, [*words, *more, "--out", str(tmp_path / name)])
        assert run.exit_code == 0, run.output
    assert tuple(read((tmp_path / "study.csv").read_bytes())[0]) == COLUMNS
    assert len(read((tmp_path / "sweep.csv").read_bytes())) == 4
    refused = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "study.txt")])
    assert refused.exit_code == 2 and ".csv" in refused.output


def test_the_picture_leaves_out_other_layers_first_and_says_so(done: Study) -> None:
    every = len(done.changes)
    assert shown_rows(done, every) == list(done.changes)
    # 3 layers of 5 rows: one row too many leaves out the whole first layer.
    kept = shown_rows(done, every - 1)
    assert len(kept) == every - 5 and {one.key for one in done.changes} - {
        one.key for one in kept
    } == {
        f"{part}.encoder.1"
        for part in ("on_person", "on_others", "on_background", "in_front", "on_occluder")
    }
    fewest = shown_rows(done, every - 10)
    assert [one.key for one in fewest] == [
        one.key for one in done.changes if not one.key.endswith((".encoder.1", ".encoder.2"))
    ]
    assert "people" in {one.key for one in fewest} and len(shown_rows(done, 3)) == 3

    def texts(**how: Any) -> str:
        return "\n".join(text.get_text() for text in draw_study(done, **how).texts)

    assert "in the report" not in texts(rows=every)
    assert "… 5 more rows in the report" in texts(rows=every - 1)
    assert f"… {every - 3} more rows in the report" in texts(rows=3)


def test_a_prepared_case_is_asked_again_by_its_name() -> None:
    case = prepared_case(CASE)
    model = posekit.load("transpose-r-small", device="cpu")
    found = study(
        model, case.photo, case.occluder, keypoint=case.case.keypoint, person=case.case.person,
        boxes=case.boxes, masks=case.masks, truth=case.truth(model.entry.skeleton),
    )  # fmt: skip
    code = python_call(found)
    assert f"prepared_case('{CASE}', (480, 480))" in code and "photo.jpg" not in code
    scope: dict[str, Any] = {}
    exec(code, scope)
    again = scope["answer"]
    assert [one.key for one in again.changes] == [one.key for one in found.changes]
    for one, other in zip(again.changes, found.changes, strict=True):
        assert (one.before, one.after) == pytest.approx((other.before, other.after), abs=1e-4), one
    assert again.sentences == found.sentences
    assert command_line(found).startswith("posekit occlude photo.png ")
    assert "posekit cases gallery 'somebody steps in' --out photo.png" in needed(found)
    # What is put in front hides of this wrist's attention on its person what lies under it.
    parts = [found.before.purity["encoder.3"], found.after.purity["encoder.3"]]
    assert [round(100 * one.own) for one in parts] == [48, 38]
    assert round(100 * parts[1].in_front) == 35


def test_masks_that_are_not_in_the_code_are_named_in_a_remark(done: Study) -> None:
    code = python_call(done)
    assert "masks = None  # put masks as they were given here: an array (height, width)" in code
    assert code.index("masks = None") < code.index("masks=masks")
    compile(code, "code", "exec")
    assert "prepared_case" not in code and "Purity was measured on" in needed(done)


@pytest.mark.parametrize("masks", [MASKS, None])
def test_the_figure_for_a_paper_is_one_column_of_7_points(done: Study, masks: object) -> None:
    found = done if masks is not None else study(tiny_model(), PHOTO, None, keypoint=WRIST)
    figure = draw_paper(found)
    assert figure.get_figwidth() * 25.4 == pytest.approx(85.0)
    assert {text.get_fontsize() for text in figure.texts} == {7.0}
    words = [text.get_text() for text in figure.texts]
    assert words[0].startswith("Before, confidence 0.") and words[1].startswith("After, confid")
    assert len(words) == 3 and words[2].startswith("0 to ")  # and nothing else is said
    assert words[2].endswith("of the attention per cell")
    before, after, bar = figure.axes
    assert bar.images[0].get_array().shape == (1, 256, 3)  # type: ignore[union-attr]
    # The outline is a dark line under a light one, on the side after alone.
    assert len(before.lines) == 0 and len(after.lines) == (2 if masks is not None else 0)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= -1 and box.y1 <= height + 1


def test_the_figure_for_a_paper_is_written_by_python_the_page_and_the_command_line(
    done: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, pixels = io.BytesIO(), io.BytesIO()
    done.save_svg(vectors, paper=True)
    done.save_png(pixels, paper=True)
    assert b'width="240.94' in vectors.getvalue()  # 85 mm in points
    assert Image.open(pixels).width == int(85 / 25.4 * 400)
    page = written(done, "paper-svg")
    assert b'width="240.94' in page and b"<dc:date>" not in page
    assert file_name("left wrist", "paper-svg") == "posekit-occlusion-left-wrist-paper.svg"
    monkeypatch.setattr("posekit.zoo.load", lambda *_, **__: tiny_model())
    Image.fromarray(noise_photo(80, 60).pixels).save(tmp_path / "photo.png")
    words = ["occlude", str(tmp_path / "photo.png"), "-k", WRIST, "--rectangle", "10,20,30,40"]
    run = CliRunner().invoke(cli, [*words, "--paper", "--out", str(tmp_path / "one.svg")])
    assert run.exit_code == 0, run.output
    assert b'width="240.94' in (tmp_path / "one.svg").read_bytes()
    for more in (["--paper"], ["--paper", "--out", str(tmp_path / "one.html")]):
        assert CliRunner().invoke(cli, [*words, *more]).exit_code == 2
