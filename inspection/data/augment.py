"""Random changes of training images, on the whole batch at once and on its device."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class Augment:
    """Small rotations, flips, brightness and contrast, drawn for each image by itself.

    All zeros (the default) leave images as they are.

    Args:
        rotation: Degrees; the angle is uniform in `-rotation..rotation` about the image centre. What comes in
            from outside repeats the border.
        horizontal_flip: Probability of left and right changing places.
        vertical_flip: Probability of top and bottom changing places.
        brightness: Share of full scale; an offset uniform in `-brightness..brightness` is added.
        contrast: The distance to mid-grey is multiplied by a gain uniform in `1-contrast..1+contrast`.

    Raises:
        ValueError: If a probability is outside 0..1 or an amount is negative.
    """

    def __init__(
        self,
        rotation: float = 0.0,
        horizontal_flip: float = 0.0,
        vertical_flip: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
    ) -> None:
        for name, value, top in (
            ("rotation", rotation, 180.0),
            ("horizontal_flip", horizontal_flip, 1.0),
            ("vertical_flip", vertical_flip, 1.0),
            ("brightness", brightness, 1.0),
            ("contrast", contrast, 1.0),
        ):
            if not 0 <= value <= top:
                raise ValueError(f"data.augment.{name}={value}: expected 0 to {top:g}")
        self.rotation, self.brightness, self.contrast = rotation, brightness, contrast
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.moves = bool(rotation or horizontal_flip or vertical_flip)
        self.enabled = self.moves or bool(brightness or contrast)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changed copies of uint8 images `[N, C, H, W]`; `generator` (on the CPU) decides how."""
        if not self.enabled:
            return images
        count = len(images)
        # Always five draws an image: switching one part off leaves the others' values as they were.
        angle, left_right, upside, offset, gain = torch.rand(5, count, generator=generator).to(images.device)
        changed = images.float()
        if self.moves:
            radians = (2 * angle - 1) * math.radians(self.rotation)
            changed = _move(changed, radians, left_right < self.horizontal_flip, upside < self.vertical_flip)
        gain = 1 + self.contrast * (2 * gain - 1)
        offset = 255 * self.brightness * (2 * offset - 1)
        changed = (changed - 127.5) * gain.view(-1, 1, 1, 1) + (127.5 + offset).view(-1, 1, 1, 1)
        return changed.round_().clamp_(0, 255).to(torch.uint8)


def _move(images: Tensor, radians: Tensor, left_right: Tensor, upside: Tensor) -> Tensor:
    """Rotate about the centre by each image's angle and flip where asked, in one bilinear resampling."""
    height, width = images.shape[-2:]
    mirror_x, mirror_y = 1 - 2 * left_right.float(), 1 - 2 * upside.float()
    cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    # affine_grid works in coordinates -1..1 on both sides: the aspect ratio keeps the rotation a rotation.
    top = torch.stack([mirror_x * cos, -mirror_x * sin * height / width, zero], 1)
    bottom = torch.stack([mirror_y * sin * width / height, mirror_y * cos, zero], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
