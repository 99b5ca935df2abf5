"""Random changes of training images, on the whole batch at once and on its device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inspection.data.boxes import clip_boxes, drop_boxes, flip_and_shift_boxes, rotate_boxes
from inspection.data.transforms import blur, colour_matrices, flip_and_shift, rotate
from inspection.errors import InputError

# One uniform number an image for each. A new one goes to the end: the others keep their draws.
DRAWS = (
    "rotation", "horizontal_flip", "vertical_flip", "roll", "roll_height", "down", "right",
    "light", "gain", "offset", "saturation", "hue", "blur", "sigma",
)  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """What is to happen to each of N images: tensors `[N]` on the CPU, drawn by `Augment.draw`.

    Geometry comes first, in the order of the fields, then blur, colour and light; values are rounded once.

    Attributes:
        roll: Share of the height that is cut off at the top and put below the rest, 0..1.
        upside_down: Whether top and bottom change places, bool.
        left_right: Whether left and right change places, bool.
        shift: Pixels down and to the right, int64 `[N, 2]`; zeros come in from outside.
        rotation: Degrees counterclockwise about the centre; what comes in from outside repeats the border.
        sigma: Width of a Gaussian blur in pixels; 0 leaves the image sharp.
        saturation: Factor of the distance to grey.
        hue: Turns of the colour circle.
        gain: Factor of all values.
        offset: Grey levels (of 255) that are added after the gain.
    """

    roll: Tensor
    upside_down: Tensor
    left_right: Tensor
    shift: Tensor
    rotation: Tensor
    sigma: Tensor
    saturation: Tensor
    hue: Tensor
    gain: Tensor
    offset: Tensor

    def of_images(self, images: Tensor) -> Tensor:
        """Changed copies of uint8 images `[N, C, H, W]`; the very tensor where nothing changes.

        Raises:
            InputError: If colours of images without three channels are to change.
        """
        images = self._displaced(images)
        coloured = bool((self.saturation != 1).any() or self.hue.any())
        lit = bool((self.gain != 1).any() or self.offset.any())
        if not (coloured or lit or self.rotation.any() or self.sigma.any()):
            return images
        if coloured:
            _check_colours(images.shape[1])
        values = images.float()
        if self.rotation.any():
            values = rotate(values, self.rotation.deg2rad())
        if len(drawn := self.sigma.nonzero().flatten()):
            where = drawn.to(values.device)
            values.index_copy_(0, where, blur(values.index_select(0, where), self.sigma[drawn]))
        if coloured:
            matrices = colour_matrices(self.saturation, self.hue).to(values.device)
            values = (matrices @ values.flatten(2)).view(values.shape)
        if lit:
            gain, offset = (v.to(values.device).view(-1, 1, 1, 1) for v in (self.gain, self.offset))
            values = values.mul_(gain).add_(offset)
        return values.round_().clamp_(0, 255).to(torch.uint8)

    def of_masks(self, masks: Tensor) -> Tensor:
        """Masks `[N, H, W]` or `[N, C, H, W]` of any dtype, moved as their images are.

        Pixels are taken, never mixed: no label arises that was not there. Zero comes in where zeros come into
        the image, and the border is repeated where the image's is.
        """
        moved = self._displaced(masks if masks.ndim == 4 else masks.unsqueeze(1))
        if self.rotation.any():
            moved = rotate(moved.float(), self.rotation.deg2rad(), nearest=True).to(masks.dtype)
        return moved if masks.ndim == 4 else moved.squeeze(1)

    def of_boxes(
        self, boxes: Tensor, box_class: Tensor, size: tuple[int, int], least_share: float = 0.25
    ) -> tuple[Tensor, Tensor]:
        """Boxes moved as their images are, cut at the border.

        A turned box is the upright box around it. One that a roll cuts in two is the larger part.

        Args:
            boxes: Left, top, right, bottom in pixels, right and bottom exclusive, float `[N, M, 4]`.
            box_class: int64 `[N, M]`, -1 where there is none.
            size: Height and width of the images.
            least_share: A box of which less than this share (0..1, of its area) stays in the image is dropped.

        Returns:
            Boxes and classes; those dropped are zeros of class -1.
        """
        share = torch.ones_like(boxes[..., 0])
        if self.roll.any() or self.upside_down.any() or self.left_right.any() or self.shift.any():
            rows = (self.roll * size[0]).long()
            moved, share = flip_and_shift_boxes(
                boxes, self.left_right, self.upside_down, rows, self.shift, size
            )
            boxes, kept = clip_boxes(moved, size)
            share = share * kept
        if self.rotation.any():
            boxes, kept = clip_boxes(rotate_boxes(boxes, self.rotation.deg2rad(), size), size)
            share = share * kept
        return drop_boxes(boxes, box_class, (share > 0) & (share >= least_share))

    def _displaced(self, images: Tensor) -> Tensor:
        if not (self.roll.any() or self.upside_down.any() or self.left_right.any() or self.shift.any()):
            return images
        height, width = images.shape[-2:]
        _check_shift(int(self.shift.abs().max()), height, width)
        rows = (self.roll * height).long()
        return flip_and_shift(images, self.left_right, self.upside_down, rows, self.shift)


class Augment:
    """Random moves, blur, colour and light, drawn for each image by itself.

    As it comes, nothing is changed. An amount switches its part on; a probability says which share of the
    images it happens to. What is drawn for one part does not depend on which others are on.

    Light follows a camera: `gain * value + offset`, with values of 0..255. What other libraries call contrast
    and brightness are both choices of these two.

    Args:
        rotation: Degrees; the angle is uniform in `-rotation..rotation` about the image centre, bilinear. What
            comes in from outside repeats the border.
        horizontal_flip: Probability of left and right changing places.
        vertical_flip: Probability of top and bottom changing places.
        roll: Probability of cutting off an upper part of the image, of uniform height, and putting it below
            the rest: for what passes the camera from top to bottom, such as a strip of textile.
        crop_padding: Pixels; the image gets a border of zeros this wide, and a window of its own size is cut
            out anywhere (as torchvision's `RandomCrop(size, padding)`).
        gain: Range `[low, high]` of the factor of all values, uniform; `[1, 1]` leaves them.
        offset: Range `[low, high]` of the grey levels added, uniform, in -255..255; `[0, 0]` adds none.
        light_probability: Share of the images that get gain and offset.
        saturation: The distance to grey is multiplied by a factor uniform in `1-saturation..1+saturation`.
        hue: Turns of the colour circle, uniform in `-hue..hue`, at most 0.5.
        blur: Range `[low, high]` of the standard deviation of a Gaussian blur, uniform, in pixels; `[0, 0]`
            blurs none.
        blur_probability: Share of the images that are blurred.

    Attributes:
        enabled: Whether anything can change.

    Raises:
        ValueError: If an amount or a probability is out of its range.
    """

    def __init__(
        self,
        rotation: float = 0.0,
        horizontal_flip: float = 0.0,
        vertical_flip: float = 0.0,
        roll: float = 0.0,
        crop_padding: int = 0,
        gain: Sequence[float] = (1.0, 1.0),
        offset: Sequence[float] = (0.0, 0.0),
        light_probability: float = 1.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        blur: Sequence[float] = (0.0, 0.0),
        blur_probability: float = 1.0,
    ) -> None:
        for name, value, top in (
            ("rotation", rotation, 180.0),
            ("horizontal_flip", horizontal_flip, 1.0),
            ("vertical_flip", vertical_flip, 1.0),
            ("roll", roll, 1.0),
            ("light_probability", light_probability, 1.0),
            ("saturation", saturation, 1.0),
            ("hue", hue, 0.5),
            ("blur_probability", blur_probability, 1.0),
        ):
            if not 0 <= value <= top:
                raise ValueError(f"data.augment.{name}={value}: expected 0 to {top:g}")
        if crop_padding < 0:
            raise ValueError(f"data.augment.crop_padding={crop_padding}: expected 0 or more pixels")
        self.rotation, self.crop_padding = rotation, crop_padding
        self.horizontal_flip, self.vertical_flip, self.roll = horizontal_flip, vertical_flip, roll
        self.gain = _range("gain", gain, 0.0, 10.0)
        self.offset = _range("offset", offset, -255.0, 255.0)
        self.blur = _range("blur", blur, 0.0, 20.0)
        self.light_probability, self.blur_probability = light_probability, blur_probability
        self.saturation, self.hue = saturation, hue
        lit = light_probability and (self.gain != (1, 1) or self.offset != (0, 0))
        blurred = blur_probability and self.blur != (0, 0)
        moved = rotation or horizontal_flip or vertical_flip or roll or crop_padding
        self.enabled = bool(moved or lit or blurred or saturation or hue)

    def check(self, channels: int, image_size: tuple[int, int]) -> None:
        """Raise now what images of this kind would raise as soon as something is drawn that they can't have.

        Args:
            channels: Of the images.
            image_size: Their height and width in pixels.

        Raises:
            InputError: If saturation or hue of grey images is to change, or an image is not larger than
                `crop_padding`.
        """
        if self.saturation or self.hue:
            _check_colours(channels)
        _check_shift(self.crop_padding, *image_size)

    def draw(self, count: int, generator: torch.Generator) -> Changes:
        """Draw what happens to `count` images; `generator` (on the CPU) decides."""
        u = dict(zip(DRAWS, torch.rand(len(DRAWS), count, generator=generator), strict=True))
        lit, blurred = u["light"] < self.light_probability, u["blur"] < self.blur_probability
        border = self.crop_padding
        shift = (torch.stack([u["down"], u["right"]], 1) * (2 * border + 1)).long() - border
        return Changes(
            roll=u["roll_height"] * (u["roll"] < self.roll),
            upside_down=u["vertical_flip"] < self.vertical_flip,
            left_right=u["horizontal_flip"] < self.horizontal_flip,
            shift=shift,
            rotation=_between(u["rotation"], (-self.rotation, self.rotation)),
            sigma=_between(u["sigma"], self.blur) * blurred,
            saturation=_between(u["saturation"], (1 - self.saturation, 1 + self.saturation)),
            hue=_between(u["hue"], (-self.hue, self.hue)),
            gain=_between(u["gain"], self.gain).where(lit, 1.0),
            offset=_between(u["offset"], self.offset) * lit,
        )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changed copies of uint8 images `[N, C, H, W]`; `generator` (on the CPU) decides how.

        For images with masks, `draw` once and give the changes both.

        Raises:
            InputError: If saturation or hue of grey images is to change, or an image is not larger than
                `crop_padding`.
        """
        return self.draw(len(images), generator).of_images(images) if self.enabled else images


def _check_colours(channels: int) -> None:
    if channels != 3:
        raise InputError(
            f"data.augment.saturation and data.augment.hue change colours, and the images have {channels} "
            f"channel{'s' * (channels != 1)}; set both to 0, or data.channels=3 for colour images"
        )


def _check_shift(pixels: int, height: int, width: int) -> None:
    if pixels >= min(height, width):
        raise InputError(
            f"data.augment.crop_padding: an image of {height}x{width} pixels (height x width) would be "
            f"shifted by {pixels} pixels; use less than its shorter side"
        )


def _between(uniform: Tensor, bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    return low + (high - low) * uniform


def _range(name: str, given: Sequence[float], lowest: float, highest: float) -> tuple[float, float]:
    if len(given) != 2 or not lowest <= given[0] <= given[1] <= highest:
        raise ValueError(
            f"data.augment.{name}={list(given)}: expected [low, high] within {lowest:g} to {highest:g}"
        )
    return given[0], given[1]
