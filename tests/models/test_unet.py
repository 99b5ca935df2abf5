import pytest
import torch
import torch.nn.functional as F

from inspection.models.unet import UNet


def test_parameters_as_published():
    assert sum(p.numel() for p in UNet(3).parameters()) == 31_043_521


def test_width_and_channels_by_hand():
    filters = [4, 8, 16, 32, 64]
    inputs = [3, *filters[:-1]]
    block = sum(9 * a * b + 9 * b * b + 6 * b for a, b in zip(inputs, filters, strict=True))
    above = filters[:-1]
    block += sum(9 * 2 * b * b + 9 * b * b + 6 * b for b in above)  # after the joining
    enlarge = sum(4 * 2 * b * b + b for b in above)
    assert sum(p.numel() for p in UNet(3, 4).parameters()) == block + enlarge + 4 + 1


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (16, 16), (33, 47), (64, 48)])
def test_any_size(size):
    logits = UNet(1, 2).eval()(torch.rand(2, 1, *size))
    assert logits.shape == (2, 1, *size)
    assert logits.isfinite().all()


def test_padding_repeats_the_edge_and_is_cut_off():
    torch.manual_seed(0)
    network, images = UNet(1, 2).eval(), torch.rand(1, 1, 21, 30)
    whole = F.pad(images, (0, 2, 0, 11), mode="replicate")
    torch.testing.assert_close(network(images), network(whole)[..., :21, :30])


def test_a_plain_surface_has_no_edge_where_it_was_padded():
    """With black in the padding, the logits along the padded sides would stand out."""
    torch.manual_seed(0)
    network = UNet(1, 2).eval()
    smaller = network(torch.full((1, 1, 33, 33), 3.0))
    torch.testing.assert_close(smaller, network(torch.full((1, 1, 48, 48), 3.0))[..., :33, :33])


def test_low_precision_keeps_layout_and_shape():
    torch.manual_seed(0)
    network = UNet(3, 4).to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 33, 48).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    logits.float().square().mean().backward()
    assert logits.shape == (2, 1, 33, 48)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_every_level_reaches_the_mask():
    """Radius 94 without the pooling, which adds up to 15: what tiles have to overlap is in the docs."""
    torch.manual_seed(0)
    images = torch.rand(1, 1, 272, 272, requires_grad=True)
    UNet(1, 4).eval()(images)[0, 0, 136, 136].backward()
    seen = images.grad[0, 0].nonzero()
    assert ((136 - seen.amin(0) - 94 >= 0) & (136 - seen.amin(0) - 94 < 16)).all()
    assert ((seen.amax(0) - 136 - 94 >= 0) & (seen.amax(0) - 136 - 94 < 16)).all()


def test_tiles_for_evaluation_alone():
    torch.manual_seed(0)
    network = UNet(1, 2, tile=384, overlap=288)
    whole = UNet(1, 2)
    whole.load_state_dict(network.state_dict())
    images = torch.rand(1, 1, 400, 401)
    seen = []
    network.down[0].register_forward_hook(lambda module, args, output: seen.append(max(output.shape[2:])))
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(images), whole.eval()(images), atol=1e-5, rtol=0)
        assert max(seen) == 384
        network.train()(images)
    assert max(seen) == 416
    with pytest.raises(ValueError, match="tile=100: expected a positive multiple of 16"):
        UNet(1, 2, tile=100)


def test_an_untrained_network_calls_nearly_nothing():
    torch.manual_seed(0)
    with torch.no_grad():
        probabilities = UNet(1, 4).train()(torch.randn(4, 1, 64, 64)).sigmoid()
    assert 0.001 < float(probabilities.mean()) < 0.05


def test_width_is_checked():
    with pytest.raises(ValueError, match="width=0: expected 1 or more"):
        UNet(3, 0)
