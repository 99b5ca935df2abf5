import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import sigmoid_focal_loss

from inspection.config.instantiate import instantiate
from inspection.errors import InputError
from inspection.tasks.losses import ClassWeightedCrossEntropy, FocalLoss


def cases(classes=4):
    torch.manual_seed(0)
    return torch.randn(16, classes) * 3, torch.randint(0, classes, (16,))


def test_by_hand():
    # p = 0.8, 0.1 of the targets, weights 2 and 1
    logits = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]).log()
    targets = torch.tensor([0, 1])
    easy, hard = 0.2**2 * 0.22314355, 0.9**2 * 2.30258509
    assert float(FocalLoss(2.0)(logits, targets)) == pytest.approx((easy + hard) / 2)
    weighted = FocalLoss(2.0, weight=torch.tensor([2.0, 1.0, 5.0]))
    assert float(weighted(logits, targets)) == pytest.approx((2 * easy + hard) / 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weight", [None, [0.5, 1.0, 2.0, 4.0]])
def test_without_focus_it_is_cross_entropy(smoothing, weight):
    logits, targets = cases()
    weight = None if weight is None else torch.tensor(weight)
    reference = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)
    loss = FocalLoss(0.0, smoothing, weight)
    torch.testing.assert_close(loss(logits, targets), reference(logits, targets))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_two_classes_are_torchvision_s_sigmoid_focal_loss(gamma):
    logits, targets = cases(1)[0], torch.randint(0, 2, (16,))
    expected = sigmoid_focal_loss(logits[:, 0], targets.float(), alpha=-1, gamma=gamma, reduction="mean")
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    torch.testing.assert_close(FocalLoss(gamma)(two, targets), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("target", [0, 1])
def test_gradient_is_finite_and_right_where_the_network_is_sure(gamma, target):
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = FocalLoss(gamma)(logits, torch.tensor([target]))
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, torch.tensor([0.0, 400.0][target]))
    torch.testing.assert_close(gradient, torch.tensor([[[0.0, 0.0], [1.0, -1.0]][target]]))


def test_gradient_against_differences():
    logits, targets = cases()
    loss = FocalLoss(1.5, 0.1, torch.tensor([0.5, 1.0, 2.0, 4.0]).double())
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), logits.double().requires_grad_())


def test_easy_images_count_less():
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    easy, hard = (F.cross_entropy(logits[:1], torch.tensor([target])) for target in (0, 1))
    focal_easy, focal_hard = (FocalLoss(2.0)(logits[:1], torch.tensor([target])) for target in (0, 1))
    assert float(focal_hard / focal_easy) > 10 * float(hard / easy)


@pytest.mark.parametrize("settings", [{"gamma": -1.0}, {"label_smoothing": 1.5}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="expected 0"):
        FocalLoss(**settings)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "label_smoothing"])
def test_each_loss_of_the_config_takes_class_weights(name, config):
    logits, targets = cases(2)
    make = instantiate(config(f"loss={name}").loss)
    weight = torch.tensor([1.0, 3.0])
    values = [float(make(weight=w)(logits, targets)) for w in (None, weight)]
    assert values[0] != pytest.approx(values[1])


def test_weighted_cross_entropy_is_torchs_and_never_without_weights(config):
    logits, targets = cases(3)
    make, weight = instantiate(config("loss=weighted_cross_entropy").loss), torch.tensor([1.0, 3.0, 0.5])
    expected = nn.CrossEntropyLoss(weight=weight)(logits, targets)
    torch.testing.assert_close(make(weight=weight)(logits, targets), expected)
    with pytest.raises(InputError, match=r"has no weights: they are those of data\.balance=loss"):
        make(weight=None)


def test_given_class_weights_are_torchs_and_never_counted_twice(config):
    logits, targets = cases(2)
    make = instantiate(config("loss=class_weights").loss)
    expected = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))(logits, targets)
    torch.testing.assert_close(make(weight=None)(logits, targets), expected)
    with pytest.raises(InputError, match=r"data\.balance=loss: both make up for the rarer class; keep one"):
        make(weight=torch.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"defect_weight=0: expected"):
        make(defect_weight=0)


@pytest.mark.parametrize("balance", ["sampler", "loss"])
def test_given_class_weights_refuse_any_other_balance(config, balance):
    make = instantiate(config("loss=class_weights", f"data.balance={balance}").loss)
    with pytest.raises(InputError, match=f"data.balance={balance}: both make up"):
        make(weight=None)


def test_the_weight_is_the_defects_wherever_it_stands(config):
    chosen = ["loss=class_weights", "data.classes=[defect,ok]", "data.defect=defect"]
    assert instantiate(config(*chosen).loss)(weight=None).weight.tolist() == [3.0, 1.0]
    with pytest.raises(ValueError, match="defect=None"):
        ClassWeightedCrossEntropy(["a", "b"], None)


def test_bce_of_the_config_takes_positive_weights(config):
    logits, targets = cases(2)[0], torch.ones(16, 2)
    make = instantiate(config("loss=bce").loss)
    plain, weighted = make()(logits, targets), make(pos_weight=torch.tensor([2.0, 2.0]))(logits, targets)
    torch.testing.assert_close(weighted, 2 * plain)


def test_plateau_follows_a_figure_to_maximise(config):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = instantiate(config("scheduler=plateau").scheduler)(optimizer)
    rates = []
    for f1 in (0.1, 0.5, 0.8, 0.7, 0.8, 0.6, 0.79, 0.9):
        schedule.step(f1)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [1.0] * 6 + [0.5] * 2  # patience 3: halved at the fourth epoch without a better one
