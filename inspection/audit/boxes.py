"""Boxes of objects that can't be, or are there twice."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album

_SMALL = 4.0  # pixels after the geometry: what is left of a smaller object is hardly anything
_TWICE = 0.9  # intersection over union of two boxes of one class that are one


def check_boxes(
    album: Album,
    boxes: Mapping[str, tuple[NDArray[np.float64], NDArray[np.int64]]],
    scale: Mapping[str, float],
) -> list[Finding]:
    """Look at the boxes of each image.

    Args:
        album: The images.
        boxes: By file, left, top, right and bottom in camera pixels `[M, 4]`, and classes `[M]`.
        scale: By file, pixels of what the network sees for one of the camera.
    """
    names = album.labels.names
    tiny, twice = [], []
    for file in album.files:
        corners, classes = boxes[file]
        sides = (corners[:, 2:] - corners[:, :2]).min(1, initial=np.inf) * scale[file]
        tiny += [
            Case(f"{file}: {names[which]} {_words(box)}", (file,))
            for box, which, side in zip(corners.tolist(), classes.tolist(), sides.tolist(), strict=True)
            if side < _SMALL
        ]
        overlap = np.triu(_iou(corners) * (classes[:, None] == classes), 1)
        twice += [
            Case(f"{file}: {names[int(classes[one])]} {_words(corners[one].tolist())}", (file,))
            for one, _ in np.argwhere(overlap >= _TWICE).tolist()
        ]
    found = []
    if tiny:
        title = (
            f"{counted(len(tiny), 'box is', 'boxes are')} less than {_SMALL:.0f} pixels wide or high as the "
            "network sees it"
        )
        found.append(
            Finding("tiny_boxes", "warning", title, tuple(tiny), "a larger data.image_size, or a crop")
        )
    if twice:
        title = f"{counted(len(twice), 'object is', 'objects are')} marked twice"
        found.append(Finding("boxes_twice", "warning", title, tuple(twice), "remove one of the boxes"))
    return found


def annotation_faults(content: Mapping[str, Any], sizes: Mapping[str, tuple[int, int]]) -> list[Finding]:
    """All boxes of a COCO JSON that lie outside of their images or have no size; the reader stops at five.

    Args:
        content: The JSON.
        sizes: Height and width of the images that could be read, by `file_name`.
    """
    images = {entry.get("id"): entry for entry in _entries(content, "images")}
    cases, other = [], []
    for entry in _entries(content, "annotations"):
        image = images.get(entry.get("image_id"))
        box = entry.get("bbox")
        if image is None or not _is_box(box):
            continue  # what is no box at all is said by the reader of the data
        file = str(image.get("file_name"))
        left, top, width, height = map(float, box)
        known = sizes.get(file)
        if width <= 0 or height <= 0:
            cases.append(Case(f"{file}: box {box} has no size", (file,)))
        elif known is not None and (
            left < -1 or top < -1 or left + width > known[1] + 1 or top + height > known[0] + 1
        ):
            cases.append(Case(f"{file}: box {box} lies outside of {known[1]}x{known[0]} pixels", (file,)))
    for image in images.values():
        file = str(image.get("file_name"))
        stated = image.get("height"), image.get("width")
        if file in sizes and None not in stated and stated != sizes[file]:
            other.append(
                Case(
                    f"{file}: {sizes[file][1]}x{sizes[file][0]} pixels, annotated as {stated[1]}x{stated[0]}"
                )
            )
    found = []
    if cases:
        title = f"{counted(len(cases), 'box lies', 'boxes lie')} outside of the image or has no size"
        found.append(Finding("boxes_outside", "error", title, tuple(cases), "correct or remove them"))
    if other:
        title = f"{counted(len(other), 'image was', 'images were')} annotated in another size"
        found.append(
            Finding("annotated_size", "error", title, tuple(other), "take the images that were annotated")
        )
    return found


def _entries(content: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    entries = content.get(key)
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _is_box(box: Any) -> TypeGuard[list[float]]:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(value, int | float) for value in box)


def _iou(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each box with each, `[M, M]`."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return np.asarray(both / np.maximum(area[:, None] + area - both, 1e-12))


def _words(box: Sequence[float]) -> str:
    left, top, right, bottom = box
    return f"{right - left:g}x{bottom - top:g} pixels at {left:g}, {top:g}"
