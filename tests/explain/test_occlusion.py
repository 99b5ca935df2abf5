"""Occlusion on networks whose answer is known."""

import pytest
import torch
from torch import nn

from inspection.errors import InputError
from inspection.explain.cam import heatmap
from inspection.explain.occlusion import neutral, occlusion


class Weighted(nn.Module):
    """Logits: the image times weights, one set a class."""

    def __init__(self, *weights: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", torch.stack(weights))
        self.sizes: list[int] = []

    def forward(self, x):
        self.sizes.append(len(x))
        return (x.float()[:, None, 0] * self.weights).sum(dim=(2, 3))


def test_by_hand():
    """A patch of one pixel, black: the logit falls by weight * pixel."""
    weights = torch.tensor([[1.0, 2.0], [-4.0, 3.0]])
    image = torch.tensor([[[[2.0, 4.0], [1.0, 1.0]]]])
    found = occlusion(Weighted(-weights, weights), image, [1, 0], patch=1, fill=torch.zeros(1))
    assert found[0].maps.tolist() == [[[0.25, 1.0], [0.0, 0.375]]]
    assert found[1].maps.tolist() == [[[0.0, 0.0], [1.0, 0.0]]]
    assert found[0].logits.tolist() == [[-9.0, 9.0]]
    assert found[0].method == "occlusion"


def test_a_pixel_has_the_mean_of_the_patches_over_it():
    """Two-pixel patches on a row of three: the middle is covered twice."""
    found = occlusion(
        Weighted(torch.tensor([[1.0, 2.0, 3.0]])),
        torch.ones(1, 1, 1, 3),
        [0],
        patch=(1, 2),
        stride=1,
        fill=torch.zeros(1),
    )
    falls = torch.tensor([[[3.0, (3 + 5) / 2, 5.0]]])
    torch.testing.assert_close(found[0].maps, falls / 5)


def test_the_last_patch_ends_at_the_edge():
    weights = torch.zeros(1, 10)
    weights[0, 9] = 1.0
    network = Weighted(weights)
    found = occlusion(network, torch.ones(1, 1, 1, 10), [0], patch=(1, 4), stride=(1, 4), fill=torch.zeros(1))
    assert found[0].maps[0, 0].tolist() == [0, 0, 0, 0, 0, 0, 0.5, 0.5, 1, 1]


def test_it_is_batched_and_a_batch_equals_its_images():
    torch.manual_seed(0)
    network, images = Weighted(torch.randn(6, 9), torch.randn(6, 9)), torch.rand(3, 1, 6, 9)
    targets = torch.tensor([1, 0, 1])
    whole = occlusion(network, images, [targets, None], patch=2, stride=1, batch_size=7)
    assert max(network.sizes) == 7
    for row in range(3):
        single = occlusion(network, images[row : row + 1], [targets[row : row + 1], None], patch=2, stride=1)
        for one, two in zip(whole, single, strict=True):
            torch.testing.assert_close(one.maps[row], two.maps[0])
            assert one.targets[row] == two.targets[0]


def test_the_bright_square_is_found_where_it_is_through_the_one_interface():
    images = torch.full((2, 1, 32, 48), 100, dtype=torch.uint8)
    images[0, :, 4:8, 8:12] = images[1, :, 20:24, 40:44] = 250
    before = images.clone()
    network = Weighted(torch.ones(32, 48), -torch.ones(32, 48))
    found = heatmap(network, images, 0, method="occlusion")
    for row, (y, x) in enumerate([(6, 10), (22, 42)]):
        assert found.maps[row, y, x] == 1
        assert found.maps[row, 16, 24] < 0.2
    assert torch.equal(images, before)
    assert heatmap(network, images, 0, method="occlusion", size=(8, 12)).maps.shape == (2, 8, 12)


def test_nothing_that_counts_is_no_evidence():
    images = torch.rand(2, 1, 8, 8)
    constant = Weighted(torch.zeros(8, 8))
    found = heatmap(constant, images, method="occlusion")
    assert not found.evidence.any()
    assert not found.maps.any()
    against = occlusion(Weighted(-torch.ones(8, 8)), images, [0], patch=2, fill=torch.zeros(1))[0]
    assert not against.evidence.any()
    assert heatmap(constant, images[:0], method="occlusion").maps.shape == (0, 8, 8)


def test_what_is_not_finite_is_no_evidence():
    found = occlusion(Weighted(torch.ones(4, 4)), torch.full((1, 1, 4, 4), torch.inf), [0], patch=1)[0]
    assert not found.evidence.any()
    assert found.maps.isfinite().all()


def test_neutral_is_each_images_own_mean_in_its_dtype():
    images = torch.tensor([[[[0, 255], [255, 255]]], [[[3, 3], [3, 3]]]], dtype=torch.uint8)
    assert neutral(images).flatten().tolist() == [191, 3]
    assert neutral(images).dtype == torch.uint8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 0}, "patch=0: expected 1 to 4 pixels high and 1 to 6 wide"),
        ({"patch": (2, 7)}, r"patch=\(2, 7\)"),
        ({"patch": 2, "stride": 3}, "stride=3: expected 1 to 2"),
    ],
)
def test_wrong_patches(options, message):
    with pytest.raises(ValueError, match=message):
        occlusion(Weighted(torch.ones(4, 6)), torch.rand(1, 1, 4, 6), [0], **options)


def test_a_layer_makes_no_sense():
    with pytest.raises(InputError, match="occlusion: no layer is looked at"):
        heatmap(Weighted(torch.ones(4, 6)), torch.rand(1, 1, 4, 6), method="occlusion", layer="x")
