"""What of an inspector's answers can be explained, and as which score."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import NameDecision
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.inspector.inspector import Inspector
from inspection.inspector.naming import NameAnswers

PREDICTED, ALL = "predicted", "all"


@dataclass(frozen=True)
class Subject:
    """Scores whose evidence is looked for.

    Attributes:
        network: Images as the geometry gives them, to scores [N, K] that gradients go through.
        names: Of the scores.
        usual: Which of them are explained when nobody asks for others; None is the highest.
        watched: From the network's scores to those of the deletion and insertion curves, [N, K].
        unit: Of these, in words.
    """

    network: nn.Module
    names: tuple[str, ...]
    usual: list[int | None]
    watched: Callable[[Tensor], Tensor]
    unit: str

    def pointed_at(self, asked: str | None) -> frozenset[int]:
        """Which scores masks of defects belong to: heat for "ok" has no reason to lie in them.

        Args:
            asked: As in `targets`; who asks for one by its name and gives masks has masks of that.

        Returns:
            The usual ones; all of them where the usual one is the highest, whichever that is.
        """
        usual = {place for place in self.usual if place is not None}
        if len(usual) < len(self.usual):
            return frozenset(range(len(self.names)))
        return frozenset(usual | {self.names.index(asked)} if asked in self.names else usual)

    def targets(self, asked: str | None) -> list[int | None]:
        """Which scores are to be explained.

        Args:
            asked: Name of one; `predicted`: the highest; `all`; None: the usual ones.

        Raises:
            InputError: There is no such score.
        """
        if asked is None:
            return self.usual
        if asked in self.names:
            return [self.names.index(asked)]
        if asked == ALL:
            return list(range(len(self.names)))
        if asked == PREDICTED and self.unit == "probability":
            return [None]
        words = [PREDICTED] if self.unit == "probability" else []
        raise InputError(f"target={asked}: expected {', '.join([*self.names, *words, ALL])} or null")


class CalledPixels(nn.Module):
    """How much of a mask is called, and how surely: the mean over the image of logits above the threshold.

    Its gradient is that of the called pixels' logits, as in Vinogradova, Dibrov and Myers, "Towards Interpretable
    Semantic Segmentation via Gradient-weighted Class Activation Mapping", AAAI 2020,
    https://arxiv.org/abs/2002.11434.

    Args:
        network: Images to logits of pixels [N, 1, H, W].
        threshold: Probability from which on a pixel is called.
    """

    def __init__(self, network: nn.Module, threshold: float) -> None:
        super().__init__()
        self.network = network
        self.limit = math.inf if threshold == 1 else math.log(threshold / (1 - threshold))

    def forward(self, images: Tensor) -> Tensor:
        """Scores [N, 1] of images."""
        return (self.network(images).float() - self.limit).relu().mean(dim=(2, 3))


class Measured(nn.Module):
    """Quantities in their unit: of ordered ones, an output alone is but a step from its neighbour.

    Args:
        network: Images to outputs [N, T].
        decision: What makes quantities of them.
    """

    def __init__(self, network: nn.Module, decision: Quantities) -> None:
        super().__init__()
        self.network, self.decision = network, decision

    def forward(self, images: Tensor) -> Tensor:
        """Quantities [N, T] of images."""
        return self.decision.values(self.network(images).float()).float()


def subject_of(inspector: Inspector) -> Subject | None:
    """What of an inspector can be explained; None of boxes, which are their own evidence."""
    decision, answers, model = inspector.decision, inspector.answers, inspector.model
    if isinstance(decision, NameDecision) and isinstance(answers, NameAnswers):
        return Subject(
            model,
            decision.names,
            answers.explained(),
            decision.probabilities,
            "probability",
        )
    if isinstance(decision, Area):
        name = decision.names[decision.defect]
        called = CalledPixels(model, decision.threshold).eval()
        return Subject(
            called, (name,), [0], lambda scores: scores, "logit above the threshold, mean of the pixels"
        )
    if isinstance(decision, Quantities):
        alarm = next(iter(decision.alarm or {}), decision.names[0])
        measured = Measured(model, decision).eval()
        usual: list[int | None] = [decision.names.index(alarm)]
        return Subject(measured, decision.names, usual, lambda values: values, f"value in {decision.unit}")
    assert isinstance(decision, Boxes)
    return None


def watched_scores(subject: Subject) -> Callable[[Tensor], Tensor]:
    """Images to the scores that deletion and insertion curves are drawn of, [N, K]."""

    def score(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return subject.watched(subject.network(images))

    return score
