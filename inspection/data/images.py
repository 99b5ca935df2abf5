"""Reading camera images: the pixels as the file has them, or one `InputError` that names the file.

OpenCV 5 decodes, from memory: of a file cut short `cv2.imdecode` gives None in all four formats, where
`cv2.imread` gives a JPEG whose lower half is grey. What it lets pass, or says on stderr only, is looked at
before: checksums of PNG chunks, and strips of zeros in a compressed TIFF (the end of a file that was never
written out). What no reader can notice is damage inside the pixels of a BMP or an uncompressed TIFF, and
inside the scan of a JPEG that still has its end marker: these hold no checksum.
"""

import os
import struct
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspection.errors import InputError

CameraImage = NDArray[np.uint8] | NDArray[np.uint16]
IMAGE_SUFFIXES = frozenset({".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff"})

# The orientation flag is for photographers; a fixed camera's pixels stay where the sensor has them.
_DECODE_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION

# OpenCV's messages name no file and come beside the InputError that does.
if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def find_images(folder: Path) -> list[Path]:
    """All image files under a folder, at any depth.

    Args:
        folder: where to look. Links to folders are not followed.

    Returns:
        Paths that begin with `folder`, sorted by their parts, so that the order is the same on every machine.
        Hidden files and folders (`.DS_Store`, `._a.png`, `.thumbnails/`) and others (`Thumbs.db`) are left
        out.

    Raises:
        InputError: `folder` is missing or is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder}: {found}; expected a folder of images.")
    found_paths: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found_paths += [
            Path(parent, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(found_paths, key=lambda path: path.parts)


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of what `read_image` gives, out of the file's head where that is told there.

    Raises:
        InputError: As `read_image`, where the head does not tell.
    """
    # Decodes nothing. Of a TIFF, Pillow gives the size after it is turned, which `read_image` does not do.
    formats = ("PNG", "JPEG", "BMP")
    strange = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
    with suppress(*strange), Image.open(path, formats=formats) as image:
        return image.height, image.width
    height, width = read_image(path).shape[:2]
    return height, width


def read_image(path: Path) -> CameraImage:
    """The pixels of a BMP, PNG, JPEG or TIFF file; the format is told by content, not by name.

    * Colour is RGB. A palette is resolved to colour; in a BMP to grey when all its entries are grey.
    * Alpha is dropped, not blended: the colour stored beneath it counts.
    * 1, 2 and 4 bit are spread over 0..255. A 16-bit file keeps its values, also when a 12-bit camera fills
      only 0..4095; packed 10, 12 and 14 bit TIFFs are spread over 0..65535 (by OpenCV).
    * EXIF and TIFF orientation is ignored: these are the camera's pixels.
    * Of several pages or frames the first is read.

    Args:
        path: the file. Any letters of any language may be in it.

    Returns:
        `[H, W]` for grey or `[H, W, 3]` for colour, uint8 or uint16, own memory.

    Raises:
        InputError: missing, a folder, unreadable, empty, not an image, cut short, corrupt, or with pixels
            that are signed, of more than 16 bits, or floating point.
    """
    path = Path(path)
    data = _read_bytes(path)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        _check_png(data, path)
        image = _decode(data, path, "PNG")
        if data[25] == 4 and image.ndim == 3:  # grey with alpha, of which OpenCV makes three equal channels
            image = image[..., 0].copy()
        return image
    if data.startswith(b"\xff\xd8"):
        return _decode(data, path, "JPEG")
    if data.startswith(b"BM"):
        _check_bmp(data, path)
        return _decode(data, path, "BMP")
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _decode_tiff(data, path)
    raise InputError(
        f"{path}: is not an image: it begins with {data[:8]!r}; expected BMP, PNG, JPEG or TIFF. "
        f"Save it as one of these or take it out of the folder."
    )


def to_uint8(image: CameraImage, white_level: int | None = None, black_level: int = 0) -> NDArray[np.uint8]:
    """Grey values scaled to 0..255 between two fixed levels, never by the image's own extremes.

    Args:
        image: any shape, uint8 or uint16.
        white_level: the value that becomes 255; larger ones are clipped. None: 255 for uint8, 65535 for
            uint16.
        black_level: the value that becomes 0, below the white level; smaller ones are clipped.

    Returns:
        Same shape, uint8, rounded to nearest. The image itself when there is nothing to scale.

    >>> to_uint8(np.array([0, 2048, 4095, 9999], np.uint16), white_level=4095)
    array([  0, 128, 255, 255], dtype=uint8)
    """
    full_scale = np.iinfo(image.dtype).max
    level = full_scale if white_level is None else white_level
    if image.dtype == np.uint8 and level == 255 and black_level == 0:
        return image.astype(np.uint8, copy=False)
    return _scale(full_scale, level, black_level)[image]


def stretched(image: CameraImage, low: int, high: int) -> NDArray[np.uint8]:
    """Grey values scaled so that `low` becomes 0 and `high` 255; all 0 where the two are the same.

    What a camera with automatic gain does, given the image's own extremes. Unlike `to_uint8` it keeps no table,
    since every image has its own levels.

    Args:
        image: any shape, uint8 or uint16.
        low: the value that becomes 0; smaller ones are clipped.
        high: the value that becomes 255; larger ones are clipped.

    >>> stretched(np.array([100, 150, 200], np.uint16), 100, 200), stretched(np.array([7, 7], np.uint8), 7, 7)
    (array([  0, 128, 255], dtype=uint8), array([0, 0], dtype=uint8))
    """
    if high <= low:
        return np.zeros(image.shape, np.uint8)
    values = (image.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.floor(np.clip(values, 0, 255) + np.float32(0.5)).astype(np.uint8)


def to_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Channels first, as many as the network sees.

    Args:
        image: `[H, W]` grey or `[H, W, 3]` RGB.
        channels: 1 makes grey of colour by the luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B, rounded);
            3 makes three equal channels of grey.

    Returns:
        `[channels, H, W]`, contiguous.
    """
    if channels == 1:
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.ascontiguousarray(grey[None])
    if image.ndim == 2:
        return np.repeat(image[None], 3, axis=0)
    planes = np.empty((image.shape[2], *image.shape[:2]), np.uint8)
    cv2.split(image, list(planes))  # in place; six to ten times as fast as a transposed copy
    return planes


@lru_cache(maxsize=4)
def _scale(full_scale: int, white_level: int, black_level: int) -> NDArray[np.uint8]:
    """The 8-bit value of each raw value."""
    values = np.arange(full_scale + 1, dtype=np.float64) - black_level
    return np.floor(np.clip(values * 255 / (white_level - black_level), 0, 255) + 0.5).astype(np.uint8)


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: does not exist; expected an image file.") from None
    except OSError as error:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected an image file.") from None
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions and its disk."
        ) from None
    if not data:
        raise InputError(f"{path}: is empty (0 bytes); expected an image. Copy it again or remove it.")
    return data


def _decode(data: bytes | bytearray, path: Path, kind: str) -> CameraImage:
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), _DECODE_FLAGS)
    except (cv2.error, MemoryError):  # e.g. a damaged header that asks for 2 ** 20 x 2 ** 20 pixels
        image = None
    if image is None:
        raise _corrupt(path, f"{kind} data that cannot be decoded")
    if image.dtype not in (np.uint8, np.uint16):
        raise _wrong_pixels(path, f"{image.dtype} pixels")
    if image.ndim == 3:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return image


def _corrupt(path: Path, found: str) -> InputError:
    return InputError(f"{path}: is cut short or corrupt: {found}. Copy it again or remove it.")


def _wrong_pixels(path: Path, found: str) -> InputError:
    return InputError(
        f"{path}: has {found}; expected 8 or 16 bit unsigned grey or colour. Save it as 16 bit."
    )


def _check_png(data: bytes, path: Path) -> None:
    """Walk the chunks up to the end chunk and compare their checksums, before libpng complains on stderr."""
    view = memoryview(data)
    start = 8
    while True:
        if start + 12 > len(data):
            raise _corrupt(path, f"the PNG ends after {len(data)} bytes without its end chunk")
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 12 + length
        if end > len(data):
            raise _corrupt(path, f"a PNG chunk needs {end} bytes, the file has {len(data)}")
        if zlib.crc32(view[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise _corrupt(path, f"the PNG chunk at byte {start} has a wrong checksum")
        if data[start + 4 : start + 8] == b"IEND":
            return
        start = end


def _check_bmp(data: bytes, path: Path) -> None:
    """Compare the size that the header asks for with the size of the file."""
    if len(data) < 26:
        raise _corrupt(path, f"the BMP header is cut off after {len(data)} bytes")
    file_size, pixels_at, header_size = struct.unpack_from("<I4xII", data, 2)
    needed = file_size
    if header_size >= 40 and len(data) >= 34:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", data, 18)
        if compression in (0, 3):  # not run-length coded: the size follows from the shape
            needed = pixels_at + (abs(width) * bits + 31) // 32 * 4 * abs(height)
    if needed > len(data):
        raise _corrupt(path, f"the BMP needs {needed} bytes, the file has {len(data)}")


_COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 259, 262, 274, 338, 339
_STRIP_OFFSETS, _STRIP_BYTE_COUNTS, _TILE_OFFSETS, _TILE_BYTE_COUNTS = 273, 279, 324, 325


def _decode_tiff(data: bytes, path: Path) -> CameraImage:
    try:
        tags = _tiff_tags(data)
    except (struct.error, ValueError):
        raise _corrupt(path, f"its TIFF directory lies beyond its {len(data)} bytes") from None
    if 3 in tags.get(_SAMPLE_FORMAT, _NO_TAG).values:
        raise _wrong_pixels(path, "floating point pixels")
    if 2 in tags.get(_SAMPLE_FORMAT, _NO_TAG).values:
        raise _wrong_pixels(path, "signed pixels")
    if {5, 7, 8, 32946} & set(tags.get(_COMPRESSION, _NO_TAG).values):
        # LZW, JPEG and Deflate data end in a code that is not zero; OpenCV makes black strips of zeroed ones.
        for starts, counts in ((_STRIP_OFFSETS, _STRIP_BYTE_COUNTS), (_TILE_OFFSETS, _TILE_BYTE_COUNTS)):
            strips = zip(tags.get(starts, _NO_TAG).values, tags.get(counts, _NO_TAG).values, strict=False)
            for start, count in strips:
                if count >= 4 and not any(data[start + count - 4 : start + count]):
                    raise _corrupt(path, f"its TIFF strip at byte {start} ends in zeros")

    # OpenCV turns the picture by the orientation tag whatever the flags say, and multiplies 8-bit colour by
    # alpha that is not "associated" (1). In the copy that it decodes both tags are 1: nothing to do.
    to_decode = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    for tag in (_ORIENTATION, _EXTRA_SAMPLES):
        if tag in tags and tags[tag].itemsize == 2:
            for i in range(len(tags[tag].values)):
                struct.pack_into(order + "H", to_decode, tags[tag].position + 2 * i, 1)
    image = _decode(to_decode, path, "TIFF")
    # OpenCV turns "0 is white" round for 8 bit but not for 16.
    if image.dtype == np.uint16 and image.ndim == 2 and 0 in tags.get(_PHOTOMETRIC, _NO_TAG).values:
        np.subtract(np.uint16(65535), image, out=image)
    return image


class _Tag(NamedTuple):
    """The integers of a TIFF tag and where they lie."""

    values: tuple[int, ...]
    position: int
    itemsize: int


_NO_TAG = _Tag((), 0, 0)


def _tiff_tags(data: bytes) -> dict[int, _Tag]:
    """The integer tags of the first picture in a TIFF or BigTIFF file.

    Raises:
        struct.error, ValueError: the directory, or a list that it points to, lies beyond the end of the file.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    word, inline = ("Q", 8) if big else ("I", 4)
    (directory,) = struct.unpack_from(order + word, data, inline)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, directory)
    first, size = directory + (8 if big else 2), 4 + 2 * inline
    if first + count * size + inline > len(data):  # behind it lies where the next picture is
        raise ValueError("the directory is cut off")
    tags: dict[int, _Tag] = {}
    for entry in range(first, first + count * size, size):
        tag, kind, length = struct.unpack_from(order + "HH" + word, data, entry)
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if code is None:
            continue
        itemsize = struct.calcsize(order + code)
        position = entry + size - inline
        if length * itemsize > inline:
            (position,) = struct.unpack_from(order + word, data, position)
        if position + length * itemsize > len(data):
            raise ValueError(f"the values of tag {tag} are cut off")
        tags[tag] = _Tag(struct.unpack_from(f"{order}{length}{code}", data, position), position, itemsize)
    return tags
