"""COCO's JSON of boxes: what is in each image, read and checked; and what a detector found, written.

The format: https://cocodataset.org/#format-data, and #format-results for what is written.
"""

import json
import math
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError

_LISTED = 5  # faults of one kind that a message lists
_ROUNDING = 1.0  # pixels by which a box may stand out of its image: tools round


@dataclass(frozen=True)
class CocoImage:
    """An image and the boxes in it.

    Attributes:
        id: Of the image in the JSON.
        file: Path relative to the folder of images, with forward slashes and without detours (`./a.png`).
        size: Height and width in pixels as the JSON has them, or None.
        boxes: Left, top, right, bottom in pixels of the camera image, float64 `[M, 4]`.
        classes: Places of their categories in `CocoSet.names`, int64 `[M]`.
    """

    id: int | str
    file: str
    size: tuple[int, int] | None
    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class CocoSet:
    """Images with boxes.

    Attributes:
        names: Of the classes.
        category_ids: Of the classes in the JSON.
        images: In the order of the JSON.
        crowds: Regions of many objects (`iscrowd`) that were left out.
    """

    names: tuple[str, ...]
    category_ids: tuple[int | str, ...]
    images: tuple[CocoImage, ...]
    crowds: int


def read_coco(path: Path, names: Sequence[str]) -> CocoSet:
    """Images and boxes of a COCO JSON.

    Args:
        path: The JSON with `images`, `annotations` and `categories`.
        names: Of the classes, in the wanted order: all categories that a box is of.

    Raises:
        InputError: If it is no such JSON, or entries contradict each other; lists those.
    """
    content = _read(path)
    categories = _by_id(path, content, "categories", ("id", "name"))
    name_of = {key: str(entry["name"]) for key, entry in categories.items()}
    _check_names(path, name_of, names)
    entries = _by_id(path, content, "images", ("id", "file_name"))
    file_of = {key: posixpath.normpath(str(entry["file_name"])) for key, entry in entries.items()}
    _check_files(path, file_of)
    size_of = _sizes(path, entries)

    boxes: dict[Any, list[tuple[list[float], int]]] = {key: [] for key in entries}
    faults: list[str] = []
    strange: list[str] = []
    crowds = 0
    for key, entry in _by_id(path, content, "annotations", ("id", "image_id", "category_id", "bbox")).items():
        of = f"annotation {key!r}"
        if entry["image_id"] not in entries:
            faults.append(f"{of}: there is no image {entry['image_id']!r}")
        elif entry["category_id"] not in name_of:
            faults.append(f"{of}: there is no category {entry['category_id']!r}")
        elif entry.get("iscrowd"):
            crowds += 1
        elif name_of[entry["category_id"]] not in names:
            strange.append(name_of[entry["category_id"]])
        else:
            image = entry["image_id"]
            fault = _fault(entry["bbox"], size_of[image])
            if fault is not None:
                faults.append(f"{of}, image {file_of[image]!r}: {fault}")
            else:
                which = list(names).index(name_of[entry["category_id"]])
                boxes[image].append((entry["bbox"], which))
    _refuse(path, faults, "correct these entries or remove them")
    if strange:
        most = ", ".join(f"{name} ({number})" for name, number in Counter(strange).most_common())
        raise InputError(
            f"{path}: boxes of categories that are not in data.classes={list(names)}: {most}\n"
            "add them to data.classes, or remove their annotations"
        )
    id_of = {name: key for key, name in name_of.items()}
    images = [
        CocoImage(
            key,
            file_of[key],
            size_of[key],
            _corners([box for box, _ in boxes[key]], size_of[key]),
            np.asarray([which for _, which in boxes[key]], np.int64),
        )
        for key in entries
    ]
    return CocoSet(tuple(names), tuple(id_of[name] for name in names), tuple(images), crowds)


def cut_boxes(
    path: Path, images: Sequence[CocoImage], sizes: Sequence[tuple[int, int]]
) -> list[NDArray[np.float64]]:
    """Boxes cut at the border of their images, also of those whose size the JSON does not say.

    Args:
        path: Of the JSON, for the message.
        images: Of it.
        sizes: Height and width of each image.

    Returns:
        Of each image, left, top, right, bottom in pixels, `[M, 4]`.

    Raises:
        InputError: If boxes lie outside of their images; lists those.
    """
    faults = []
    cut = []
    for image, (height, width) in zip(images, sizes, strict=True):
        for left, top, right, bottom in image.boxes.tolist():
            box = [left, top, right - left, bottom - top]
            fault = _fault(box, (height, width))
            if fault is not None:
                faults.append(f"image {image.id!r}, {image.file!r}: {fault}")
        cut.append(np.clip(image.boxes, 0, [width, height, width, height]))
    _refuse(path, faults, "take the images that were annotated, or correct these boxes")
    return cut


def write_results(
    path: Path,
    images: Sequence[int | str],
    detections: Sequence[NDArray[np.floating]],
    category_ids: Sequence[int | str],
) -> None:
    """Write what was found in images as COCO results, which pycocotools and its successors read.

    Args:
        path: Of the JSON: a list of `image_id`, `category_id`, `bbox` (left, top, width, height) and `score`.
        images: Id of each image.
        detections: Of each image `[M, 6]`: left, top, right, bottom (pixels of the camera image), score, class.
        category_ids: Of the classes.
    """
    results = [
        {
            "image_id": image,
            "category_id": category_ids[int(which)],
            "bbox": [round(float(v), 2) for v in (left, top, right - left, bottom - top)],
            "score": round(float(score), 5),
        }
        for image, found in zip(images, detections, strict=True)
        for left, top, right, bottom, score, which in found
    ]
    path.write_text(json.dumps(results), encoding="utf-8")


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; data.annotations is to name a COCO JSON, relative to data.root"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows tools put a byte order mark
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path} is no JSON ({error}); expected COCO's annotations") from None
    if isinstance(content, list):
        raise InputError(
            f"{path} is a list; expected COCO's annotations (images, annotations, categories), not its results"
        )
    missing = [
        key
        for key in ("images", "annotations", "categories")
        if not isinstance(content, Mapping) or not isinstance(content.get(key), list)
    ]
    if missing:
        raise InputError(
            f"{path} has no list {missing[0]!r}; expected COCO's annotations (images, annotations, categories)"
        )
    return content


def _by_id(
    path: Path, content: Mapping[str, Any], key: str, fields: Sequence[str]
) -> dict[Any, Mapping[str, Any]]:
    """The entries of a list by their id, with plain ids."""
    entries: list[dict[str, Any]] = []
    faults = []
    for place, entry in enumerate(content[key]):
        of = f"{key}[{place}]"
        if not isinstance(entry, Mapping):
            faults.append(f"{of} is {entry!r}, not an entry with {', '.join(fields)}")
            continue
        lacks = [name for name in fields if entry.get(name) is None]
        if lacks:
            faults.append(f"{of} has no {', '.join(lacks)}")
            continue
        ids = {name: _plain(entry[name]) for name in fields if name.endswith("id")}
        strange = [name for name, value in ids.items() if not isinstance(value, int | str)]
        if strange:
            faults.append(f"{of}: {strange[0]} is {entry[strange[0]]!r}, no whole number and no text")
        entries.append({**entry, **ids})
    _refuse(path, faults, "complete or correct these entries")
    counts = Counter(entry["id"] for entry in entries)
    repeated = [f"id {one!r} stands {n} times in {key}" for one, n in counts.items() if n > 1]
    _refuse(path, repeated, "give each entry an id of its own")
    return {entry["id"]: entry for entry in entries}


def _plain(value: Any) -> Any:
    """A whole number as int: a table with a gap in a column has made floats of its numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_files(path: Path, file_of: Mapping[Any, str]) -> None:
    """Each file once, whatever way its path goes: else it could be trained on and tested with."""
    outside = [
        f"image {key!r}: file_name {file!r} leads out of the folder of images"
        for key, file in file_of.items()
        if posixpath.isabs(file) or file.split("/")[0] == ".."
    ]
    _refuse(path, outside, "give paths below it (data.pictures)")
    repeated = [
        f"file_name {file!r} stands in {n} entries of images"
        for file, n in Counter(file_of.values()).items()
        if n > 1
    ]
    _refuse(path, repeated, "remove all but one")


def _check_names(path: Path, name_of: Mapping[Any, str], names: Sequence[str]) -> None:
    known = Counter(name_of.values())
    _refuse(
        path, [f"category {n!r} has {c} ids" for n, c in known.items() if c > 1], "give each one name one id"
    )
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"{path}: there is no category {missing[0]!r} (data.classes={list(names)}); "
            f"there is {', '.join(known) or 'none'}"
        )


def _sizes(path: Path, entries: Mapping[Any, Mapping[str, Any]]) -> dict[Any, tuple[int, int] | None]:
    """Height and width of the images by id; None where the JSON does not say both."""
    sizes: dict[Any, tuple[int, int] | None] = {}
    faults = []
    for key, entry in entries.items():
        height, width = (_plain(entry.get(name)) for name in ("height", "width"))
        known = height is not None and width is not None
        sizes[key] = (height, width) if known else None
        if known and not all(isinstance(side, int) and side > 0 for side in (height, width)):
            faults.append(f"image {key!r}: width {width!r} and height {height!r} are no whole pixels")
    _refuse(path, faults, "correct these entries, or leave width and height out")
    return sizes


def _fault(box: Any, size: tuple[int, int] | None) -> str | None:
    """What is wrong with a box (left, top, width, height) of an image, if anything."""
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box)
    if not numbers or not all(map(math.isfinite, box)):
        return f"bbox {box} is not [left, top, width, height] in pixels"
    left, top, width, height = box
    if width <= 0 or height <= 0:
        return f"bbox {box} has no size"
    right, bottom = (math.inf, math.inf) if size is None else (size[1], size[0])
    over = max(-left, -top, left + width - right, top + height - bottom)
    gone = left + width <= 0 or top + height <= 0 or left >= right or top >= bottom
    if over > _ROUNDING or gone:
        of = "" if size is None else f" of {size[1]}x{size[0]} pixels (width x height)"
        return f"bbox {box} lies outside of the image{of}"
    return None


def _corners(boxes: Sequence[Sequence[float]], size: tuple[int, int] | None) -> NDArray[np.float64]:
    """Left, top, right, bottom `[M, 4]`, within the image."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    limits = [np.inf] * 4 if size is None else [size[1], size[0], size[1], size[0]]
    return np.clip(corners, 0, limits)


def _refuse(path: Path, faults: Sequence[str], remedy: str) -> None:
    """Raise an InputError that lists faults, if there are any."""
    if not faults:
        return
    more = f"\n... and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
    listed = "\n".join(faults[:_LISTED])
    raise InputError(f"{path}: {listed}{more}\n{remedy}")
