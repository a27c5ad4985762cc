"""Measuring people from attention: closed forms, the photos measured on, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posekit.cli import app
from posekit.data.crowd import CrowdPhoto, of_photo
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.data.mask import InstanceMask
from posekit.errors import DataError, ModelError
from posekit.evaluation import instance_sets
from posekit.evaluation.instance import evaluate_instance, grouped_right, look_at
from posekit.evaluation.instance_sets import (
    OVERLAPS,
    CrowdTruth,
    true_composites,
    true_masks,
    true_scenes,
)
from posekit.skeleton import COCO17, LSP14
from posekit.weights import WeightsFile
from tests.stick_people import stick_person
from tests.tiny_instance import halves_masks, halves_model, halves_photo, halves_points
from tests.tiny_models import noise_photo
from tests.tiny_models import tiny_model as tiny_transpose


def halves_truth(swapped: int = 0, hidden: int = 0) -> CrowdTruth:
    """The two of :class:`Halves`; the first keypoints of both may change sides, others hide."""
    points = np.stack([halves_points(0), halves_points(1)])
    points[:, :swapped] = points[::-1, :swapped]
    seen = np.ones((2, 14), bool)
    seen[:, 14 - hidden :] = False
    return CrowdTruth(
        halves_photo(), halves_masks(), points, seen, ~seen, True, np.zeros((0, 64, 64), bool)
    )


def test_two_blocks_are_perfect() -> None:
    score = evaluate_instance(halves_model(), [halves_truth(), halves_truth(hidden=4)])
    assert score.figures == {
        "attention purity": 100.0,
        "grouping, body-first": 100.0,
        "grouping, part-first": 100.0,
        "grouping, by chance": score.chance,
        "IoU at true points": 100.0,
        "mask AP": 100.0,
        "mask AP50": 100.0,
        "mean IoU": 100.0,
    }
    # Two people's fourteen keypoints: the better of heads and tails, 7 + 14 C(13, 6) / 2^13.
    assert score.chance == pytest.approx(62, abs=3)
    assert score.supervised == "encoder.2" and score.photos == 2 and score.people == 4
    assert score.keypoints == 28 + 20 and score.hidden is not None
    assert score.details["purity by layer"]["encoder.3"]["own"] == 100
    assert score.details["purity of hidden keypoints"]["own"] == 100
    alone = score.details["milliseconds a photo, grouping alone"]
    assert set(alone) == {"body-first", "part-first"} and min(alone.values()) > 0
    assert score.details["milliseconds a photo"] > max(alone.values())
    assert "by group" not in score.details


def test_even_attention_is_chance() -> None:
    """Purity is the share of cells; a mask is all of the photo; groups tell nobody apart."""
    score = evaluate_instance(halves_model(even=True), [halves_truth()])
    assert score.figures["attention purity"] == 50
    assert score.layers["encoder.2"].others == pytest.approx(0.5)
    assert score.figures["mask AP50"] < 51 and score.figures["mask AP"] < 6
    # Everything contested goes to the first: IoU 1/2 for one of them, 0 for the other.
    assert score.figures["IoU at true points"] == 25


def test_keypoints_of_the_wrong_side_are_counted() -> None:
    """Two of fourteen lie on the other person: their rows too, and they are grouped with whom
    they lie on."""
    seen = look_at(halves_model(), halves_truth(swapped=2))
    own = [one["encoder.2"].own for one in seen.layers]
    assert np.mean(own) == pytest.approx(12 / 14)
    assert seen.right == {"body-first": (24, 28), "part-first": (24, 28)}
    unseen = look_at(halves_model(), halves_truth(swapped=2, hidden=12))
    assert unseen.right["body-first"][1] == 4 and unseen.right_of_all["body-first"] == (24, 28)


def test_groups_stand_for_one_person_each() -> None:
    owners = [0, 0, 0, 1, 1, 2]
    assert grouped_right([[0, 1, 2], [3, 4], [5]], owners) == 6
    assert grouped_right([[0, 1], [2, 3, 4], [5]], owners) == 5
    assert grouped_right([[0, 1, 2, 3, 4, 5]], owners) == 3
    assert grouped_right([[n] for n in range(6)], owners) == 3
    assert grouped_right([], owners) == grouped_right([[]], []) == 0


def test_the_small_are_left_out_and_somebody_must_be_there() -> None:
    truth = halves_truth()
    masks = truth.masks.copy()
    masks[1] = False
    masks[1, 5:9, 40:44] = True  # a quarter of a token
    score = evaluate_instance(halves_model(), [replace(truth, masks=masks)])
    assert score.keypoints == 14 and score.people == 2
    with pytest.raises(DataError, match="Nobody"):
        evaluate_instance(halves_model(), [replace(truth, masks=np.zeros_like(masks))])
    shares = {"a": 0.2, "b": None, "c": 0.5}
    groups = [replace(truth, group=name, hidden_share=share) for name, share in shares.items()]
    parts = evaluate_instance(halves_model(), groups).details["by group"]
    told = {name: part.get("hidden of the person behind") for name, part in parts.items()}
    assert told == {"a": 20.0, "b": None, "c": 50.0}
    with pytest.raises(ModelError, match="does not make people from attention"):
        evaluate_instance(tiny_transpose(), [truth])


# What is measured on.


def test_scenes_overlap_as_asked() -> None:
    truths = list(true_scenes(LSP14, 1))
    assert [one.group for one in truths] == ["30% overlap", "50% overlap", "70% overlap"]
    hidden = [int(one.hidden.sum()) for one in truths]
    assert hidden[2] > hidden[0] > 0
    assert [one.hidden_share for one in truths] == pytest.approx(OVERLAPS, abs=0.05)
    for one in truths:
        assert one.keypoints and len(one.masks) == 2 and not (one.masks[0] & one.masks[1]).any()
        assert not (one.seen & one.hidden).any() and not len(one.crowds)
    again = next(true_scenes(LSP14, 2))
    assert (again.photo.pixels == truths[0].photo.pixels).all()


def test_composites_of_people_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def people(folder, part, limit, problems):  # type: ignore[no-untyped-def]
        asked.append((folder, part))
        for n in range(4):
            points = stick_person(LSP14, (30, 20), 40)
            yield LabelledPerson(
                noise_photo(160, 120, seed=n), points, np.ones(14, bool), LSP14, image_id=f"{n}.jpg"
            )

    def masks(read, name):  # type: ignore[no-untyped-def]
        assert name == "somewhere-held-out"
        for person in read:
            mask = np.zeros((160, 120), bool)
            mask[16:124, 28:74] = True
            yield person, Accepted(mask)

    class Accepted(np.ndarray):
        quality = SimpleNamespace(accepted=True)

        def __new__(cls, mask):  # type: ignore[no-untyped-def]
            return mask.view(cls)

    monkeypatch.setattr(instance_sets, "read_lsp", people)
    monkeypatch.setattr(instance_sets, "pseudo_masks", masks)
    truths = list(true_composites(Path("somewhere"), LSP14, 2))
    assert asked == [(Path("somewhere"), "held out")]
    assert [one.group for one in truths] == [f"{s:.0%} overlap" for s in OVERLAPS for _ in "ab"]
    for one in truths:
        assert len(one.masks) == 2 and one.photo.size == (256, 256) and one.hidden.any()
    shares = [one.masks[0].sum() / one.masks[1].sum() for one in truths]
    assert np.mean(shares[:2]) > np.mean(shares[4:])  # of the one behind less is seen
    monkeypatch.setattr(instance_sets, "pseudo_masks", lambda *_: iter(()))
    with pytest.raises(DataError, match="two people"):
        next(true_composites(Path("somewhere"), LSP14, 1))


def test_people_with_masks_alone_are_asked_inside_them() -> None:
    photo = noise_photo(64, 64)
    nothing = np.zeros((17, 2)), np.zeros(17, bool)
    left, right = (
        LabelledPerson(photo, *nothing, COCO17, mask=InstanceMask.of_array(mask), crowd=crowd)
        for mask, crowd in zip(halves_masks(), (False, True), strict=True)
    )
    crowd = of_photo(LabelledPhoto(photo, (left, right), COCO17), LSP14)
    truth = CrowdTruth.of(crowd, "photo", seed=3)
    assert not truth.keypoints and len(truth.masks) == len(truth.crowds) == 1
    assert (truth.points[0, :, 0] < 32).all() and truth.seen.all() and not truth.hidden.any()
    assert len(np.unique(truth.points[0], axis=0)) > 8
    score = evaluate_instance(halves_model(), [truth])
    # The second person that is found lies on the crowd, which excuses it.
    assert score.figures["attention purity"] == score.figures["mask AP"] == 100
    assert "grouping, body-first" not in score.figures
    with pytest.raises(DataError, match="masks"):
        CrowdTruth.of(CrowdPhoto(photo.pixels, ()), "photo")


# The command.


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four photographs with the two halves; numbers 0 and 3 are never learnt from."""
    images, annotations = [], []
    for number in range(4):
        Image.fromarray(halves_photo().pixels).save(tmp_path / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 64, "width": 64})
        for who, x in enumerate((0, 32)):
            corners = [x, 0, x + 32, 0, x + 32, 64, x, 64]
            annotations.append(
                {
                    "id": 10 * number + who + 1, "image_id": number, "category_id": 1,
                    "iscrowd": 0, "area": 2048, "bbox": [x, 0, 32, 64], "segmentation": [corners],
                }
            )  # fmt: skip
    file = tmp_path / "masks.json"
    categories = [{"id": 1, "name": "person"}]
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return file


def test_every_third_photograph_is_measured(data: Path) -> None:
    assert [one.photo.name for one in true_masks(data, LSP14)] == ["0.png", "3.png"]
    assert len(list(true_masks(data, LSP14, limit=1))) == 1


def test_the_command_compares_and_writes_the_card(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(b"")
    supervised = replace(
        halves_model(), weights=WeightsFile(kind="file", path=str(weights), note="a file")
    )

    def load(name, weights, **_):  # type: ignore[no-untyped-def]
        return halves_model(even=True) if weights == "off.safetensors" else supervised

    monkeypatch.setattr("posekit.zoo.load", load)
    words = ["evaluate", "instance-attention-small", "--data", str(data), "--metric", "instance"]
    words += ["--beside", "supervision off=off.safetensors", "--card"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "masks, 2 photographs kept out of training: 4 people in 2 photos" in done.stdout
    line = next(one for one in done.stdout.splitlines() if one.startswith("supervision off"))
    assert line.split()[2] == "50.00"
    card = json.loads(weights.with_suffix(".json").read_text())
    (name,) = card["measured"]
    assert card["measured"][name]["attention purity"] == 100
    details = card["measured_details"][name]["attention purity"]
    assert details["beside"]["supervision off"]["attention purity"] == 50
    assert details["command"].endswith("--card --beside 'supervision off=off.safetensors'")
    printed = CliRunner().invoke(app, [*words[:6], "--json"])
    said = json.loads(printed.stdout)
    assert said[name]["figures"]["mask AP"] == 100
    assert (said["metric"], said["data"], said["weights"]) == ("instance", "masks", "file")
    refused = CliRunner().invoke(app, [*words[:6], "--beside", "nothing"])
    assert refused.exit_code == 2 and "NAME=FILE" in refused.stderr
