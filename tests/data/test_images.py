import contextlib
import io
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inspection.data import images
from inspection.data.images import find_images, image_size, read_image, to_channels, to_uint8
from inspection.errors import InputError

ROWS, COLUMNS = np.mgrid[0:40, 0:60]
GREY = (3 * ROWS + 2 * COLUMNS).astype(np.uint8)
COLOUR = np.dstack([GREY, 255 - GREY, np.full_like(GREY, 7)])
GREY16 = GREY.astype(np.uint16) * 16 + 5  # a 12-bit camera
SUFFIXES = ["bmp", "png", "jpg", "tif"]


def saved(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    """A file as camera software writes it: by another writer than Pillow."""
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    return cv2.imencode(f".{suffix}", pixels)[1].tobytes()


def uncompressed_tiff(pixels: np.ndarray, sample_format: int = 1, photometric: int = 1) -> bytes:
    """A one-strip grey TIFF, big-endian, its directory before its pixels."""
    height, width = pixels.shape
    strip = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    tags = {
        256: width,
        257: height,
        258: pixels.itemsize * 8,
        259: 1,
        262: photometric,
        273: 8 + 2 + 10 * 12 + 4,
        277: 1,
        278: height,
        279: len(strip),
        339: sample_format,
    }
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack(">2sHIH", b"MM", 42, 8, len(tags)) + entries + bytes(4) + strip


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("suffix", ["bmp", "png", "tif"])
def test_lossless_files_come_back_as_they_were(tmp_path, suffix, pixels):
    image = read_image(saved(tmp_path / f"a.{suffix}", pixels))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_jpeg_is_read_in_rgb_order(tmp_path, pixels):
    image = read_image(saved(tmp_path / "a.jpg", pixels, quality=100, subsampling=0))
    assert image.shape == pixels.shape
    assert np.abs(image.astype(int) - pixels).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_keeps_every_value(tmp_path, suffix):
    image = read_image(saved(tmp_path / f"a.{suffix}", GREY16))
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, GREY16)
    (tmp_path / "colour.png").write_bytes(encoded(suffix, COLOUR.astype(np.uint16) * 257))
    np.testing.assert_array_equal(read_image(tmp_path / "colour.png"), COLOUR.astype(np.uint16) * 257)


def test_a_palette_becomes_colour_and_one_bit_black_and_white(tmp_path):
    palette = Image.fromarray(COLOUR).quantize(16)
    binary = Image.fromarray(GREY).convert("1")
    for suffix in ("bmp", "png", "tif"):
        palette.save(tmp_path / f"palette.{suffix}")
        binary.save(tmp_path / f"binary.{suffix}")
        np.testing.assert_array_equal(
            read_image(tmp_path / f"palette.{suffix}"), np.asarray(palette.convert("RGB"))
        )
        np.testing.assert_array_equal(
            read_image(tmp_path / f"binary.{suffix}"), np.asarray(binary) * np.uint8(255)
        )


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_alpha_is_dropped_and_not_blended(tmp_path, suffix):
    alpha = GREY // 2
    np.testing.assert_array_equal(
        read_image(saved(tmp_path / f"rgba.{suffix}", np.dstack([COLOUR, alpha]))), COLOUR
    )
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]).save(tmp_path / f"la.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"la.{suffix}"), GREY)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_the_orientation_flag_is_ignored(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x112] = 6  # turn by 90 degrees
    plain = read_image(saved(tmp_path / f"plain.{suffix}", COLOUR))
    np.testing.assert_array_equal(read_image(saved(tmp_path / f"exif.{suffix}", COLOUR, exif=exif)), plain)


def test_a_tiff_whose_zero_is_white(tmp_path):
    for pixels in (GREY, GREY16):
        (tmp_path / "a.tif").write_bytes(uncompressed_tiff(pixels, photometric=0))
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.iinfo(pixels.dtype).max - pixels)


def test_the_content_tells_the_format_and_names_may_be_in_any_language(tmp_path):
    path = tmp_path / "Prüfung" / "コイル 1.bmp"
    path.parent.mkdir()
    path.write_bytes(encoded("png", GREY))
    np.testing.assert_array_equal(read_image(path), GREY)


@pytest.mark.parametrize(("dtype", "sample_format"), [("f4", 3), ("f2", 3), ("i2", 2), ("i4", 2), ("u4", 1)])
def test_other_pixels_than_8_or_16_bit_unsigned_are_refused(tmp_path, dtype, sample_format):
    path = tmp_path / "a.tif"
    path.write_bytes(uncompressed_tiff(GREY.astype(dtype), sample_format))
    with pytest.raises(InputError, match=r"a\.tif: has .* pixels; expected 8 or 16 bit unsigned"):
        read_image(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_short_is_refused_by_name(tmp_path, suffix, capfd):
    whole = encoded(suffix, GREY)
    path = tmp_path / f"cut.{suffix}"
    for length in [*np.linspace(1, len(whole) - 1, 25).astype(int).tolist(), len(whole) - 2]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"cut\.{suffix}: "):
            read_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_file_whose_end_was_never_written_out_is_refused(tmp_path, suffix):
    whole = encoded(suffix, GREY)
    path = tmp_path / f"cut.{suffix}"
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))].ljust(len(whole), b"\0"))
        with pytest.raises(InputError, match="cut short or corrupt"):
            read_image(path)


def test_zeroed_strips_of_a_compressed_tiff_are_refused(tmp_path):
    for compression in ("tiff_lzw", "tiff_adobe_deflate"):
        buffer = io.BytesIO()
        Image.fromarray(GREY).save(buffer, "TIFF", compression=compression)
        tags = Image.open(buffer).tag_v2
        start, count = tags[273][-1], tags[279][-1]
        data = bytearray(buffer.getvalue())
        data[start + count // 2 : start + count] = bytes(count - count // 2)
        (tmp_path / "a.tif").write_bytes(data)
        with pytest.raises(InputError, match="ends in zeros"):
            read_image(tmp_path / "a.tif")


def test_a_damaged_png_is_found_by_its_checksums(tmp_path, capfd):
    whole = encoded("png", GREY)
    for position in range(8, len(whole), 7):
        data = bytearray(whole)
        data[position] ^= 0x10
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.png: is cut short or corrupt"):
            read_image(tmp_path / "a.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_damaged_header_gives_an_image_or_an_input_error(tmp_path, suffix, pixels):
    whole = encoded(suffix, pixels)
    # The headers of BMP, PNG and JPEG lie in front, the TIFF directory of this writer behind.
    positions = [*range(8), *range(len(whole) - 150, len(whole), 3)] if suffix == "tif" else range(100)
    path = tmp_path / f"a.{suffix}"
    for position in positions:
        for bit in (0, 6):
            data = bytearray(whole)
            data[position] ^= 1 << bit
            path.write_bytes(data)
            with contextlib.suppress(InputError):
                image = read_image(path)
                assert image.dtype in (np.uint8, np.uint16)
                assert image.ndim == 2 or image.shape[2:] == (3,)


def test_each_kind_of_wrong_path_has_its_own_message(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "a.webp").write_bytes(b"RIFF1234WEBP")
    for name, message in [
        ("text.png", r"is not an image: it begins with b'not a pi'"),
        ("a.webp", r"is not an image: it begins with b'RIFF"),
        ("empty.png", "is empty"),
        ("folder.png", "is a folder"),
        ("missing.png", "does not exist"),
    ]:
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            read_image(tmp_path / name)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read all files"
)
def test_a_file_without_permission_is_an_input_error(tmp_path):
    path = saved(tmp_path / "a.png", GREY)
    path.chmod(0)
    with pytest.raises(InputError, match=r"a\.png: cannot be read \(Permission denied\)"):
        read_image(path)


def test_find_images_is_recursive_sorted_and_leaves_rubbish_out(tmp_path):
    names = ["b/2.PNG", "b/10.jpg", "a/x.Tiff", "z.bmp", "b-c/1.jpeg"]
    rubbish = ["a/._x.tiff", ".DS_Store", "b/Thumbs.db", "notes.txt", ".cache/1.png", "a/png"]
    for name in names + rubbish:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["a/x.Tiff", "b/10.jpg", "b/2.PNG", "b-c/1.jpeg", "z.bmp"]


def test_find_images_needs_a_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        find_images(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        find_images(tmp_path / "file")


@pytest.mark.parametrize("white_level", [1, 255, 1000, 4095, 65535])
def test_to_uint8_rounds_and_clips_at_the_white_level(white_level):
    values = np.arange(65536, dtype=np.uint16)
    exact = [min(255, (2 * 255 * int(value) + white_level) // (2 * white_level)) for value in values]
    np.testing.assert_array_equal(to_uint8(values, white_level), exact)


def test_to_uint8_never_looks_at_the_image():
    dark = np.array([[0, 257]], np.uint16)
    np.testing.assert_array_equal(to_uint8(dark), [[0, 1]])
    np.testing.assert_array_equal(to_uint8(GREY), GREY)
    np.testing.assert_array_equal(to_uint8(np.array([0, 50, 100, 200], np.uint8), 100), [0, 128, 255, 255])


def test_to_channels():
    luma = np.array([0.299, 0.587, 0.114])
    one = to_channels(COLOUR, 1)
    assert one.shape == (1, 40, 60)
    assert np.abs(one[0] - COLOUR @ luma).max() <= 0.51
    np.testing.assert_array_equal(to_channels(GREY, 1), GREY[None])
    np.testing.assert_array_equal(to_channels(GREY, 3), np.stack([GREY] * 3))
    np.testing.assert_array_equal(to_channels(COLOUR, 3), COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "view", [np.s_[3:, 2:-1], np.s_[::-1], np.s_[:, ::-1], np.s_[..., ::-1], np.s_[:1, :1]]
)
def test_to_channels_of_a_view_of_an_image(view):
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)[view]
    planes = to_channels(image, 3)
    assert planes.flags.c_contiguous
    np.testing.assert_array_equal(planes, image.transpose(2, 0, 1))
    for image in (GREY, COLOUR):
        for channels in (1, 3):
            assert to_channels(image, channels).flags.c_contiguous


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("turned", [False, True])
def test_size_out_of_the_head_is_that_of_the_pixels(tmp_path, monkeypatch, suffix, pixels, turned):
    exif = Image.Exif()
    if turned:
        exif[0x112] = 6  # by 90 degrees
    path = saved(tmp_path / f"a.{suffix}", pixels, **({} if suffix == "bmp" else {"exif": exif}))
    assert image_size(path) == read_image(path).shape[:2] == GREY.shape
    if suffix != "tif":
        monkeypatch.setattr(images, "read_image", None)  # nothing is decoded
        assert image_size(path) == GREY.shape


def test_size_of_what_is_no_image_is_the_error_of_reading_it(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match="is not an image"):
        image_size(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.png"):
        image_size(tmp_path / "b.png")
