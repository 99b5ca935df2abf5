"""What is left of an image after some max-pools."""

from collections.abc import Sequence


def halved(image_size: Sequence[int], times: int, network: str) -> tuple[int, int]:
    """Height and width of the maps behind so many 2x2 max-pools.

    Args:
        image_size: Height and width of the image in pixels.
        times: Number of max-pools.
        network: Name of the network, for the message.

    Raises:
        ValueError: If nothing is left of the image.

    Example:
        >>> halved((32, 50), 3, "LeNet")
        (4, 6)
    """
    height, width = (side // 2**times for side in image_size)
    if height < 1 or width < 1:
        raise ValueError(
            f"{network} needs images of at least {2**times}x{2**times} pixels, but image_size is "
            f"{list(image_size)}: set data.image_size=[height,width] to more"
        )
    return height, width
