import pytest
import torch
from torch import nn

from inspection.models.flips import Flipped


class Corner(nn.Module):
    """Logits that are the upper left pixels: anything but symmetric."""

    def forward(self, images):
        return images[:, :, 0, 0]


def test_logits_are_the_mean_over_the_corners():
    images = torch.arange(24.0).view(2, 1, 3, 4)
    corners = {
        (): [0],
        ("horizontal",): [0, 3],
        ("vertical",): [0, 8],
        ("vertical", "horizontal"): [0, 3, 8, 11],
    }
    for flips, seen in corners.items():
        logits = Flipped(Corner(), list(flips))(images)
        assert logits.tolist() == [[sum(seen) / len(seen)], [12 + sum(seen) / len(seen)]]


@pytest.mark.parametrize("flips", [["horizontal"], ["vertical"], ["horizontal", "vertical"]])
def test_result_follows_the_image_when_it_is_flipped(flips):
    torch.manual_seed(0)
    classes = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    masks = nn.Conv2d(1, 2, 3, padding=1)
    images = torch.randn(2, 1, 7, 9)
    for flip, axis in (("horizontal", -1), ("vertical", -2)):
        if flip in flips:
            flipped = images.flip(axis)
            same = Flipped(classes, flips)
            torch.testing.assert_close(same(images), same(flipped))
            maps = Flipped(masks, flips)
            torch.testing.assert_close(maps(images).flip(axis), maps(flipped))
    with torch.no_grad():
        assert not torch.allclose(Flipped(masks, flips)(images), masks(images), atol=1e-3)


def test_images_are_not_changed():
    images = torch.rand(1, 1, 3, 3)
    before = images.clone()
    Flipped(nn.Identity(), ["horizontal", "vertical"])(images)
    assert torch.equal(images, before)


class Seeing(nn.Module):
    def __init__(self, gives):
        super().__init__()
        self.gives = gives

    def forward(self, images):
        return self.gives


@pytest.mark.parametrize(
    ("gives", "what"),
    [((torch.zeros(1, 2), torch.zeros(1, 2, 2)), "gave tuple"), (torch.zeros(1, 9, 6), r"gave \[1, 9, 6\]")],
)
def test_what_can_not_be_averaged(gives, what):
    with pytest.raises(ValueError, match=f"flips are for .*{what}"):
        Flipped(Seeing(gives), ["horizontal"])(torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("flips", [["up"], ["vertical", "vertical"]])
def test_strange_flips(flips):
    with pytest.raises(ValueError, match="expected horizontal and vertical, both or none, each once"):
        Flipped(nn.Identity(), flips)
