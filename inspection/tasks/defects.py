"""The single defects of an image in pixels of the camera image, and the table that lists them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inspection.data.geometry import Geometry
from inspection.data.images import image_size
from inspection.explain.regions import Region

AREA, CALLED_PIXELS = "area", "called_pixels"
"""Columns: what is called defective, in pixels of the camera image, and of what the network sees (`min_area`)."""
DEFECTS = "defects.csv"
DEFECT_COLUMNS = ["number", "area", "left", "top", "right", "bottom", "centre_x", "centre_y", "probability"]
"""Behind the file's name; places and areas in pixels of the camera image."""
BOXES = "boxes.csv"
BOX_COLUMNS = ["label", "score", "left", "top", "right", "bottom"]
"""Behind the file's name, in pixels of the camera image."""


class Camera(NamedTuple):
    """Where images come from.

    Attributes:
        root: Folder of the camera images.
        geometry: From camera image to what the network sees.
        files: The images in it, by the row numbers of the data's samples.
    """

    root: Path
    geometry: Geometry
    files: Sequence[str] = ()

    def place(self, file: str, regions: list[Region]) -> list[Region]:
        """Regions of an image of this folder, in its own pixels."""
        if not regions:
            return []
        shape = self.shape(file)
        return [to_camera(region, self.geometry, shape) for region in regions]

    def shape(self, file: str) -> tuple[int, int]:
        """Height and width of an image of this folder."""
        return image_size(self.root / file)

    def area(self, row: int, pixels: int) -> float:
        """Area of some pixels that the network sees of an image, in pixels of the camera image."""
        if not pixels:
            return 0.0
        shape = (0, 0) if self.geometry.crop is not None else self.shape(self.files[row])
        return pixels * camera_pixels(self.geometry, shape)


def to_camera(region: Region, geometry: Geometry, camera_shape: tuple[int, int]) -> Region:
    """A region of the image after the geometry, where it lies in the camera image.

    Args:
        region: In pixels of what the network sees.
        geometry: From camera image to that.
        camera_shape: Height and width of the camera image; counts only without a crop.
    """
    own = np.array([region.box, (*region.centre, *region.centre)], np.float64)
    box, (x, y, *_) = geometry.boxes_to_camera(own, camera_shape).tolist()
    return Region(region.area * camera_pixels(geometry, camera_shape), tuple(box), (x, y), region.score)


def camera_pixels(geometry: Geometry, camera_shape: tuple[int, int]) -> float:
    """Pixels of the camera image in one that the network sees; its height and width count without a crop."""
    ((left, top, right, bottom),) = geometry.boxes_to_camera(np.array([[0, 0, 1, 1]]), camera_shape).tolist()
    return float((right - left) * (bottom - top))


def defect_cells(number: int, region: Region) -> list[str]:
    """A region of a camera image in the columns of `DEFECT_COLUMNS`."""
    places = (region.area, *region.box, *region.centre)
    return [str(number), *(f"{value:.1f}" for value in places), f"{region.score:.4f}"]


def box_cells(sides: Sequence[float], label: str, score: float) -> list[str]:
    """A box in a camera image in the columns of `BOX_COLUMNS`."""
    return [label, f"{score:.6f}", *(f"{side:.2f}" for side in sides)]
