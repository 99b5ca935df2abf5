"""Filters and feature maps of networks, as files."""

import cv2
import torch
from torch import nn

from inspection.runs.inside import TALLEST, draw_features


def drawn(depth, folder):
    """The overview of a network of some layers, and what TensorBoard is shown."""
    network = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(depth))).eval()
    tags = []
    count, pages = draw_features(
        network, torch.rand(1, 16, 16), "a.png", folder, lambda tag, _: tags.append(tag)
    )
    assert len(tags) == count == depth + 1
    return pages, [cv2.imread(str(page)) for page in pages]


def test_the_overview_of_a_large_network_has_pages(tmp_path):
    (one,), (small,) = drawn(1, tmp_path / "small")
    assert one == tmp_path / "small" / "features.png"
    pages, pictures = drawn(60, tmp_path / "large")
    assert len(pages) > 1
    assert [page.name for page in pages] == [f"features_{number}.png" for number in range(1, len(pages) + 1)]
    assert max(len(picture) for picture in pictures) <= TALLEST
    assert sum(len(picture) for picture in pictures) >= 61 * (
        len(small) // 2
    )  # every layer is on one of them
    assert not (tmp_path / "large" / "features.png").exists()
