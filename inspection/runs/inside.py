"""What is inside a network: its filters, and what it makes of one image, as pictures and in TensorBoard."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from inspection.explain.features import FeatureMaps, trace_features
from inspection.explain.filters import Filters, convolution_filters
from inspection.pictures.files import write_png
from inspection.pictures.grid import stack
from inspection.pictures.tiles import feature_sheet, filter_sheet, matrix_sheet

Show = Callable[[str, np.ndarray], None]
"""Takes a picture and TensorBoard's name for it."""

FILTERS, CHANNELS, STRIP = 64, 32, 8
"""Filters of a convolution and maps of a layer that are drawn; maps of a layer on the overview."""
TALLEST = 3000
"""Pixels of a page of the overview: viewers shrink what is taller until nothing can be read."""


def draw_filters(model: nn.Module, output: Path, show: Show) -> int:
    """Write `filters/<number>_<layer>.png` of each convolution.

    Args:
        model: The network.
        output: Folder.
        show: As `Show`.

    Returns:
        How many convolutions there are.
    """
    found = convolution_filters(model)
    for number, each in enumerate(found, 1):
        name = f"{number:0{len(str(len(found)))}d}_{_short(each.name)}"
        sheet = _filters_of(each)
        write_png(output / "filters" / f"{name}.png", sheet)
        show(f"filters/{name}", sheet)
    return len(found)


def _filters_of(filters: Filters) -> np.ndarray:
    count, seen, height, width = filters.weights.shape
    title = [
        _short(filters.name),
        f"{count} filters {height}x{width} over {seen} {'channel' if seen == 1 else 'channels'}",
    ]
    if filters.pointwise:
        return matrix_sheet(filters.weights[:, :, 0, 0].numpy(), title)
    kernels, channels = filters.kernels()
    if count > FILTERS:
        title[1] += f"; the first {FILTERS}"
    if seen > 1 and channels[0] is not None:
        title[1] += "; of each the kernel of the channel that counts most (#filter←channel)"
    captions = [
        f"#{number}" if channel is None else f"#{number}←{channel}"
        for number, channel in enumerate(channels[:FILTERS])
    ]
    shown = kernels[:FILTERS].numpy()
    return filter_sheet(shown[:, 0] if shown.shape[1] == 1 else shown, captions, title)


def draw_features(
    model: nn.Module, image: Tensor, file: str, output: Path, show: Show
) -> tuple[int, list[Path]]:
    """Write the maps after each layer, `features/<number>_<layer>_<kind>.png`, and an overview of them.

    The overview is `features.png`; of a large network it has several pages, `features_1.png` and so on.

    Args:
        model: The network, in eval mode.
        image: What it takes, [C, H, W].
        file: Name of the image.
        output: Folder.
        show: As `Show`.

    Returns:
        How many layers there are, the image among them, and the pages of the overview.
    """
    found = trace_features(model, image, CHANNELS)
    strips = []
    for number, each in enumerate(found):
        words = "_".join(word for word in (_short(each.name), each.kind) if word)
        name = f"{number:0{len(str(len(found)))}d}_{words}"
        sheet = _maps_of(each, len(each.channels), [file])
        write_png(output / "features" / f"{name}.png", sheet)
        show(f"features/{name}", sheet)
        strips.append(_maps_of(each, STRIP, []))
    pages = list(_pages(strips, TALLEST))
    digits = len(str(len(pages)))
    paths = [
        output / (f"features_{number:0{digits}d}.png" if len(pages) > 1 else "features.png")
        for number in range(1, len(pages) + 1)
    ]
    for path, page in zip(paths, pages, strict=True):
        write_png(path, stack(page, gap=0))
    return len(found), paths


def _pages(strips: Sequence[np.ndarray], tallest: int) -> Iterator[list[np.ndarray]]:
    """Strips for pages of at most this height, in their order; one that is taller has a page of its own."""
    page: list[np.ndarray] = []
    for strip in strips:
        if page and sum(len(each) for each in page) + len(strip) > tallest:
            yield page
            page = []
        page.append(strip)
    if page:
        yield page


def _maps_of(features: FeatureMaps, most: int, lines: list[str]) -> np.ndarray:
    count, height, width = features.shape
    shown = min(most, len(features.channels))
    title = f"{_short(features.name)} {features.kind}".strip()
    size = f"{count} {'map' if count == 1 else 'maps'} of {width}x{height}"
    if shown < count:
        size += f"; {shown} that differ most over the image"
    captions = [f"#{channel}" for channel in features.channels[:shown]]
    return feature_sheet(features.maps[:shown].numpy(), captions, [title, size, *lines])


def _short(name: str) -> str:
    """A layer's name without what the network is wrapped in, the normalisation."""
    return name.removeprefix("network").removeprefix(".")
