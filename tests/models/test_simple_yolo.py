import pytest
import torch

from inspection.models.detector import BOTTOM, CLASS, LEFT, RIGHT, SCORE, TOP
from inspection.models.simple_yolo import SimpleYolo


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SimpleYolo(1, 3, (64, 96), stride=16, boxes=2, width=4).eval()


class TestGrid:
    @pytest.mark.parametrize(("stride", "side"), [(8, 56), (16, 28), (32, 14), (64, 7)])
    def test_is_what_the_stride_says(self, stride, side):
        network = SimpleYolo(1, 2, (448, 448), stride=stride, width=1)
        assert network.grid_size == (side, side)
        assert network.raw(torch.zeros(1, 1, 448, 448)).shape == (1, 2 * 5 + 2, side, side)

    def test_the_articles_backbone(self):
        """448 pixels become 28x28 cells of 512 channels with four halvings."""
        network = SimpleYolo(3, 20, (448, 448), stride=16, width=64)
        with torch.device("meta"):
            assert network.to("meta").features(torch.zeros(1, 3, 448, 448)).shape == (1, 512, 28, 28)

    def test_size_that_the_stride_does_not_divide(self):
        with pytest.raises(ValueError, match=r"stride=32 .* 200x320 .* data.image_size, .* \[192, 320\]"):
            SimpleYolo(1, 2, (200, 320), stride=32)

    @pytest.mark.parametrize(
        "wrong", [{"stride": 12}, {"stride": 4}, {"boxes": 0}, {"width": 0}, {"iou": 0.0}, {"most": 0}]
    )
    def test_impossible_arguments_are_named(self, wrong):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
            SimpleYolo(1, 2, (64, 64), **wrong)

    def test_another_size_of_the_same_network(self, network):
        """Fully convolutional: a larger image has more cells."""
        assert network.grid(torch.zeros(1, 1, 128, 64)).boxes.shape == (1, 8, 4, 2, 4)


class TestDecoding:
    def test_by_hand(self, network):
        """One cell is told what to say; the box is computed by hand."""
        network.head.weight.data.zero_()
        logits = torch.full((2 * 5 + 3, 4, 6), -20.0)
        # In row 2, column 3 the second box: offset 1/4 and 1/2 of a cell, half and a quarter of the image,
        # and of the tenth of a pixel that a side has at least, the other half and three quarters.
        odds = torch.logit(torch.tensor([0.25, 0.5, 0.5**0.5, 0.25**0.5, 0.8]))
        logits[5:10, 2, 3] = odds
        logits[10:, 2, 3] = torch.logit(torch.tensor([0.1, 0.9, 0.5]))
        network.raw = lambda images: logits[None]
        found = network(torch.zeros(1, 1, 64, 96))[0]
        x, y = (3 + 0.25) * 16, (2 + 0.5) * 16
        half_width, half_height = 24 + 0.025, 8 + 0.0375
        expected = torch.tensor(
            [x - half_width, y - half_height, x + half_width, y + half_height, 0.8 * 0.9, 1]
        )
        torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-3)
        assert (found[1:, SCORE] == 0).all()

    def test_centres_stay_in_their_cells_and_boxes_within_reason(self, network):
        network.head.weight.data.normal_(std=50)
        grid = network.grid(torch.randn(2, 1, 64, 96))
        centre = (grid.boxes[..., :2] + grid.boxes[..., 2:]) / 2
        size = grid.boxes[..., 2:] - grid.boxes[..., :2]
        cell = (centre / grid.stride).clamp(max=torch.tensor([5.999, 3.999])).floor()
        expected = torch.stack(torch.meshgrid(torch.arange(6), torch.arange(4), indexing="xy"), -1)
        # A sigmoid of 0 or 1 lies on the border of the cell.
        assert ((cell - expected[None, :, :, None]).abs() <= 1).all()
        assert (size > 0.09).all()
        assert (size <= torch.tensor([96.0, 64.0]) + 1e-4).all()

    def test_detections_lie_in_the_image(self, network):
        logits = torch.randn(2, 2 * 5 + 3, 4, 6) * 3
        network.raw = lambda images: logits
        found = network(torch.zeros(2, 1, 64, 96))
        there = found[found[..., SCORE] > 0]
        assert len(there) > 10
        assert (there[:, [LEFT, TOP]] >= 0).all()
        assert (there[:, RIGHT] <= 96).all()
        assert (there[:, BOTTOM] <= 64).all()
        assert set(there[:, CLASS].tolist()) <= {0, 1, 2}

    def test_starts_as_background_with_boxes_of_different_sizes(self, network):
        with torch.no_grad():
            grid = network.grid(torch.randn(1, 1, 64, 96))
        assert grid.confidence.sigmoid().mean() == pytest.approx(0.01, rel=0.1)
        width = (grid.boxes[..., 2] - grid.boxes[..., 0]).mean((0, 1, 2))
        torch.testing.assert_close(width, torch.tensor([96 / 9, 96 * 4 / 9]), rtol=0.05, atol=0)

    def test_an_image_does_not_depend_on_its_neighbours(self, network):
        network.head.weight.data.normal_(std=2)
        images = torch.randn(3, 1, 64, 96)
        network.head.bias.data.zero_()
        together = network(images)
        assert (together[..., SCORE] > 0).any()
        for row in range(3):
            torch.testing.assert_close(together[row], network(images[row : row + 1])[0], rtol=1e-4, atol=1e-3)

    def test_exports_from_pixels_to_boxes(self, network):
        """Decoding and suppression are part of the graph."""
        network.head.bias.data.zero_()
        images = torch.randn(1, 1, 64, 96)
        program = torch.export.export(network, (torch.zeros(1, 1, 64, 96),), strict=False)
        with torch.no_grad():
            expected = network(images)
        assert (expected[..., SCORE] > 0).sum() > 3
        torch.testing.assert_close(program.module()(images), expected)
