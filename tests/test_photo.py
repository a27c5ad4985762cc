"""Uploads of every kind: what is read must look right, and what is refused says why."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from posekit.errors import PhotoError
from posekit.photo import Photo, PhotoLimits, read_photo

FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    """A smooth picture that looks different from each side and in a mirror."""
    y, x = np.mgrid[:height, :width]
    ramp = np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1)
    ramp[: height // 4, : width // 3] = (250, 20, 20)
    return ramp.astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, format, **options)  # type: ignore[arg-type]
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def refusal(source: object, **options: object) -> str:
    """The sentence a source is refused with."""
    with pytest.raises(PhotoError) as caught:
        read_photo(source, **options)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def difference(photo: Photo, expected: np.ndarray) -> float:
    assert photo.pixels.shape == expected.shape
    return float(np.abs(photo.pixels.astype(float) - expected.astype(float)).mean())


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read_from_every_kind_of_source(format: str, tmp_path: Path) -> None:
    data = encoded(picture(), format)
    path = tmp_path / f"someone.{format.lower()}"
    path.write_bytes(data)
    tolerance = {"JPEG": 3, "WEBP": 6, "GIF": 12}.get(format, 0)
    with path.open("rb") as file:
        opened = read_photo(file)
    for photo in (read_photo(path), read_photo(str(path)), opened):
        assert difference(photo, picture()) <= tolerance
        assert photo.name == path.name
    for photo in (read_photo(data), read_photo(io.BytesIO(data))):
        assert photo.name == "photo"
    assert read_photo(data, name="me").name == "me"
    assert read_photo(Image.open(path)).digest == opened.digest


def test_a_photo_is_read_only_contiguous_and_named_by_its_content() -> None:
    photo = read_photo(encoded(picture(), "PNG"))
    assert (photo.height, photo.width, photo.size) == (40, 60, (40, 60))
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 1
    assert photo.digest == hashlib.sha256(b"40x60:" + picture().tobytes()).hexdigest()
    assert read_photo(encoded(picture(), "BMP"), name="other").digest == photo.digest
    turned = Photo(picture().reshape(60, 40, 3))  # the same bytes in another shape
    assert turned.digest != photo.digest
    with pytest.raises(dataclasses.FrozenInstanceError):
        photo.name = "else"  # type: ignore[misc]


def test_a_photo_does_not_follow_the_array_it_came_from() -> None:
    mine = picture()
    made, read = Photo(mine), read_photo(mine)
    mine[:] = 0
    assert difference(made, picture()) == 0
    assert difference(read, picture()) == 0
    assert mine.flags.writeable


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), "u1"),
    ],
)
def test_a_photo_is_rgb_bytes_only(pixels: np.ndarray) -> None:
    with pytest.raises(PhotoError, match=r"needs \(height, width, 3\) uint8"):
        Photo(pixels)


STORED = {  # EXIF orientation -> how an upright picture lies in the file (EXIF 2.3, 4.6.4)
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.transpose(1, 0, 2),
    6: lambda up: np.rot90(up, 1),  # must be turned a quarter clockwise to stand
    7: lambda up: up[::-1, ::-1].transpose(1, 0, 2),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", LOSSLESS)
def test_all_orientations_stand_upright(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](picture()))
    data = encoded(stored, format, exif=exif, **LOSSLESS[format])
    np.testing.assert_array_equal(read_photo(data).pixels, picture())
    # An image the caller opened, and perhaps decoded, is turned once as well.
    image = Image.open(io.BytesIO(data))
    image.load()
    np.testing.assert_array_equal(read_photo(image).pixels, picture())


@pytest.mark.parametrize("orientation", STORED)
def test_all_orientations_of_a_jpeg_stand_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](picture()))
    data = encoded(stored, "JPEG", exif=exif, quality=98, subsampling=0)
    photo = read_photo(data)
    assert difference(photo, picture()) < 2
    assert difference(read_photo(data, max_side=30), picture()[::2, ::2]) < 12
    assert read_photo(data, max_side=30).size == (20, 30)


def test_orientation_behind_the_pixels_of_a_png_counts() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(np.ascontiguousarray(STORED[6](picture())), "PNG")
    assert data.endswith(chunk(b"IEND", b""))
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\x00\x00"))
    data = data[:-12] + late + chunk(b"IEND", b"")
    np.testing.assert_array_equal(read_photo(data).pixels, picture())


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_impossible_orientation_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    np.testing.assert_array_equal(
        read_photo(encoded(picture(), "PNG", exif=exif)).pixels, picture()
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"??"])
def test_damaged_exif_is_ignored(exif: bytes) -> None:
    assert difference(read_photo(encoded(picture(), "JPEG", exif=exif)), picture()) < 3


# --- colour modes --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "RGBX", "RGBa", "HSV", "YCbCr", "LAB"])
def test_colour_modes_keep_their_colours(mode: str) -> None:
    image = Image.fromarray(picture())
    image = image.convert("RGBA").convert(mode) if mode == "RGBa" else image.convert(mode)
    assert difference(read_photo(image), picture()) < 3


@pytest.mark.parametrize("mode", ["L", "LA", "La", "I", "F", "I;16"])
def test_grey_modes_keep_their_greys(mode: str) -> None:
    grey = picture().mean(axis=2).round().astype(np.uint8)
    image = Image.fromarray(grey)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = image.convert("LA").convert("La") if mode == "La" else image.convert(mode)
    assert image.mode == mode
    assert difference(read_photo(image), np.repeat(grey[..., None], 3, axis=2)) < 0.5


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_files_fill_their_range(format: str) -> None:
    deep = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    photo = read_photo(encoded(Image.fromarray(deep), format))
    assert difference(photo, np.repeat((deep / 257).round()[..., None], 3, axis=2)) < 0.51
    assert (photo.pixels.min(), photo.pixels.max()) == (0, 255)
    # A dark picture stays dark: its numbers are not stretched.
    dark = read_photo(encoded(Image.fromarray(deep // 256), format))
    assert dark.pixels.max() <= 1


def test_float_files_are_read_by_the_range_they_use() -> None:
    ramp = np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(40, 60)
    fractions = read_photo(encoded(Image.fromarray(ramp), "TIFF"))
    eight_bits = read_photo(encoded(Image.fromarray(ramp * 255), "TIFF"))
    stretched = read_photo(encoded(Image.fromarray(ramp * 1e9 - 5e8), "TIFF"))
    expected = np.repeat((ramp * 255).round()[..., None], 3, axis=2)
    for photo in (fractions, eight_bits, stretched):
        assert difference(photo, expected) < 0.1


def test_one_bit_is_black_and_white() -> None:
    bits = picture()[..., 0] > 100
    photo = read_photo(encoded(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(photo.pixels, np.repeat(255 * bits[..., None], 3, axis=2))


def test_palette_and_its_transparent_colour() -> None:
    index = np.zeros((40, 60), dtype=np.uint8)
    index[:, 20:40], index[:, 40:] = 1, 2
    image = Image.fromarray(index, "P")
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
    for format in ("PNG", "GIF"):
        photo = read_photo(encoded(image, format, transparency=2))
        assert photo.pixels[5, [5, 25, 45]].tolist() == [[10, 20, 30], [200, 100, 50], [255] * 3]
    faded = read_photo(encoded(image, "PNG", transparency=bytes([255, 128, 0])))
    assert faded.pixels[5, 25].tolist() == pytest.approx([227, 177, 152], abs=1)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_on_white(format: str) -> None:
    rgba = np.zeros((40, 60, 4), dtype=np.uint8)
    rgba[..., 0] = 200
    rgba[:, 20:40, 3], rgba[:, 40:, 3] = 51, 255  # clear, a fifth, solid
    photo = read_photo(encoded(rgba, format, **LOSSLESS[format]))
    assert photo.pixels[5, 5].tolist() == [255, 255, 255]
    assert photo.pixels[5, 25].tolist() == [244, 204, 204]
    assert photo.pixels[5, 45].tolist() == [200, 0, 0]


def test_the_transparent_colour_of_an_rgb_png_is_white() -> None:
    pixels = picture()
    pixels[:, 50:] = (1, 2, 3)
    photo = read_photo(encoded(pixels, "PNG", transparency=(1, 2, 3)))
    assert (photo.pixels[:, 50:] == 255).all()
    np.testing.assert_array_equal(photo.pixels[:, :50], pixels[:, :50])


def _without_adobe_mark(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg[:start] + jpeg[start + 16 :]


def test_cmyk_jpegs_are_read_with_and_without_adobes_inversion() -> None:
    cmyk = Image.fromarray(picture()).convert("CMYK")
    adobe = encoded(cmyk, "JPEG", quality=98)  # Pillow writes inverted values and the mark
    assert difference(read_photo(adobe), picture()) < 3
    inverted = Image.fromarray(255 - np.asarray(cmyk), "CMYK")
    plain = _without_adobe_mark(encoded(inverted, "JPEG", quality=98))
    assert difference(read_photo(plain), picture()) < 3


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP"])
def test_the_first_frame_is_the_photo(format: str) -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert read_photo(data).pixels[20, 30].tolist() == pytest.approx([255, 0, 0], abs=3)


def test_the_two_pictures_of_a_stereo_jpeg_are_read_as_one() -> None:
    left, right = Image.fromarray(picture()), Image.fromarray(255 - picture())
    data = encoded(left, "MPO", save_all=True, append_images=[right])
    assert difference(read_photo(data), picture()) < 3


# --- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (picture(), picture()),
        (picture()[:, :, ::-1][:, :, ::-1], picture()),
        (picture().astype(np.int64), picture()),
        (picture().astype(np.uint16) * 257, picture()),
        (picture().astype(">u2") * np.array(257, ">u2"), picture()),
        (picture() / 255, picture()),
        (picture().astype(np.float16), picture()),
        (picture()[..., :1], np.repeat(picture()[..., :1], 3, axis=2)),
        (picture()[..., 0], np.repeat(picture()[..., :1], 3, axis=2)),
        (picture()[..., 0] > 90, np.repeat(255 * (picture()[..., :1] > 90), 3, axis=2)),
    ],
)
def test_arrays_of_any_type_become_bytes(array: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(read_photo(array).pixels, expected)


def test_arrays_with_alpha_lie_on_white() -> None:
    rgba = np.dstack([picture(), np.full((40, 60), 51, dtype=np.uint8)])
    assert difference(read_photo(rgba), 0.2 * picture() + 0.8 * 255) < 0.6
    assert difference(read_photo(rgba / 255), 0.2 * picture() + 0.8 * 255) < 0.6


def test_what_is_not_a_number_is_black() -> None:
    values = np.full((20, 20), 0.5)
    values[0, 0], values[0, 1], values[1, 1] = np.nan, np.inf, 0
    assert read_photo(values).pixels[0, :3, 0].tolist() == [0, 128, 128]
    assert (read_photo(np.full((20, 20), np.nan)).pixels == 0).all()
    assert (read_photo(np.full((20, 20), -7)).pixels == 0).all()
    assert read_photo(np.eye(20) * 3e38 - 1e38).pixels[0, :2, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    "array",
    [np.zeros(9), np.zeros((20, 20, 2)), np.zeros((1, 20, 20, 3)), np.full((20, 20), "x")],
)
def test_arrays_that_are_no_picture_are_refused(array: np.ndarray) -> None:
    assert "a picture is (height, width), RGB or RGBA numbers" in refusal(array)


# --- shrinking -----------------------------------------------------------------------------------


def test_shrinking_averages_and_keeps_the_shape() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    photo = read_photo(noise, max_side=60)
    blocks = noise.reshape(40, 2, 60, 2, 3).mean(axis=(1, 3))
    assert difference(photo, blocks) < 0.6
    assert read_photo(noise, max_side=120).digest == read_photo(noise).digest
    assert read_photo(noise, max_side=500).size == (80, 120)
    assert read_photo(noise, max_side=70).size == (47, 70)
    assert read_photo(np.zeros((16, 900, 3), np.uint8), max_side=20).size == (1, 20)
    assert "use 1 or more" in refusal(noise, max_side=0)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "photo is empty"),
        (b"hello, this is no picture", "is not a picture"),
        (b"\x00" * 4096, "is not a picture"),
        (b"%PDF-1.7\n", "is a PDF document, which is not supported"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG drawing"),
        (b"\xef\xbb\xbf  <SVG></SVG>", "is an SVG drawing"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 50, "is a HEIC picture"),
        (b"\x00\x00\x00\x18ftypavif" + b"\x00" * 50, "is an AVIF picture"),
        (b"\x00\x00\x00\x18ftypisom" + b"\x00" * 50, "is a film"),
        (b"PK\x03\x04" + b"\x00" * 50, "is an archive or a document"),
        (b"8BPS\x00\x01", "is a Photoshop file"),
    ],
)
def test_files_that_are_no_picture_are_named(data: bytes, words: str) -> None:
    sentence = refusal(data)
    assert words in sentence
    assert data == b"" or "use a JPEG, PNG, WebP, BMP, GIF or TIFF picture" in sentence


@pytest.mark.parametrize("format", ["PPM", "TGA", "PCX", "ICO", "JPEG2000", "PDF", "EPS", "DDS"])
def test_formats_that_pillow_knows_but_we_do_not_open(format: str) -> None:
    assert "use a JPEG, PNG, WebP" in refusal(encoded(picture(), format))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9])
def test_truncated_files_are_refused(format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(noise, format)
    sentence = refusal(data[: int(share * len(data))], name="half.img")
    assert sentence.startswith("half.img is ")
    assert "damaged" in sentence


def test_files_too_large_are_refused_without_reading_on(tmp_path: Path) -> None:
    limits = PhotoLimits(max_bytes=1000)

    class Endless(io.RawIOBase):
        asked = 0

        def readable(self) -> bool:
            return True

        def read(self, count: int = -1) -> bytes:
            self.asked += count
            return b"x" * count

    endless = Endless()
    assert "larger than 0.000954 MiB" in refusal(endless, limits=limits)
    assert endless.asked == 1001
    path = tmp_path / "big.png"
    path.write_bytes(b"x" * 1001)
    assert refusal(path, limits=limits).startswith("big.png is larger")
    assert "larger" in refusal(b"x" * 1001, limits=limits)
    assert "larger than 40 MiB" in refusal(b"x" * (40 * 2**20 + 1))


def _png_header(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\x00" * 10_000))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def _jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _gif_header(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def _bmp_header(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def _tiff_header(width: int, height: int) -> bytes:
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, height), (279, 4, 8)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(tags)) + body + b"\x00" * 4


def _webp_header(width: int, height: int) -> bytes:
    data = encoded(
        picture(), "WEBP", lossless=True, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"
    )
    start = data.index(b"VP8X") + 12
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return data[:start] + size + data[start + 6 :]


HEADERS = [_png_header, _jpeg_header, _gif_header, _bmp_header, _tiff_header]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("size", [(9000, 9000), (12_000, 12_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_before_a_pixel_is_decoded(
    header, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = header(*size)

    def decoded(*_: object) -> None:
        raise AssertionError("decoded before the size was checked")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    tracemalloc.start()
    sentence = refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "more than 64 million pixels; make it smaller first" in sentence
    assert peak < 2 * 2**20


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_in_words_where_warnings_are_errors() -> None:
    assert "64 million pixels" in refusal(_png_header(12_000, 12_000))


def test_a_webp_that_lies_about_its_canvas_is_refused() -> None:
    assert "photo " in refusal(_webp_header(16_000, 16_000))


def test_pixel_limit_is_exact() -> None:
    data = encoded(picture(), "PNG")
    assert read_photo(data, limits=PhotoLimits(max_pixels=2400)).size == (40, 60)
    assert "more than 0.0024 million" in refusal(data, limits=PhotoLimits(max_pixels=2399))
    assert "million pixels" in refusal(picture(), limits=PhotoLimits(max_pixels=2399))
    image = Image.fromarray(picture())
    assert "million pixels" in refusal(image, limits=PhotoLimits(max_pixels=2399))


@pytest.mark.parametrize("size", [(15, 200), (200, 15), (1, 1)])
def test_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    small = picture(*size)
    said = f"{size[1]} x {size[0]} pixels, but each side must have at least 16."
    assert said in refusal(encoded(small, "PNG"))
    assert said in refusal(small)
    assert read_photo(picture(16, 16)).size == (16, 16)


def test_places_where_there_is_no_file(tmp_path: Path) -> None:
    assert "There is no picture file at" in refusal(tmp_path / "none.png")
    assert "is a folder: name one picture file in it" in refusal(tmp_path)
    assert "There is no picture file at" in refusal("http://localhost/me.jpg")
    assert "is a pipe or a device and no picture file" in refusal("/dev/zero")
    assert "There is no picture file at" in refusal("a\x00b")
    refusal("a" * 5000)
    assert "There is no picture: give a path" in refusal(None)


def test_sources_that_fail_to_read(tmp_path: Path) -> None:
    assert "open it in binary mode" in refusal(io.StringIO("text"))
    closed = io.BytesIO(b"x")
    closed.close()
    assert "cannot be read" in refusal(closed)
    lazy = Image.open(io.BytesIO(encoded(picture(), "BMP")[:500]))
    assert "cannot be decoded" in refusal(lazy)


def test_a_decoder_that_runs_out_of_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
    assert "more memory than there is" in refusal(encoded(picture(), "PNG"))


# --- hostile bytes -------------------------------------------------------------------------------

SEEDS = [encoded(picture(20, 24), format) for format in FORMATS]
SEEDS += [encoded(Image.fromarray(picture(20, 24)).convert(mode), "TIFF") for mode in ("CMYK", "F")]
SEEDS += [encoded(Image.fromarray(picture(20, 24)).convert("P"), "PNG", transparency=3)]


def _read_or_refuse(data: bytes) -> None:
    try:
        photo = read_photo(data)
    except PhotoError as error:
        assert str(error).endswith(".")
    else:
        assert photo.pixels.ndim == 3
        assert photo.height * photo.width <= PhotoLimits().max_pixels


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0.1, 1),
)
def test_damaged_files_are_read_or_refused_in_words(
    seed: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(seed)
    for where, value in changes:
        data[int(where * where * len(data))] = value  # squared: headers break more than pixels
    _read_or_refuse(bytes(data[: int(kept * len(data)) + 1]))


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\x00", b"MM"]
    ),
    st.binary(max_size=300),
)
def test_garbage_is_refused_in_words(start: bytes, rest: bytes) -> None:
    _read_or_refuse(start + rest)
