"""Losses of masks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss


def dice_losses(logits: Tensor, masks: Tensor, smooth: float = 1.0) -> Tensor:
    """1 less the soft Dice coefficient of each image.

    Milletari, Navab and Ahmadi, "V-Net", 2016, https://arxiv.org/abs/1606.04797, with plain sums below the line.
    Of each image by itself: counted over a batch, false pixels on a clean image would drown in the defects of
    others.

    Args:
        logits: `[N, ...]`.
        masks: 0 or 1, of the same shape.
        smooth: Added above and below the line, in pixels: what makes an image without a defect count.

    Returns:
        `[N]`, 0..1.

    Example:
        >>> logits = torch.tensor([[9.0, 9.0, -9.0], [-9.0, -9.0, -9.0]])
        >>> dice_losses(100 * logits, torch.tensor([[1, 0, 0], [0, 0, 0]])).tolist()
        [0.25, 0.0]
    """
    probabilities, masks = logits.flatten(1).sigmoid(), masks.flatten(1).to(logits.dtype)
    both = (probabilities * masks).sum(1)
    return 1 - (2 * both + smooth) / (probabilities.sum(1) + masks.sum(1) + smooth)


class MaskLoss(nn.Module):
    """Weighted sum of Dice, binary cross-entropy and focal loss; in float32, whatever the network ran in.

    Args:
        dice: Weight of the Dice loss, see `dice_losses`.
        bce: Weight of the binary cross-entropy, a mean over the pixels.
        focal: Weight of the focal loss, a mean over the pixels (Lin et al., 2017,
            https://arxiv.org/abs/1708.02002, without class weight).
        gamma: Of the focal loss, 0 or more: how little easy pixels count.
        smooth: Of the Dice loss, in pixels, more than 0.

    Raises:
        ValueError: A setting is out of range, or nothing has a weight.
    """

    def __init__(
        self,
        dice: float = 1.0,
        bce: float = 0.0,
        focal: float = 0.0,
        gamma: float = 2.0,
        smooth: float = 1.0,
    ) -> None:
        super().__init__()
        if min(dice, bce, focal) < 0 or dice + bce + focal == 0:
            raise ValueError(
                f"dice={dice}, bce={bce}, focal={focal}: expected weights of 0 or more, not all 0"
            )
        if gamma < 0:
            raise ValueError(f"gamma={gamma}: expected 0 or more")
        if smooth <= 0:
            raise ValueError(f"smooth={smooth}: expected more than 0")
        self.dice, self.bce, self.focal = dice, bce, focal
        self.gamma, self.smooth = gamma, smooth

    def each(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Loss of each image, float32 `[N]`, of logits `[N, 1, H, W]` and masks of 0 and 1 `[N, 1, H, W]`."""
        if logits.shape != masks.shape:
            raise ValueError(f"Expected masks {list(logits.shape)} but got {list(masks.shape)}.")
        # A sum over the pixels of an image is out of reach for bfloat16.
        with torch.autocast(logits.device.type, enabled=False):
            logits, masks = logits.float(), masks.float()
            losses = self.dice * dice_losses(logits, masks, self.smooth)
            if self.bce:
                pixels = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
                losses = losses + self.bce * pixels.flatten(1).mean(1)
            if self.focal:
                pixels = sigmoid_focal_loss(logits, masks, alpha=-1, gamma=self.gamma)
                losses = losses + self.focal * pixels.flatten(1).mean(1)
        return losses

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Mean over the images, see `each`."""
        return self.each(logits, masks).mean()
