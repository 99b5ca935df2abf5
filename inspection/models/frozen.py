"""Batch norms that must not move: frozen ones, and those that were folded into the convolutions."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from inspection.errors import InputError


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The batch norms of a network that have parameters and running statistics."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return [norm for norm in norms if norm.affine and norm.track_running_stats]


def keep_frozen(network: nn.Module, mode: bool) -> None:
    """Leave batch norms whose parameters are frozen in eval mode, after `train(mode)` has reached all of them.

    Else their running mean and variance would drift to the new images under layers that can't follow.
    """
    for norm in batch_norms(network):
        norm.train(mode and any(parameter.requires_grad for parameter in norm.parameters()))


def refuse_to_unfold(network: nn.Module, weights: str) -> None:
    """Raise where batch norms that do nothing yet would begin to.

    Converted weights often have their norms folded into the convolutions: mean 0, variance 1. In eval mode
    that is the same function. In training mode such a norm standardises maps that never were, and nothing
    of the features is left: a linear classifier of CIFAR-10 on MobileNetV2 fell from 47 % to chance.

    Args:
        network: With the weights in, and what is frozen frozen.
        weights: What holds the weights, for the message.

    Raises:
        InputError: If all its batch norms do nothing and one of them would be trained.
    """
    norms = batch_norms(network)
    folded = all(_does_nothing(norm) for norm in norms)
    if folded and any(parameter.requires_grad for norm in norms for parameter in norm.parameters()):
        raise InputError(
            f"model.weights={weights}: its batch norms all have mean 0 and variance 1, as after folding them "
            "into the convolutions; trained like this they would destroy the features\n"
            "set model.freeze_batch_norm=true"
        )


def _does_nothing(norm: _BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    return mean is None or variance is None or bool((mean == 0).all() and ((variance - 1).abs() < 0.01).all())
