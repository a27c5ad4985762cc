"""The case library, the HTML report, and both on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from posekit.cli import app
from posekit.errors import LibraryError
from posekit.geometry import Box
from posekit.occlusion import (
    CaseLibrary,
    Cutout,
    Study,
    export_case,
    html_page,
    study,
    study_of,
    sweep_grid,
    sweep_limb,
)
from tests.tiny_models import noise_photo, tiny_model

PHOTO = noise_photo(80, 60, name="holiday with Aunt Mary.jpg")
MODEL = tiny_model()
HOSTILE = '../../x"><script>alert(1)</script>\n; DROP TABLE cases'


def one_study() -> Study:
    mask = np.zeros((80, 60), bool)
    mask[5:25, 5:15] = True
    masks = [mask, ~mask]
    return study(
        MODEL, PHOTO, Cutout.of_mask(mask, (20, 30)), keypoint="left wrist",
        boxes=[Box(2, 3, 50, 70)], masks=masks, layer="encoder.2",
    )  # fmt: skip


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_case_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    library, done = CaseLibrary(tmp_path / "cases"), one_study()
    assert library.list() == () and not library.folder.exists()
    saved = library.save(done, title=HOSTILE, note="why\n<b>not</b>")
    opened = CaseLibrary(tmp_path / "cases").open(saved.id)
    assert opened.photo is not None and opened.photo.digest == PHOTO.digest
    assert opened.occluder == done.occluder and opened.boxes == done.boxes
    assert (opened.model, opened.keypoint, opened.person, opened.layer) == (
        "tiny", "left wrist", 0, "encoder.2",
    )  # fmt: skip
    assert opened.note == "why\n<b>not</b>" and opened.title == " ".join(HOSTILE.split())
    again = study_of(opened, MODEL)
    assert again.changes == done.changes and again.keypoint_changes == done.keypoint_changes
    second = library.save(done)
    assert [one.id for one in library.list()] == [second.id, saved.id]
    assert library.list()[0].title == done.title and library.list()[0].photo is None
    with Image.open(saved.before) as small:
        assert small.size == (60, 80)


def test_names_of_files_are_never_from_a_person(tmp_path: Path) -> None:
    library = CaseLibrary(tmp_path)
    saved = library.save(one_study(), title=HOSTILE, note=HOSTILE)
    assert re.fullmatch("[0-9a-f]{32}", saved.id)
    assert files(tmp_path) == sorted(
        ["cases.sqlite3", *(f"{saved.id}/{n}" for n in ("photo.png", "before.jpg", "after.jpg"))]
    )
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"Aunt Mary" not in path.read_bytes()


def test_deleting_a_case_deletes_its_files(tmp_path: Path) -> None:
    library = CaseLibrary(tmp_path)
    kept, gone = library.save(one_study()), library.save(one_study(), note="a secret of mine")
    library.delete(gone.id)
    assert [one.id for one in library.list()] == [kept.id]
    assert not any(name.startswith(gone.id) for name in files(tmp_path))
    assert library.open(kept.id).photo is not None
    assert b"a secret of mine" not in (tmp_path / "cases.sqlite3").read_bytes()
    for wrong in (gone.id, "../..", "", "%", kept.id.upper() + "/", HOSTILE):
        with pytest.raises(LibraryError, match="holds no case"):
            library.delete(wrong)
    library.delete(kept.id)
    assert files(tmp_path) == ["cases.sqlite3"] and library.list() == ()


def test_what_is_damaged_is_said_in_one_sentence(tmp_path: Path) -> None:
    library = CaseLibrary(tmp_path)
    with pytest.raises(LibraryError, match="no case has been saved"):
        library.open("0" * 32)
    saved = library.save(one_study())
    Image.fromarray(noise_photo(80, 60, seed=9).pixels).save(tmp_path / saved.id / "photo.png")
    with pytest.raises(LibraryError, match="not the one that was saved"):
        library.open(saved.id)
    (tmp_path / saved.id / "photo.png").write_bytes(b"no picture")
    with pytest.raises(LibraryError, match="damaged"):
        library.open(saved.id)
    library.delete(saved.id)
    (tmp_path / "cases.sqlite3").write_bytes(b"this is no database" * 99)
    with pytest.raises(LibraryError, match="cannot be used"):
        library.list()
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="cannot be written"):
        CaseLibrary(tmp_path / "file").save(one_study())
    with pytest.raises(LibraryError, match="at most"):
        library.save(one_study(), note="x" * 5000)


def check_self_contained(page: str) -> None:
    assert "default-src 'none'" in page and "<script" not in page and "Aunt Mary" not in page
    assert not re.search(r"(?:src|href)=(?![\"']?data:)", page)
    assert not re.search(r"url\(|@import|=[\"']?https?://", page)
    assert page.count("data:image/jpeg;base64,") >= 4


def test_the_report_needs_nothing_else(tmp_path: Path) -> None:
    done = one_study()
    grid = sweep_grid(MODEL, PHOTO, keypoint="left wrist", shape=(1, 2))
    page = html_page(done, note=HOSTILE, title=HOSTILE, sweep=grid)
    check_self_contained(page)
    assert "&lt;script&gt;alert(1)" in page and "left wrist" in page
    for row in done.changes:
        assert row.name.replace("'", "&#x27;") in page
    limb = sweep_limb(MODEL, PHOTO, keypoint="left wrist", start="nose", steps=2)
    assert len(html_page(done, sweep=limb)) < 2_000_000
    library = CaseLibrary(tmp_path)
    saved = library.open(library.save(done, title=HOSTILE, note="kept <i>note</i>").id)
    export_case(saved, MODEL, tmp_path / "case.html")
    text = (tmp_path / "case.html").read_text("utf-8")
    check_self_contained(text)
    assert "kept &lt;i&gt;note&lt;/i&gt;" in text
    with pytest.raises(LibraryError, match="open it by its id"):
        export_case(library.list()[0], MODEL, tmp_path / "no.html")


def test_the_files_of_a_study_say_what_they_hold(tmp_path: Path) -> None:
    done = one_study()
    done.save_json(tmp_path / "a.json")
    told = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert told["model"] == "tiny" and told["layer"] == "encoder.2" and not told["trained"]
    first = told["changes"][0]
    assert first["difference"] == pytest.approx(first["after"] - first["before"])
    assert told["occluder"]["kind"] == "cutout" and told["covered_pixels"] == int(done.cover.sum())
    done.save_npz(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        shown = done.after.map("encoder.2")
        assert shown is not None and (arrays["row.after.encoder.2"] == shown.weights).all()
        assert (arrays["cover"] == done.cover).all()
    done.save_png(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert json.loads(picture.text["PoseKit"])["asked"] == "left wrist"


@pytest.fixture
def posekit_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs ``posekit`` in a folder with a photo and checks the exit code."""
    monkeypatch.setenv("POSEKIT_CASES", str(tmp_path / "cases"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    Image.fromarray(noise_photo(200, 150).pixels).save("holiday.png")

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [*words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


WORDS = ("occlude", "holiday.png", "-k", "left wrist", "--weights", "random", "--device", "cpu")


def test_occlude_and_cases_on_the_command_line(posekit_, tmp_path: Path) -> None:
    cover = ("--rectangle", "20,30,59,69")
    done = posekit_(*WORDS, *cover, "--json", "--save", "mine", "--note", "hm", "--out", "a.html")
    told = json.loads(done.stdout)
    assert told["covered_pixels"] == 1600 and told["masks"].startswith("an estimate")
    check_self_contained((tmp_path / "a.html").read_text("utf-8"))
    held = json.loads(posekit_("cases", "list", "--json").stdout)
    assert [one["title"] for one in held] == ["mine"] and held[0]["id"] == told["case"]
    opened = posekit_("cases", "open", told["case"], "--out", "o.json").stdout
    assert "mine" in opened and "hm" in opened
    again = posekit_(*WORDS, "--occluder", "o.json", "--json")
    assert json.loads(again.stdout)["changes"] == told["changes"]
    posekit_("cases", "export", told["case"], "--out", "c.html", "--weights", "random")
    check_self_contained((tmp_path / "c.html").read_text("utf-8"))
    posekit_("cases", "delete", told["case"])
    assert "No case" in posekit_("cases", "list").stdout
    assert "holds no case" in posekit_("cases", "delete", told["case"], code=1).stderr


def test_a_sweep_on_the_command_line(posekit_, tmp_path: Path) -> None:
    swept = posekit_(*WORDS, "--sweep", "grid", "--grid", "2,3", "--out", "s.npz", "--json")
    told = json.loads(swept.stdout)["sweep"]
    assert told["shape"] == [2, 3] and len(told["rows"]) == 6
    with np.load(tmp_path / "s.npz", allow_pickle=False) as arrays:
        assert arrays["confidence"].shape == (6,)
    text = posekit_(*WORDS, "--sweep", "limb", "--limb", "left shoulder", "--steps", "3").stdout
    assert "the way from left shoulder to left wrist" in text
    assert "WHAT" in text and "confidence in the left wrist" in text


def test_a_knockout_on_the_command_line(posekit_, tmp_path: Path) -> None:
    cover = ("--rectangle", "20,30,59,69", "--colour", "knockout")
    told = json.loads(posekit_(*WORDS, *cover, "--json", "--out", "a.html").stdout)
    assert told["occluder"]["colour"] == "knockout"
    assert any(text.startswith("The photo is as it was") for text in told["sentences"])
    assert "with a knocked-out rectangle" in (tmp_path / "a.html").read_text("utf-8")
    limb = (*WORDS, "--sweep", "limb", "--limb", "left shoulder", "--steps", "2")
    kept, covered = (
        json.loads(posekit_(*limb, "--colour", colour, "--json").stdout)
        for colour in ("knockout", "255,255,255")
    )
    assert kept["occluder"]["colour"] == "knockout" and covered["occluder"]["colour"] == [255] * 3
    assert kept["sweep"]["rows"][1] != covered["sweep"]["rows"][1]
    refused = posekit_(*WORDS, "--rectangle", "1,2,3,4", "--colour", "pink", code=2).stderr
    assert "knockout" in refused


def test_what_the_command_line_refuses(posekit_) -> None:
    posekit_(*WORDS, code=2)
    posekit_(*WORDS, "--rectangle", "1,2,3", code=2)
    posekit_(*WORDS, "--rectangle", "1,2,30,40", "--limb", "nose", code=2)
    posekit_(*WORDS, "--rectangle", "1,2,30,40", "--out", "a.gif", code=2)
    assert "covers no pixel" in posekit_(*WORDS, "--rectangle", "900,900,950,950", code=1).stderr
    assert "cannot be read" in posekit_(*WORDS, "--occluder", "none.json", code=1).stderr
    assert "no case 'x'" in posekit_("cases", "gallery", "x", code=1).stderr
    gallery = json.loads(posekit_("cases", "gallery", "--json").stdout)
    assert len(gallery) >= 8 and {"name", "level", "keypoint", "question"} == set(gallery[0])
