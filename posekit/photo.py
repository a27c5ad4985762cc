"""From an upload to pixels: check, decode, turn upright, convert to RGB.

Everything that reaches a model passes through :func:`read_photo`, which trusts nothing: the byte
and pixel limits hold before any pixel is decoded, only six well-known formats are opened, and
whatever is wrong with a file comes out as one sentence in a :class:`PhotoError`. Embedded colour
profiles are not applied.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from posekit.colour import as_bytes, to_rgb
from posekit.errors import PhotoError

__all__ = ["Photo", "PhotoLimits", "Source", "read_photo"]

Pixels = npt.NDArray[np.uint8]
Source = str | Path | bytes | BinaryIO | Image.Image | np.ndarray

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_USE_INSTEAD = "use a JPEG, PNG, WebP, BMP, GIF or TIFF picture"

_ORIENTATION_TAG = 0x0112
_TURNS = {  # EXIF orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class PhotoLimits:
    """What an upload may measure: bytes of the file, pixels in all, pixels of the shorter side."""

    max_bytes: int = 40 * 2**20
    max_pixels: int = 64_000_000
    min_side: int = 16


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright RGB picture: pixels (H, W, 3) uint8, read-only and C-contiguous.

    The pixels given are copied unless they are already so.

    Raises:
        PhotoError: the pixels are not (H, W, 3) uint8.
    """

    pixels: Pixels
    name: str = "photo"

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise PhotoError(
                f"A photo needs (height, width, 3) uint8 pixels, not {pixels.shape} {pixels.dtype}."
            )
        if pixels.flags.writeable or not pixels.flags.c_contiguous:
            pixels = np.array(pixels, order="C")
            pixels.setflags(write=False)
            object.__setattr__(self, "pixels", pixels)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the shape and the pixels: equal for equal pictures, name aside."""
        content = hashlib.sha256(f"{self.height}x{self.width}:".encode())
        content.update(self.pixels.data)
        return content.hexdigest()


def read_photo(
    source: Source,
    *,
    name: str | None = None,
    limits: PhotoLimits | None = None,
    max_side: int | None = None,
) -> Photo:
    """Read a picture into an upright RGB photo.

    JPEG, PNG, WebP, BMP and the first frame of GIF and TIFF. The EXIF orientation is applied once;
    grey, palette, 1-bit, CMYK and 16-bit pictures become RGB, transparent ones lie on white.

    Args:
        source: a path, the file's bytes, an open binary file, a PIL image, or an array: (H, W),
            (H, W, 1), RGB or RGBA, of bytes, 16-bit numbers, or floats up to 1 or 255.
        name: what to call the photo; the file's name by default.
        limits: what is refused, :class:`PhotoLimits` by default.
        max_side: shrink (area filter) so that the longer side has at most this many pixels.

    Raises:
        PhotoError: the picture is missing, damaged, too large, too small or of another kind.
    """
    limits = limits or PhotoLimits()
    if max_side is not None and max_side < 1:
        raise PhotoError(f"The longer side cannot be limited to {max_side} pixels; use 1 or more.")
    name = name or _name_of(source) or "photo"
    if isinstance(source, np.ndarray):
        pixels = _from_array(source, name, limits)
    elif isinstance(source, Image.Image):
        pixels = _decode(source, name, limits)
    else:
        pixels = _from_bytes(_read_bytes(source, name, limits), name, limits)
    if max_side is not None:
        pixels = shrink(pixels, max_side)
    pixels.setflags(write=False)
    return Photo(pixels, name)


def check_photo(value: object) -> None:
    """Refuse what is no photo yet.

    Raises:
        PhotoError: it is a path or an array, say.
    """
    if not isinstance(value, Photo):
        raise PhotoError(
            "A photo is read before it is looked at: posekit.read_photo(path or array), not "
            f"{type(value).__name__}."
        )


def _name_of(source: object) -> str:
    """The file name of a path or an open file, else ""."""
    path = source if isinstance(source, str | Path) else getattr(source, "name", None)
    return Path(path).name[:120] if isinstance(path, str | Path) else ""


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder: name one picture file in it."
    if path.exists():
        return f"{path} is a pipe or a device and no picture file: read its bytes and pass those."
    return f"There is no picture file at {path}."


def _read_bytes(source: str | Path | bytes | BinaryIO, name: str, limits: PhotoLimits) -> bytes:
    """The file's bytes, never more than the limit."""
    try:
        if isinstance(source, str | Path):
            if not Path(source).is_file():
                raise PhotoError(_no_file(Path(source)))
            with Path(source).open("rb") as file:
                data = file.read(limits.max_bytes + 1)
        elif isinstance(source, bytes | bytearray | memoryview):
            data = source if isinstance(source, bytes) else bytes(source)
        elif hasattr(source, "read"):
            data = source.read(limits.max_bytes + 1)
        else:
            raise PhotoError("There is no picture: give a path, bytes, an open file or an array.")
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name} cannot be read: {_reason(error)}.") from error
    if not isinstance(data, bytes | bytearray):
        raise PhotoError(f"{name} was opened as text; open it in binary mode.")
    if not data:
        raise PhotoError(f"{name} is empty.")
    if len(data) > limits.max_bytes:
        raise PhotoError(
            f"{name} is larger than {limits.max_bytes / 2**20:.3g} MiB; use a smaller file."
        )
    return bytes(data)


def _from_bytes(data: bytes, name: str, limits: PhotoLimits) -> Pixels:
    """Decode a file held in memory."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(_too_many_pixels(name, limits)) from error
    except UnidentifiedImageError as error:
        kind = _other_kind(data)
        said = f"is {kind}, which is not supported" if kind else "is not a picture, or is damaged"
        raise PhotoError(f"{name} {said}; {_USE_INSTEAD}.") from error
    except Exception as error:  # a hostile header can break a parser in any way
        raise PhotoError(f"{name} is damaged ({_reason(error)}); {_USE_INSTEAD}.") from error
    with image:
        return _decode(image, name, limits)


def _decode(image: Image.Image, name: str, limits: PhotoLimits) -> Pixels:
    """Pixels of a PIL image whose own are perhaps still undecoded."""
    _check_size(image.height, image.width, name, limits)
    try:
        image.load()
        turn = _turn(image)
        rgb = to_rgb(image)
        return np.array(rgb if turn is None else rgb.transpose(turn), order="C")
    except MemoryError as error:
        raise PhotoError(
            f"{name} needs more memory than there is; make it smaller first."
        ) from error
    except Exception as error:  # see _from_bytes
        raise PhotoError(
            f"{name} is damaged or incomplete and cannot be decoded ({_reason(error)}); "
            "save it again or use another file."
        ) from error


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The turn that the EXIF orientation of a loaded image asks for; a damaged tag asks for none.

    After load(), because PNG may keep EXIF behind the pixels and Pillow turns TIFF by itself.
    """
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # EXIF is a small file system of its own, and as breakable
        return None


def _from_array(array: np.ndarray, name: str, limits: PhotoLimits) -> Pixels:
    """Pixels of an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.dtype.kind not in "buif":
        raise PhotoError(
            f"{name} is an array of shape {array.shape} and type {array.dtype}, "
            "but a picture is (height, width), RGB or RGBA numbers."
        )
    _check_size(array.shape[0], array.shape[1], name, limits)
    array = as_bytes(array)
    if array.shape[2] == 3:
        return np.array(array, order="C")
    picture = Image.fromarray(array if array.shape[2] == 4 else array[..., 0])
    return np.array(to_rgb(picture), order="C")


def _check_size(height: int, width: int, name: str, limits: PhotoLimits) -> None:
    if height * width > limits.max_pixels:
        raise PhotoError(_too_many_pixels(name, limits))
    if min(height, width) < limits.min_side:
        raise PhotoError(
            f"{name} is {width} x {height} pixels, "
            f"but each side must have at least {limits.min_side}."
        )


def _too_many_pixels(name: str, limits: PhotoLimits) -> str:
    return (
        f"{name} has more than {limits.max_pixels / 1e6:.3g} million pixels; make it smaller first."
    )


def shrink(pixels: Pixels, max_side: int) -> Pixels:
    """Pixels whose longer side is at most so long; what is small enough comes back as it is."""
    height, width = pixels.shape[:2]
    if max(height, width) <= max_side:
        return pixels
    factor = max_side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _other_kind(data: bytes) -> str | None:
    """What a file that no decoder knows seems to be, in words."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in (b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1"):
            return "a HEIC picture"
        return "an AVIF picture" if brand in (b"avif", b"avis") else "a film"
    for start, kind in (
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "an archive or a document"),
        (b"\x1a\x45\xdf\xa3", "a film"),
        (b"8BPS", "a Photoshop file"),
        (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
        (b"\xff\x0a", "a JPEG XL picture"),
    ):
        if data.startswith(start):
            return kind
    if b"<svg" in head.lower():
        return "an SVG drawing"
    return "a web page" if head[:15].lower().startswith((b"<!doctype html", b"<html")) else None


def _reason(error: BaseException) -> str:
    """The library's own words, cut to one short clause."""
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return words[:120]
