"""Images in which objects are marked by boxes, from a COCO JSON."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile
from torch import Tensor

from inspection.data.augment import Changes
from inspection.data.boxes import clip_boxes
from inspection.data.coco import CocoImage, CocoSet, cut_boxes, read_coco
from inspection.data.images import find_images, read_image
from inspection.data.module import Found, ImageDataModule, InMemory, Rows
from inspection.data.object_labels import Objects
from inspection.data.splits import Samples
from inspection.errors import InputError

_LISTED = 5  # images named in a message


class ObjectDataModule(ImageDataModule):
    """Images with any number of objects each, from a COCO JSON with boxes.

    A batch also has `boxes` float32 `[B, M, 4]` (left, top, right, bottom in pixels of the image after the
    geometry, M the most of any image) and `box_class` int64 `[B, M]`, -1 behind the last one.

    Args:
        classes: Class names in the order of the network's outputs: the categories of the JSON.
        pictures: Folder below the root that the file names in the JSON are relative to; `.` for the root itself.
        annotations: The JSON, relative to the root.
        least_visible: Share of a box, 0..1, that must lie in the image, after the crop and after a random change,
            for it to count as an object; what is left of it is its box then.
        **settings: As in `ImageDataModule`.

    Attributes:
        coco: What the JSON says, after `find_samples`.
        camera_shapes: Height and width of the camera images, int64 `[N, 2]` in the order of the samples, after
            `setup`.
        boxes: Of the samples after the geometry, float32 `[N, M, 4]`, after `setup`.
        box_class: Their classes, int64 `[N, M]`, -1 behind the last one, after `setup`.
    """

    coco: CocoSet
    boxes: Tensor
    box_class: Tensor
    camera_shapes: NDArray[np.int64]

    def __init__(
        self, classes: Sequence[str], pictures: str, annotations: str, least_visible: float, **settings: Any
    ) -> None:
        super().__init__(labels=Objects(classes), **settings)
        if not 0 <= least_visible <= 1:
            raise InputError(f"data.least_visible={least_visible}: expected a share, 0 to 1")
        self.pictures, self.annotations, self.least_visible = pictures, annotations, least_visible

    def find_samples(self, root: Path) -> Found:
        """The images of the JSON, and which classes occur in each."""
        place = root / self.annotations
        self.coco = read_coco(place, self.labels.names)
        folder = root / self.pictures
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; data.pictures={self.pictures} is to name the folder of the images"
            )
        there = {image.relative_to(folder).as_posix() for image in find_images(folder)}
        gone = [image for image in self.coco.images if image.file not in there]
        if gone:
            cases = [f"{place}: image {image.id!r}: there is no {image.file!r} in {folder}" for image in gone]
            listed = "\n".join(cases[:_LISTED])
            more = f"\n... and {len(gone) - _LISTED} images more" if len(gone) > _LISTED else ""
            self.refuse(
                cases,
                f"{listed}{more}\n"
                "add the images, remove their entries, or name the images' folder (data.pictures)",
            )
            self.coco = replace(self.coco, images=tuple(i for i in self.coco.images if i.file in there))
        unnamed = there - {image.file for image in self.coco.images}
        if unnamed:
            self.notes.append(
                f"{len(unnamed)} images have no entry in {self.annotations} and are left out (for example "
                f"{min(unnamed)!r})"
            )
        if self.coco.crowds:
            self.notes.append(
                f"{self.coco.crowds} regions of many objects (iscrowd) are left out: what lies in them counts as "
                "background"
            )
        targets = self._targets()
        prefix = "" if self.pictures in ("", ".") else f"{Path(self.pictures).as_posix()}/"
        return Found([prefix + image.file for image in self.coco.images], targets)

    def _targets(self) -> NDArray[np.bool_]:
        """Which classes are left in each image after the crop, `[N, K]`."""
        targets = np.zeros((len(self.coco.images), len(self.labels.names)), dtype=bool)
        cut = 0
        for row, image in enumerate(self.coco.images):
            stays = np.ones(len(image.boxes), dtype=bool)
            if self.geometry.crop is not None:  # the same place in each image, whatever its size
                _, stays = self._placed(image.boxes, (0, 0))
            targets[row, image.classes[stays]] = True
            cut += len(stays) - int(stays.sum())
        if cut:
            outside = (
                f"{cut} boxes lie outside of data.crop={list(self.geometry.crop or ())} (less than "
                f"{self.least_visible:.0%} inside, data.least_visible) and are left out"
            )
            self.notes.append(outside)
            for place, name in enumerate(self.labels.names):
                annotated = any(place in image.classes for image in self.coco.images)
                if annotated and not targets[:, place].any():
                    raise InputError(f"{outside}: no {name!r} is left; choose another crop, or none")
        return targets

    def _placed(
        self, boxes: NDArray[np.float64], shape: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Boxes `[M, 4]` after the geometry, cut at its border, and whether enough of each is left."""
        placed = torch.from_numpy(self.geometry.boxes_from_camera(boxes, shape))
        clipped, shares = clip_boxes(placed, self.geometry.image_size)
        return clipped.numpy(), ((shares > 0) & (shares >= self.least_visible)).numpy()

    def open_truth(self, samples: Samples) -> dict[str, Rows]:
        """Boxes after the geometry, and their classes."""
        shapes = [
            _camera_shape(self.root / file, image, self.annotations)
            for file, image in zip(samples.files, self.coco.images, strict=True)
        ]
        self.camera_shapes = np.asarray(shapes, np.int64).reshape(-1, 2)
        most = max((len(image.boxes) for image in self.coco.images), default=0)
        boxes = np.zeros((len(shapes), max(most, 1), 4), np.float32)
        classes = np.full(boxes.shape[:2], -1, np.int64)
        in_camera = cut_boxes(self.root / self.annotations, self.coco.images, shapes)
        for row, (image, shape) in enumerate(zip(self.coco.images, shapes, strict=True)):
            clipped, stays = self._placed(in_camera[row], shape)
            number = int(stays.sum())
            boxes[row, :number] = clipped[stays]
            classes[row, :number] = image.classes[stays]
        self.boxes, self.box_class = torch.from_numpy(boxes), torch.from_numpy(classes)
        return {"boxes": InMemory(boxes), "box_class": InMemory(classes)}

    def moved(self, batch: Mapping[str, Tensor], changes: Changes) -> dict[str, Tensor]:
        """Boxes move with their images; those of which too little stays are dropped."""
        boxes, box_class = changes.of_boxes(
            batch["boxes"], batch["box_class"], self.geometry.image_size, self.least_visible
        )
        return super().moved(batch, changes) | {"boxes": boxes, "box_class": box_class}


def _camera_shape(path: Path, image: CocoImage, annotations: str) -> tuple[int, int]:
    """Height and width of an image file, from its header.

    Raises:
        InputError: If the JSON says otherwise: its boxes are of another image, or of this one in another size.
    """
    shape = _size_in_header(path)
    if shape is None:  # what Pillow does not know, or what is damaged: this says which
        height, width = read_image(path).shape[:2]
        shape = (height, width)
    if image.size is not None and image.size != shape:
        raise InputError(
            f"{path} is {shape[1]}x{shape[0]} pixels (width x height), but {annotations} says "
            f"{image.size[1]}x{image.size[0]} (image {image.id!r}): its boxes would lie elsewhere\n"
            "take the image that was annotated, or mend its entry and its boxes"
        )
    return shape


def _size_in_header(path: Path) -> tuple[int, int] | None:
    """Height and width of the pixels as the file has them and `read_image` gives them; None where Pillow fails."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as header:  # it warns of large images
            if isinstance(header, TiffImageFile):  # of which Pillow gives the size as it is to be turned
                return int(header.tag_v2[IMAGELENGTH]), int(header.tag_v2[IMAGEWIDTH])
            return header.height, header.width
    except (OSError, SyntaxError, ValueError, KeyError, Image.DecompressionBombError):
        return None
