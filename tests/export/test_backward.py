import pytest
import torch
import torch.nn.functional as F
from torch.fx.experimental.proxy_tensor import make_fx

from inspection.export.backward import backward_operations


def agrees(function, maps, forbidden):
    """Whether the way back that is recorded is autograd's, without its own backward operation."""

    def back(maps, gradient):
        maps = maps.detach().requires_grad_()
        return torch.autograd.grad(function(maps), maps, gradient)[0]

    gradient = torch.randn_like(function(maps))
    recorded = make_fx(back, decomposition_table=backward_operations())(maps, gradient)
    assert not [node for node in recorded.graph.nodes if forbidden in str(node.target)]
    torch.testing.assert_close(recorded(maps, gradient), back(maps, gradient), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    [(3, 1, 1, 1, 1), (3, 2, 1, 1, 2), (5, 3, 2, 1, 1), (1, 2, 0, 1, 1), (3, 1, 2, 2, 1), (3, 2, 4, 1, 1)],
)
def test_convolution(kernel, stride, padding, dilation, groups):
    torch.manual_seed(0)
    weight = torch.randn(8, 6 // groups, kernel, kernel)
    maps = torch.randn(2, 6, 17, 20)
    agrees(
        lambda maps: F.conv2d(maps, weight, None, stride, padding, dilation, groups),
        maps,
        "convolution_backward",
    )


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 3, 0), (2, 3, 0)])
def test_max_pool_with_ties(kernel, stride, padding):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 11, 14).relu()  # zeros tie: the first of them wins
    agrees(lambda maps: F.max_pool2d(maps, kernel, stride, padding), maps, "indices_backward")


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (4, 4, 0), (3, 2, 1), (2, 1, 0)])
def test_average_pool(kernel, stride, padding, counted):
    maps = torch.randn(2, 3, 11, 14, generator=torch.Generator().manual_seed(0))
    agrees(
        lambda maps: F.avg_pool2d(maps, kernel, stride, padding, count_include_pad=counted),
        maps,
        "avg_pool2d_backward",
    )


@pytest.mark.parametrize("size", [1, (2, 7), (3, 5), (7, 7)])
def test_adaptive_pool(size):
    maps = torch.randn(2, 3, 4, 14, generator=torch.Generator().manual_seed(0))
    agrees(lambda maps: F.adaptive_avg_pool2d(maps, size), maps, "adaptive_avg_pool2d_backward")
