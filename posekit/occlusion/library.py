"""Cases kept on disk: photo, occluder, model, click and note, until somebody deletes them.

Nothing is kept unless it is saved on purpose. A case is one row of an SQLite file and one folder
beside it; the folder's name is drawn at random and holds files of fixed names, so that nothing a
person typed ever becomes a path. Deleting a case deletes both.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peewee
from PIL import Image
from platformdirs import user_data_path

from posekit.errors import BoxError, LibraryError, OcclusionError, PhotoError
from posekit.geometry import Box
from posekit.masks import PersonMasks
from posekit.occlusion.occluder import Occluder, numbers_of
from posekit.occlusion.occluders import occluder_from_json
from posekit.photo import Photo, read_photo, shrink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posekit.occlusion.result import Study

__all__ = ["CaseLibrary", "SavedCase", "library_dir"]

MOST_CASES, MOST_TITLE, MOST_NOTE = 1000, 120, 4000
THUMBNAIL = 240  # px of the longer side
PHOTO, BEFORE, AFTER = "photo.png", "before.jpg", "after.jpg"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, eq=False)
class SavedCase:
    """One case of a library.

    Attributes:
        id: 32 hexadecimal digits; what :meth:`CaseLibrary.open` takes.
        created: when it was saved.
        title: what somebody called it.
        note: what somebody wrote about it.
        model: name in the zoo.
        weights: kind of its weights then, such as ``shipped``.
        keypoint: name of the keypoint asked about; None for a free point.
        point: (x, y) asked about, in photo pixels; None when there was nothing to ask about.
        person: index of the person.
        layer: the layer shown.
        boxes: of people; None when none were given.
        photo_size: (height, width).
        before: path of a small picture, without the occluder.
        after: path of a small picture, with it.
        photo: None in a list; :meth:`CaseLibrary.open` reads it.
        occluder: likewise; None also when nothing was put in front.
        masks: likewise; None also when none were known, or the model can make them again.
    """

    id: str
    created: datetime
    title: str
    note: str
    model: str
    weights: str
    keypoint: str | None
    point: tuple[float, float] | None
    person: int
    layer: str | None
    boxes: tuple[Box, ...] | None
    photo_size: tuple[int, int]
    before: Path
    after: Path
    photo: Photo | None = field(default=None, repr=False)
    occluder: Occluder | None = field(default=None, repr=False)
    masks: PersonMasks | None = field(default=None, repr=False)


def library_dir() -> Path:
    """Folder that cases are kept in; ``POSEKIT_CASES`` names another."""
    if chosen := os.environ.get("POSEKIT_CASES"):
        return Path(chosen)
    return user_data_path("posekit", appauthor=False) / "cases"


class CaseLibrary:
    """The cases in a folder, which is made when the first one is saved.

    Args:
        folder: None is :func:`library_dir`.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = library_dir() if folder is None else Path(folder)

    def list(self) -> tuple[SavedCase, ...]:
        """All cases, the newest first, without photo, occluder and masks.

        Raises:
            LibraryError: the folder holds something else, or cannot be read.
        """
        if not (self.folder / _FILE).is_file():
            return ()
        with self._rows() as rows:
            return tuple(self._case(row) for row in rows.select().order_by(rows.number.desc()))

    def save(self, study: Study, *, title: str = "", note: str = "") -> SavedCase:
        """Keep what makes a study, so that it can be made again.

        Args:
            study: what to keep.
            title: empty is the study's own; cut at 120 characters.
            note: at most 4,000 characters.

        Raises:
            LibraryError: the note is too long, the library full, or the disk cannot be written.
        """
        if len(note) > MOST_NOTE:
            raise LibraryError(
                f"A note has at most {MOST_NOTE} characters; this one has {len(note)}."
            )
        side, name = study.before, secrets.token_hex(16)
        query, model = side.query, side.prediction.model
        boxes = None
        if study.boxes is not None:
            boxes = json.dumps([numbers_of(box) for box in study.boxes])
        keep = study.masks is not None and study.masks.source not in ("model", "limbs")
        values: dict[str, Any] = {
            "id": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "title": (" ".join(title.split()) or study.title)[:MOST_TITLE],
            "note": note,
            "model": model.name,
            "weights": model.weights.kind,
            "keypoint": None if study.keypoint is None else study.label,
            "point": None if query is None else json.dumps(list(query.point)),
            "person": side.person or 0,
            "layer": study.layer,
            "boxes": boxes,
            "height": study.photo.height,
            "width": study.photo.width,
            "digest": study.photo.digest,
            "occluder": None if study.occluder is None else json.dumps(study.occluder.to_dict()),
            "masks": json.dumps(study.masks.to_dict()) if keep and study.masks else None,
        }
        with self._rows(write=True) as rows:
            if rows.select().count() >= MOST_CASES:
                raise LibraryError(
                    f"The library is full with {MOST_CASES} cases: delete one you need no more."
                )
            folder = self.folder / name
            try:
                folder.mkdir(mode=0o700)
                Image.fromarray(study.photo.pixels).save(folder / PHOTO)
                _thumbnail(study.photo).save(folder / BEFORE, quality=85)
                _thumbnail(study.shown).save(folder / AFTER, quality=85)
                row = rows.create(**values)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return self._case(row)

    def open(self, case_id: str) -> SavedCase:
        """A case with its photo, occluder and masks.

        Raises:
            LibraryError: there is none of that id, or its files are gone or were changed.
        """
        with self._rows() as rows:
            row = self._row(rows, case_id)
        try:
            photo = read_photo(self.folder / row.id / PHOTO, name="photo")
            occluder = None if row.occluder is None else occluder_from_json(row.occluder)
            masks = None if row.masks is None else PersonMasks.from_dict(json.loads(row.masks))
        except (PhotoError, OcclusionError, ValueError) as error:
            raise LibraryError(f"The case is damaged: {error}") from error
        if photo.digest != row.digest:
            raise LibraryError("The case is damaged: its photo is not the one that was saved.")
        return self._case(row, photo, occluder, masks)

    def delete(self, case_id: str) -> None:
        """Delete a case and its files.

        Raises:
            LibraryError: there is none of that id, or its files cannot be deleted.
        """
        with self._rows(write=True) as rows:
            row = self._row(rows, case_id)
            folder = self.folder / row.id
            if folder.exists():
                shutil.rmtree(folder)  # before the row: files that stay can be deleted again
            row.delete_instance()

    def _row(self, rows: Any, case_id: str) -> Any:
        missing = LibraryError(f"The library holds no case {case_id!r}: `list` says what it holds.")
        if not isinstance(case_id, str) or not _ID.fullmatch(case_id):
            raise missing
        row = rows.get_or_none(rows.id == case_id)
        if row is None:
            raise missing
        return row

    def _case(self, row: Any, *held: Any) -> SavedCase:
        try:
            boxes = None if row.boxes is None else [Box(*four) for four in json.loads(row.boxes)]
            point = None if row.point is None else tuple(json.loads(row.point))
        except (ValueError, TypeError, BoxError) as error:
            raise LibraryError("The library is damaged: a case's place cannot be read.") from error
        folder = self.folder / row.id
        return SavedCase(
            row.id, datetime.fromisoformat(row.created), row.title, row.note, row.model,
            row.weights, row.keypoint, point, row.person, row.layer,
            None if boxes is None else tuple(boxes), (row.height, row.width),
            folder / BEFORE, folder / AFTER, *held,
        )  # fmt: skip

    @contextmanager
    def _rows(self, *, write: bool = False) -> Iterator[Any]:
        """The table, in a transaction; what goes wrong on the disk becomes one sentence."""
        try:
            if write:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            elif not (self.folder / _FILE).is_file():
                raise LibraryError("The library is empty: no case has been saved yet.")
            # secure_delete: a deleted note must not stay readable in the file's free pages.
            options = {"secure_delete": 1}
            database = peewee.SqliteDatabase(str(self.folder / _FILE), options, timeout=10)
            rows = _table(database)
            with database.connection_context():
                database.create_tables([rows])
                with database.atomic():
                    yield rows
        except peewee.DatabaseError as error:
            raise LibraryError(f"The library in {self.folder} cannot be used: {error}.") from error
        except OSError as error:
            words = error.strerror or error
            raise LibraryError(
                f"The library in {self.folder} cannot be written: {words}."
            ) from error


_FILE = "cases.sqlite3"


def _table(database: peewee.SqliteDatabase) -> Any:
    """The table's class, of this database alone: libraries do not share a connection."""

    class Row(peewee.Model):
        number = peewee.AutoField()
        id = peewee.CharField(unique=True)
        created = peewee.CharField()
        title = peewee.TextField()
        note = peewee.TextField()
        model = peewee.TextField()
        weights = peewee.TextField()
        keypoint = peewee.TextField(null=True)
        point = peewee.TextField(null=True)
        person = peewee.IntegerField()
        layer = peewee.TextField(null=True)
        boxes = peewee.TextField(null=True)
        height = peewee.IntegerField()
        width = peewee.IntegerField()
        digest = peewee.CharField()
        occluder = peewee.TextField(null=True)
        masks = peewee.TextField(null=True)

    Row._meta.set_table_name("cases")
    Row._meta.set_database(database)
    return Row


def _thumbnail(photo: Photo) -> Image.Image:
    return Image.fromarray(shrink(photo.pixels, THUMBNAIL))
