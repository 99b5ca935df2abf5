import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from inspection.config.instantiate import instantiate
from inspection.tasks.mask_losses import MaskLoss, dice_losses


def cases(number=4):
    torch.manual_seed(0)
    return torch.randn(number, 1, 8, 9) * 3, (torch.rand(number, 1, 8, 9) > 0.8).to(torch.uint8)


def test_dice_by_hand():
    # 6 pixels called for sure, 4 true, 3 of both
    logits = torch.full((1, 1, 4, 5), -500.0)
    masks = torch.zeros(1, 1, 4, 5)
    logits.view(-1)[:6], masks.view(-1)[3:7] = 500.0, 1
    assert float(dice_losses(logits, masks)[0]) == pytest.approx(1 - (2 * 3 + 1) / (6 + 4 + 1))
    assert float(dice_losses(logits, masks, smooth=0.5)[0]) == pytest.approx(1 - 6.5 / 10.5)


def test_an_image_without_a_defect():
    clean = torch.zeros(1, 1, 10, 10)
    logits = torch.full((1, 1, 10, 10), -500.0)
    assert float(dice_losses(logits, clean)[0]) == 0
    logits.view(-1)[:25] = 500.0
    assert float(dice_losses(logits, clean)[0]) == pytest.approx(1 - 1 / 26)


def test_of_each_image_by_itself():
    """False pixels on a clean image cost the same whatever the rest of the batch shows."""
    logits = torch.full((2, 1, 100, 100), -500.0)
    masks = torch.zeros(2, 1, 100, 100)
    logits[0, :, :50], masks[0, :, :50] = 500.0, 1  # a large defect, found
    logits[1].view(-1)[:25] = 500.0  # 25 false pixels on a clean image
    loss = MaskLoss()
    assert float(loss(logits, masks)) == pytest.approx((1 - 1 / 26) / 2)
    both, called, true = 5000, 5025, 5000
    flattened = 1 - (2 * both + 1) / (called + true + 1)
    assert flattened < 0.003  # what counting over the batch would say of it
    halves = [float(loss(logits[i : i + 1], masks[i : i + 1])) for i in range(2)]
    assert float(loss(logits, masks)) == pytest.approx(sum(halves) / 2)


def test_sums_are_weighted():
    logits, masks = cases()
    expected = 0.5 * dice_losses(logits, masks) + 2.0 * F.binary_cross_entropy_with_logits(
        logits, masks.float(), reduction="none"
    ).mean(dim=(1, 2, 3))
    torch.testing.assert_close(MaskLoss(0.5, bce=2.0).each(logits, masks), expected)
    p = torch.where(masks > 0, logits.sigmoid(), 1 - logits.sigmoid())
    focal = (-((1 - p) ** 3) * p.log()).mean(dim=(1, 2, 3))
    torch.testing.assert_close(
        MaskLoss(0.0, focal=4.0, gamma=3.0).each(logits, masks), 4 * focal, rtol=1e-5, atol=0
    )
    reference = sigmoid_focal_loss(logits, masks.float(), alpha=-1, gamma=2.0, reduction="mean")
    torch.testing.assert_close(MaskLoss(0.0, focal=1.0)(logits, masks), reference)


def test_float32_under_autocast_and_of_bfloat16():
    logits, masks = torch.full((1, 1, 400, 400), -6.0), torch.zeros(1, 1, 400, 400)
    loss = MaskLoss(bce=1.0, focal=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        under = loss(logits, masks)
        low = loss(logits.bfloat16(), masks)
    assert under.dtype == low.dtype == torch.float32
    torch.testing.assert_close(under, loss(logits, masks), rtol=1e-6, atol=0)
    torch.testing.assert_close(low, under)


@pytest.mark.parametrize("settings", [{}, {"bce": 1.0}, {"focal": 2.0}, {"dice": 0.0, "bce": 1.0}])
def test_gradient_against_differences(settings):
    torch.manual_seed(0)
    loss, masks = MaskLoss(**settings), (torch.rand(2, 1, 3, 4) > 0.5).double()
    masks[1] = 0
    logits = torch.randn(2, 1, 3, 4)
    got = torch.autograd.grad(loss(logits.requires_grad_(), masks), logits)[0]
    step = 1e-2
    for place in [(0, 0, 1, 2), (1, 0, 2, 3)]:
        up, down = logits.detach().clone(), logits.detach().clone()
        up[place] += step
        down[place] -= step
        slope = (float(loss(up, masks)) - float(loss(down, masks))) / (2 * step)
        assert float(got[place]) == pytest.approx(slope, abs=2e-4)


def test_gradient_is_finite_where_the_network_is_sure():
    logits, masks = torch.tensor([[[[300.0, -300.0]]]]).requires_grad_(), torch.tensor([[[[0, 1]]]])
    loss = MaskLoss(bce=1.0, focal=1.0)(logits, masks)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_masks_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"Expected masks \[1, 1, 4, 4\] but got \[1, 4, 4\]"):
        MaskLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dice": 0.0}, "not all 0"),
        ({"bce": -1.0}, "weights of 0 or more"),
        ({"gamma": -1.0}, "gamma=-1.0"),
        ({"smooth": 0.0}, "smooth=0.0: expected more than 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MaskLoss(**settings)


@pytest.mark.parametrize(
    ("name", "weights"), [("dice", (1, 0, 0)), ("dice_bce", (1, 1, 0)), ("dice_focal", (1, 0, 10))]
)
def test_losses_of_the_config(name, weights, config):
    loss = instantiate(config(f"loss={name}").loss)()
    assert (loss.dice, loss.bce, loss.focal) == weights
    assert (loss.smooth, loss.gamma) == (1.0, 2.0)
