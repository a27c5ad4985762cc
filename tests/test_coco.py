"""COCO-format data sets: skeletons by name, folders and archives, and every kind of bad record."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from posekit import zoo
from posekit.cli import app
from posekit.data.canvas import make_canvases
from posekit.data.coco import CocoData
from posekit.data.mask import InstanceMask
from posekit.data.problems import Problem, Problems
from posekit.data.store import PhotoStore
from posekit.errors import DataError
from posekit.skeleton import COCO17, CROWDPOSE14, LSP14, MPII16, SKELETONS, Skeleton
from posekit.weights import save_safetensors

SIZE = (50, 60)
"""Of the photographs: (height, width)."""


def jpeg(size: tuple[int, int] = SIZE) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size[::-1], (10, 120, 200)).save(buffer, "JPEG")
    return buffer.getvalue()


def category(of: Skeleton = COCO17, **changes: Any) -> dict[str, Any]:
    names = [name.replace(" ", "_") for name in of.keypoints]
    return {"id": 1, "name": "person", "keypoints": names, "skeleton": []} | changes


def person(own: int, image: int, size: int = 17, **changes: Any) -> dict[str, Any]:
    """Keypoint k at (10 + k, 20 + k), every second one hidden."""
    flat = [v for k in range(size) for v in (10 + k, 20 + k, 2 - k % 2)]
    return {
        "id": own,
        "image_id": image,
        "category_id": 1,
        "keypoints": flat,
        "bbox": [5, 6, 40, 30],
        "area": 700,
        "iscrowd": 0,
    } | changes


def image(own: int, name: str | None = None, **changes: Any) -> dict[str, Any]:
    size = {"height": SIZE[0], "width": SIZE[1]}
    return {"id": own, "file_name": name or f"{own}.jpg"} | size | changes


def write(
    folder: Path,
    images: list[Any],
    annotations: list[Any],
    categories: list[Any] | None = None,
    photos: dict[str, bytes] | None = None,
) -> Path:
    data = {"images": images, "annotations": annotations, "categories": categories or [category()]}
    path = folder / "people.json"
    path.write_text(json.dumps(data))
    names = [i["file_name"] for i in images if isinstance(i, dict) and "file_name" in i]
    for name, content in (photos or dict.fromkeys(names, jpeg())).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return path


def changed(index: int, *values: float) -> list[float]:
    flat = person(1, 1)["keypoints"]
    flat[3 * index : 3 * index + 3] = values
    return flat


def test_a_person_is_read_as_labelled(tmp_path: Path) -> None:
    polygon = [[10, 10, 30, 10, 30, 20, 10, 20]]
    data = CocoData(
        write(
            tmp_path,
            [image(7)],
            [person(1, 7, keypoints=changed(3, 0, 0, 0)) | {"segmentation": polygon}],
        )
    )
    (one,) = data.people()
    assert data.skeleton is COCO17 and not data.problems
    assert one.labelled.tolist() == [k != 3 for k in range(17)]
    assert one.visible is not None
    assert one.visible.tolist() == [k % 2 == 0 for k in range(17)]
    np.testing.assert_array_equal(one.keypoints[4], (14, 24))
    assert (one.box.x, one.box.y, one.box.width, one.box.height) == (5, 6, 40, 30)
    assert one.label_box.corners == (10, 20, 26, 36)
    assert (one.oks_area, one.image_id, one.photo.size) == (700, 7, SIZE)
    assert one.mask is not None and one.mask.array.shape == SIZE
    assert one.mask.array[15, 20] and not one.mask.array[25, 20]
    assert one.mask.area == pytest.approx(200, abs=30)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_known_skeletons_are_known_by_their_names(tmp_path: Path, skeleton: Skeleton) -> None:
    """In the order of the file or any other; keypoints go where their names belong."""
    shuffled = np.random.default_rng(0).permutation(skeleton.size)
    names = [skeleton.keypoints[k].title().replace(" ", "-") for k in shuffled]
    file = write(tmp_path, [image(1)], [person(1, 1, skeleton.size)], [category(keypoints=names)])
    data = CocoData(file, skeleton=None)
    assert set(data.skeleton.keypoints) == set(skeleton.keypoints)
    (one,) = data.people()
    for place, k in enumerate(shuffled):
        index = data.skeleton.index(skeleton.keypoints[k])
        np.testing.assert_array_equal(one.keypoints[index], (10 + place, 20 + place))
    in_order = write(tmp_path, [image(1)], [person(1, 1, skeleton.size)], [category(skeleton)])
    assert CocoData(in_order).skeleton is skeleton


def test_crowdpose_and_mpii_spellings_are_understood(tmp_path: Path) -> None:
    official = [n.replace(" ", "_") for n in CROWDPOSE14.keypoints]
    official[official.index("head_top")] = "head"
    file = write(tmp_path, [image(1)], [person(1, 1, 14)], [category(keypoints=official)])
    assert CocoData(file).skeleton is CROWDPOSE14
    short = [n.replace("left ", "l_").replace("right ", "r_") for n in MPII16.keypoints]
    file = write(tmp_path, [image(1)], [person(1, 1, 16)], [category(keypoints=short)])
    assert CocoData(file).skeleton is MPII16


def test_a_skeleton_of_ones_own_is_made_from_the_names(tmp_path: Path) -> None:
    names = ["nose", "tail", "left_ear", "right_ear"]
    own = category(name="dog", keypoints=names, skeleton=[[1, 2], [3, 4], [9, 1], "x"])
    skeleton = CocoData(write(tmp_path, [image(1)], [person(1, 1, 4)], [own])).skeleton
    assert skeleton.keypoints == ("nose", "tail", "left ear", "right ear")
    assert skeleton.limbs == ((0, 1), (2, 3)) and skeleton.flip_pairs == ((2, 3),)
    assert skeleton.sigmas == (0.026, 0.079, 0.035, 0.035) and skeleton.torso is None


def test_reading_as_another_skeleton_leaves_what_is_lacking_unlabelled(tmp_path: Path) -> None:
    file = write(tmp_path, [image(1)], [person(1, 1)])
    (one,) = CocoData(file, skeleton=LSP14).people()
    assert one.keypoints.shape == (14, 2)
    lacking = [LSP14.keypoints[k] for k in np.flatnonzero(~one.labelled)]
    assert lacking == ["neck", "head top"]
    np.testing.assert_array_equal(
        one.keypoints[LSP14.index("left wrist")],
        (19, 29),  # COCO's keypoint 9
    )
    assert make_canvases([one]).labelled.sum() == 12
    tips = Skeleton("t", "Tips", ("tip",), (), (), (0.1,), None)
    with pytest.raises(DataError, match="none of the keypoints of Tips"):
        CocoData(file, skeleton=tips)


BAD: list[tuple[str, Problem, Callable[[], dict[str, Any]]]] = [
    ("NaN", Problem.NOT_A_NUMBER, lambda: {"keypoints": changed(4, math.nan, 3, 2)}),
    ("text", Problem.NOT_A_NUMBER, lambda: {"keypoints": changed(4, 5, "x", 2)}),  # type: ignore[arg-type]
    ("huge", Problem.NOT_A_NUMBER, lambda: {"keypoints": changed(4, 10**400, 3, 2)}),
    ("outside", Problem.OUTSIDE, lambda: {"keypoints": changed(4, 62, 3, 2)}),
    ("above", Problem.OUTSIDE, lambda: {"keypoints": changed(4, 5, -2, 1)}),
    ("flat box", Problem.EMPTY_BOX, lambda: {"bbox": [5, 6, 0, 30]}),
    ("far box", Problem.EMPTY_BOX, lambda: {"bbox": [500, 6, 10, 30]}),
    ("odd box", Problem.EMPTY_BOX, lambda: {"bbox": [1, None, 10]}),
    ("infinite box", Problem.EMPTY_BOX, lambda: {"bbox": [1, 1, math.inf, 10]}),
    ("mask", Problem.BAD_MASK, lambda: {"segmentation": [[1, 2, 3]]}),
    ("runs", Problem.BAD_MASK, lambda: {"segmentation": {"size": [9, 9], "counts": [81]}}),
    ("short runs", Problem.BAD_MASK, lambda: {"segmentation": {"size": [50, 60], "counts": [7]}}),
]


@pytest.mark.parametrize(("kind", "changes"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_flaw_that_can_be_mended_is_mended_and_counted(
    tmp_path: Path, kind: Problem, changes: Callable[[], dict[str, Any]]
) -> None:
    data = CocoData(write(tmp_path, [image(1)], [person(5, 1, **changes())]))
    (one,) = data.people()
    assert data.problems.counts == {kind: 1}
    assert "annotation 5" in data.problems.summary()
    assert one.labelled.sum() == (16 if kind in (Problem.NOT_A_NUMBER, Problem.OUTSIDE) else 17)
    assert np.isfinite(one.keypoints).all()
    assert one.box == (one.label_box if kind == Problem.EMPTY_BOX else one.given_box)
    assert one.mask is None
    assert len(make_canvases([one])) == 1
    list(data.people())  # the same record again is the same problem
    assert len(data.problems) == 1


def test_everything_bad_at_once_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    photos = {name: jpeg() for name in ("1.jpg", "empty.jpg", "crowd.jpg")}
    photos |= {"cut.jpg": jpeg()[:300], "text.jpg": b"hello", "other.jpg": jpeg((40, 40))}
    images = [
        image(1),
        image(2, "gone.jpg"),
        image(3, "cut.jpg"),
        image(4, "text.jpg"),
        image(5, "other.jpg"),
        image(6, "empty.jpg"),
        image(7, "crowd.jpg"),
        image(1, "again.jpg"),
        {"id": 8},
        "image",
    ]
    annotations = [
        person(1, 1),
        person(1, 1),  # the same id again
        person(2, 2),  # in the photograph that is missing: said once, of the photograph
        *(person(own, own) for own in (3, 4, 5)),
        person(6, 7, iscrowd=1),
        person(7, 1, category_id=18),
        person(8, 1, keypoints=[1, 2, 2]),
        person(9, 1, keypoints=[0] * 51, bbox=[0, 0, 0, 0]),
        person(10, 99),
        person(11, 1, keypoints="none"),
        None,
    ]
    data = CocoData(write(tmp_path, images, annotations, photos=photos))
    read = list(data.photos())
    assert [photo.image_id for photo in read] == [1, 6, 7]
    assert [len(photo.people) for photo in read] == [1, 0, 1]
    assert read[2].people[0].crowd
    assert len(list(data.people())) == 1
    assert data.problems.counts == {
        Problem.MISSING_PHOTO: 1,
        Problem.DUPLICATE_PHOTO: 1,
        Problem.MALFORMED: 3,
        Problem.DUPLICATE_PERSON: 1,
        Problem.OTHER_CATEGORY: 1,
        Problem.WRONG_COUNT: 2,
        Problem.EMPTY_BOX: 1,
        Problem.TOO_FEW: 1,
        Problem.UNKNOWN_PHOTO: 1,
        Problem.NO_PEOPLE: 2,
        Problem.DAMAGED_PHOTO: 2,
        Problem.OTHER_SIZE: 1,
    }
    summary = data.problems.summary()
    assert "1 photograph is missing (gone.jpg)" in summary
    assert "2 photographs are damaged (cut.jpg, text.jpg)" in summary
    assert data.problems.as_dict()["missing photo"] == {"count": 1, "examples": ["gone.jpg"]}


def test_a_summary_names_a_few_examples_and_counts_the_rest() -> None:
    problems = Problems()
    assert not problems and problems.summary() == ""
    for number in range(1200):
        problems.add(Problem.MISSING_PHOTO, f"{number}.jpg")
    problems.add(Problem.OUTSIDE, "annotation 3, keypoint 2")
    assert problems.summary() == (
        "Left out: 1,200 photographs are missing (0.jpg, 1.jpg, 2.jpg, ...). Read as not "
        "labelled: 1 keypoint lies outside the photograph (annotation 3, keypoint 2)."
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no annotation file"),
        ("{", "not JSON"),
        ("[]", "not in COCO format"),
        ('{"images": [], "annotations": {}}', "not in COCO format"),
        ('{"images": [], "annotations": [], "categories": []}', "no single category 'person'"),
        (
            '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}',
            "no usable person",
        ),
        (
            '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "person", '
            '"keypoints": ["nose", "nose"]}]}',
            "twice",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "people.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=words):
        CocoData(path)


def test_when_nothing_is_left_the_reasons_are_given(tmp_path: Path) -> None:
    missing = write(tmp_path, [image(1, "gone.jpg")], [person(1, 1)], photos={"x.jpg": b""})
    with pytest.raises(DataError, match=r"no usable person.*1 photograph is missing"):
        CocoData(missing)
    damaged = write(tmp_path, [image(1)], [person(1, 1)], photos={"1.jpg": jpeg()[:200]})
    with pytest.raises(DataError, match=r"no usable person.*1 photograph is damaged"):
        list(CocoData(damaged).photos())
    crowd = write(tmp_path, [image(1)], [person(1, 1, iscrowd=1)])
    with pytest.raises(DataError, match="no usable person"):
        list(CocoData(crowd).people())


def pack(archive: Path, names: list[str], mode: str = "w") -> Path:
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(jpeg())
            tar.addfile(info, io.BytesIO(jpeg()))
    return archive


@pytest.mark.parametrize(
    "place", ["1.jpg", "people/1.jpg", "images/1.jpg", "people.tar", "images-0.tar"]
)
def test_photographs_are_found_by_convention(tmp_path: Path, place: str) -> None:
    file = write(tmp_path, [image(1)], [person(1, 1)], photos={"unused": b""})
    if place.endswith(".tar"):
        pack(tmp_path / place, ["./1.jpg"])
    else:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(jpeg())
    assert len(list(CocoData(file).people())) == 1


@pytest.mark.parametrize("place", ["val2017/1.jpg", "images/val2017/1.jpg"])
def test_cocos_own_folders_are_found(tmp_path: Path, place: str) -> None:
    (tmp_path / "annotations").mkdir()
    file = write(tmp_path, [image(1)], [person(1, 1)], photos={place: jpeg()})
    file = file.rename(tmp_path / "annotations" / "person_keypoints_val2017.json")
    assert len(list(CocoData(file).people())) == 1


def test_photographs_elsewhere_are_found_when_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    file = write(tmp_path / "a", [image(1)], [person(1, 1)], photos={"unused": b""})
    with pytest.raises(DataError, match="missing"):
        CocoData(file)
    archive = pack(tmp_path / "b" / "some.tar", ["deep/inside/1.jpg"])
    for images in (tmp_path / "b", archive):
        assert len(list(CocoData(file, images).people())) == 1
    with pytest.raises(DataError, match="no folder or archive"):
        CocoData(file, tmp_path / "c")
    with pytest.raises(DataError, match="uncompressed"):
        PhotoStore.at(pack(tmp_path / "b" / "packed.tar", ["1.jpg"], "w:gz"))


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (tmp_path / "inside").mkdir()
    store = PhotoStore(tmp_path / "inside")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "a\0b", "x" * 5000, ""):
        assert name not in store


def test_masks_come_in_three_forms() -> None:
    runs = InstanceMask({"size": [4, 3], "counts": [2, 5, 5]}, (4, 3))
    assert runs.array.ravel(order="F").tolist() == [False] * 2 + [True] * 5 + [False] * 5
    packed = InstanceMask.of_array(runs.array)
    np.testing.assert_array_equal(packed.array, runs.array)
    text = InstanceMask({"size": [4, 3], "counts": packed.runs["counts"].decode()}, (4, 3))
    np.testing.assert_array_equal(text.array, runs.array)


def test_the_photographs_of_coco(shared_dir: Path) -> None:
    data = CocoData(shared_dir / "data" / "coco_keypoints.json")
    photos = list(data.photos())
    everybody = [person for photo in photos for person in photo.people]
    assert len(photos) == 14 and data.skeleton is COCO17
    assert sum(person.crowd for person in everybody) == 1
    assert sum(person.single and bool(person.labelled.any()) for person in everybody) == 37
    for one in (person for person in everybody if person.single):
        assert one.mask is not None and one.area is not None
        assert one.mask.area == pytest.approx(one.area, rel=0.05, abs=5)


def test_people_with_masks_alone(shared_dir: Path) -> None:
    data = CocoData(shared_dir / "data" / "coco_person_masks.json", limit=6)
    people = list(data.people(least=0))
    assert len(people) > 6
    for one in people:
        assert one.mask is not None and not one.labelled.any()
        rows, cols = np.nonzero(one.mask.array)
        assert one.box.padded(1.1).contains(np.stack([cols, rows], -1)).mean() > 0.99
    with pytest.raises(DataError, match="no usable person"):
        next(data.people())


# --- posekit evaluate ---------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``posekit evaluate`` with a random checkpoint of the small model; output and exit code."""
    torch.set_num_threads(1)
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    name = "transpose-r-small"
    save_safetensors(zoo.build(zoo.entry(name)), tmp_path / "checkpoints" / f"{name}.safetensors")

    def run(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ["evaluate", "--device", "cpu", *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_evaluate_a_coco_file(tmp_path: Path, command: Callable[..., Any]) -> None:
    photos = {"1.jpg": jpeg(), "2.jpg": jpeg(), "3.jpg": jpeg()[:200]}
    images = [image(1), image(2), image(3)]
    people = [person(own, own) for own in (1, 2, 3)]
    file = write(tmp_path, images, people, photos=photos)
    result = command("--data", str(file), "--json")
    score = json.loads(result.stdout)
    assert (score["people"], score["keypoints"], score["photos"]) == (2, 24, 2)
    assert len(score["measured"]) == 12 and 0 <= score["AP"] <= 100
    assert score["problems"] == {"damaged photo": {"count": 1, "examples": ["3.jpg"]}}
    assert "1 photograph is damaged (3.jpg)" in result.stderr
    first = json.loads(command("--data", str(file), "--limit", "1", "--json").stdout)
    assert first["people"] == 1
    text = command("--data", str(file), "--metric", "pck", "--boxes", "labels").stdout
    assert text.startswith("PCK@0.2 ") and "on 2 people, 24 keypoints" in text
    refused = command("--data", str(file), "--metric", "pckh", code=1)
    assert "top of the head" in refused.stderr and refused.stdout == ""


def test_evaluated_figures_say_of_what_they_are(
    tmp_path: Path, command: Callable[..., Any]
) -> None:
    file = write(tmp_path, [image(1)], [person(1, 1)])
    weights = tmp_path / "checkpoints" / "transpose-r-small.safetensors"
    about = {
        "model": "transpose-r-small",
        "weights": "shipped",
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()[:12],
        "trained": True,
        "metric": "oks",
        "data": "people",
        "part": None,
        "people_by": None,
    }
    assert json.loads(command("--data", str(file), "--json").stdout).items() >= about.items()
    own = tmp_path / "v2.safetensors"
    own.write_bytes(weights.read_bytes())
    said = json.loads(command("--data", str(file), "--weights", str(own), "--json").stdout)
    assert said.items() >= (about | {"weights": "file"}).items()
    assert str(tmp_path) not in json.dumps(said)


def test_masks_without_keypoints_name_the_metric_that_works(
    tmp_path: Path, command: Callable[..., Any]
) -> None:
    people = [person(1, 1), person(2, 2)]
    for one in people:
        del one["keypoints"]
    square = [[5, 5, 40, 5, 40, 40, 5, 40]]
    nameless = [{"id": 1, "name": "person"}]
    images = [image(1), image(2)]
    for folder in ("boxes", "masks"):
        (tmp_path / folder).mkdir()
    boxes = write(tmp_path / "boxes", images, people, nameless)
    masks = write(
        tmp_path / "masks", images, [one | {"segmentation": square} for one in people], nameless
    )
    for metric in ("oks", "pck", "purity"):
        refused = command("--data", str(masks), "--metric", metric, code=1)
        (line,) = refused.stderr.strip().splitlines()
        assert "people labels no keypoints, only whose pixels are whose" in line
        assert "--metric instance measures that" in line and "instance-attention-small" in line
    refused = command("--data", str(boxes), code=1)
    assert "no keypoints, and so nothing of a model can be measured" in refused.stderr


def test_the_card_gets_the_figures_and_keeps_others(
    tmp_path: Path, command: Callable[..., Any]
) -> None:
    card = tmp_path / "checkpoints" / "transpose-r-small.json"
    card.write_text('{"measured": {"elsewhere": {"PCK@0.2": 71.5}}}')
    file = write(tmp_path, [image(1)], [person(1, 1)])
    printed = json.loads(command("--data", str(file), "--card", "--json").stdout)
    command("--data", str(file), "--card", "--metric", "pck")
    written = json.loads(card.read_text())
    assert written["measured"]["elsewhere"] == {"PCK@0.2": 71.5}
    figures = written["measured"]["people, 1 photograph"]
    assert list(figures) == ["OKS AP", "AP50", "AP75", "AR", "PCK@0.2"]
    assert figures["OKS AP"] == printed["AP"]
    details = written["measured_details"]["people, 1 photograph"]
    assert details["OKS AP"]["people"] == 1 and details["OKS AP"]["boxes"] == "given"
    assert details["OKS AP"]["command"] == (
        "posekit evaluate transpose-r-small --data people.json --metric oks --boxes given --card"
    )
    before = card.read_text()
    for words in (["--limit", "1"], ["--flip-test"], ["--weights", "random"]):
        refused = command("--data", str(file), "--card", *words, code=1)
        assert "model card takes figures" in refused.stderr
    assert card.read_text() == before


def test_evaluate_lsp_by_oks_too(tmp_path: Path, command: Callable[..., Any]) -> None:
    joints = np.zeros((1, 14, 3))
    joints[0, :, 0], joints[0, :, 1], joints[0, :, 2] = np.arange(14) + 5, np.arange(14) * 2 + 5, 1
    np.savez(tmp_path / "joints.npz", image=np.array(["1.jpg"]), joints=joints)
    (tmp_path / "1.jpg").write_bytes(jpeg())
    pck = json.loads(command("--data", str(tmp_path), "--json").stdout)
    assert (pck["measure"], pck["people"], pck["keypoints"]) == ("PCK@0.2", 1, 14)
    pckh = json.loads(command("--data", str(tmp_path), "--metric", "pckh", "--json").stdout)
    assert pckh["measure"] == "PCKh@0.5"
    oks = json.loads(command("--data", str(tmp_path), "--metric", "oks", "--json").stdout)
    assert (oks["people"], oks["keypoints"], len(oks["measured"])) == (1, 14, 14)
    refused = command("--data", str(tmp_path), "--metric", "purity", code=1)
    assert "needs masks" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "instance", "--cut", "waist"], "--cut does not go with --metric instance"),
        (["--metric", "instance", "--flip-test"], "--flip-test does not go with --metric inst"),
        (["--metric", "contradiction", "--limit", "2"], "--limit does not go with --metric contr"),
        (["--metric", "oks", "--people-by", "ssa-small"], "--people-by does not go with --metric"),
        (["--side", "64"], "--side does not go with --metric oks"),
        (["--beside", "a=b"], "--beside does not go with --metric oks"),
        (["--metric", "purity", "--rows", "a.csv"], "--rows does not go with --metric purity"),
        (["--part", "train"], "--part is for a folder with joints.npz"),
    ],
)
def test_options_that_would_change_nothing_are_refused(
    tmp_path: Path, command: Callable[..., Any], words: list[str], said: str
) -> None:
    file = write(tmp_path, [image(1)], [person(1, 1)])
    refused = command("--data", str(file), *words, code=2)
    assert said in " ".join(re.sub(r"[│╭╮╰╯─]", " ", refused.stderr).split())


def test_evaluate_purity(tmp_path: Path, command: Callable[..., Any]) -> None:
    polygon = [[5, 6, 45, 6, 45, 36, 5, 36]]
    file = write(tmp_path, [image(1)], [person(1, 1, segmentation=polygon)])
    score = json.loads(command("--data", str(file), "--metric", "purity", "--json").stdout)
    assert (score["people"], score["keypoints"]) == (1, 17)
    for shares in score["layers"].values():
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["own"] > 0 and shares["others"] == 0
