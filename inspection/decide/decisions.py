"""How what a network gives becomes a verdict: one class of several, or any of several attributes.

A verdict on names is kept as a bool matrix `[N, K]`: which of the K names are said to hold. So whoever draws,
writes or counts such verdicts need not know which of the two kinds of question was asked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from inspection.decide.arrays import Array, beside, library_of
from inspection.decide.verdicts import label_verdicts, verdicts

if TYPE_CHECKING:
    from torch import Tensor


class Decision(ABC):
    """From what a network gives to a verdict: plain values that ship with the inspector.

    Attributes:
        kind: Of decision, as `to_dict` has it.
        names: Of what is decided, K.
    """

    kind: str
    names: tuple[str, ...]

    @abstractmethod
    def at(self, threshold: float | Mapping[str, float]) -> Decision:
        """The same decision at another operating point.

        Raises:
            ValueError: If the threshold can't be one, or names nothing that is decided by one.
        """

    @abstractmethod
    def points(self) -> dict[str, float]:
        """From which score on something is called, by the names that `at` takes."""

    def movable(self) -> tuple[str, ...]:
        """Names that a threshold can be given for: those of `points`."""
        return tuple(self.points())

    @abstractmethod
    def outputs(self, answers: Tensor) -> Tensor:
        """What a network could have given, of what was made of it: logits of probabilities, for example.

        Args:
            answers: Of an inspector, see `inspection.inspector.backends.Backend`.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values: `kind`, and the arguments of the class (see `inspection.decide.kinds`)."""


class NameDecision(Decision):
    """From logits to the names that hold.

    Attributes:
        names: Of the network's outputs, K.
        exclusive: Whether exactly one of the names holds for an image.
    """

    exclusive: bool

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """float64 (float32 on a device without it) `[N, K]` of logits `[N, K]`."""

    @abstractmethod
    def calibrated(self, logits: Tensor, targets: Tensor) -> NameDecision:
        """The same decision with the temperature at which its probabilities fit these images best.

        Args:
            logits: `[N, K]`.
            targets: As the loss takes them.
        """

    @abstractmethod
    def uncalibrated(self) -> NameDecision:
        """The same decision with probabilities as the network was trained to give them."""

    @abstractmethod
    def confidence(self, probabilities: Tensor, targets: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """How sure the network is, and whether rightly so: what a calibration is judged by.

        Returns:
            Probability of what is more probable, `[N]`, and whether that is true, bool `[N]`: of the class under
            the name "", or of each attribute.
        """

    @abstractmethod
    def called(self, probabilities: Array) -> Array:
        """The verdicts on probabilities `[N, K]`, bool `[N, K]`."""

    @abstractmethod
    def answers(self, targets: Array) -> Array:
        """What the verdicts should have been, bool `[N, K]`."""

    @abstractmethod
    def agreement(self, probabilities: Tensor, targets: Tensor) -> Tensor:
        """How probable the network found the target, float `[N]`; of several attributes, the worst one."""

    def words(self, called: Array) -> str:
        """One verdict `[K]` in words."""
        held = [name for name, holds in zip(self.names, called.tolist(), strict=True) if holds]
        return ", ".join(held) or "none"


_LEAST, _EPS = 1e-300, 1e-15
"""Of probabilities, whose logits have to stay numbers; `_EPS` of those that count from either end."""


def _precise(logits: Tensor) -> Tensor:
    """In float64 where the device has it: near 0 and 1 float32 has few numbers left."""
    return logits.float() if logits.device.type == "mps" else logits.double()


def _checked(threshold: float, name: str = "threshold") -> float:
    if not 0 <= threshold <= 1:
        raise ValueError(f"{name}={threshold}: expected a probability, 0 to 1")
    return float(threshold)


def _checked_temperature(temperature: float, name: str = "temperature") -> float:
    if not 0 < temperature < math.inf:
        raise ValueError(f"{name}={temperature}: expected a number above 0")
    return float(temperature)


class OneOf(NameDecision):
    """Exactly one class holds: softmax, and the defect class from a threshold on.

    Args:
        names: Class names, K.
        defect: The positive class, or None: the most probable class wins.
        threshold: Smallest defect probability that is judged a defect.
        temperature: By which logits are divided before they become probabilities; above 1: less sure.

    Raises:
        ValueError: If the threshold is no probability, or the temperature not above 0.

    Example:
        >>> import numpy as np
        >>> decision = OneOf(["ok", "defect"], "defect", threshold=0.3)
        >>> decision.words(decision.called(np.array([[0.6, 0.4]]))[0])
        'defect'
    """

    kind = "one_of"
    exclusive = True

    def __init__(
        self, names: Sequence[str], defect: str | None, threshold: float = 0.5, temperature: float = 1.0
    ) -> None:
        self.names = tuple(names)
        self.defect = None if defect is None else self.names.index(defect)
        self.threshold = _checked(threshold)
        self.temperature = _checked_temperature(temperature)

    def replaced(self, **arguments: Any) -> Self:
        """The same decision but for some arguments of the constructor."""
        own = {name: value for name, value in self.to_dict().items() if name != "kind"}
        return type(self)(**own | arguments)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax."""
        return (_precise(logits) / self.temperature).softmax(1)

    def outputs(self, answers: Tensor) -> Tensor:
        """Logits, that of the surest class near 0."""
        return answers.double().clamp_min(_LEAST).log() * self.temperature

    def calibrated(self, logits: Tensor, targets: Tensor) -> Self:
        """With one temperature for all classes."""
        from inspection.decide.calibration import fit_temperature

        return self.replaced(temperature=fit_temperature(logits, targets))

    def uncalibrated(self) -> Self:
        """At temperature 1."""
        return self.replaced(temperature=1.0)

    def confidence(self, probabilities: Tensor, targets: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Of the most probable class, whatever the threshold."""
        most, which = probabilities.max(1)
        return {"": (most, which == targets)}

    def labels(self, probabilities: Array) -> Array:
        """The verdicts as class indices, int64 `[N]`."""
        return verdicts(probabilities, self.defect, self.threshold)

    def called(self, probabilities: Array) -> Array:
        """One-hot."""
        return self.answers(self.labels(probabilities))

    def answers(self, targets: Array) -> Array:
        """One-hot of class indices int64 `[N]`."""
        answers: Array = targets[:, None] == beside(targets, list(range(len(self.names))))
        return answers

    def agreement(self, probabilities: Tensor, targets: Tensor) -> Tensor:
        """Probability of the target class."""
        return probabilities.gather(1, targets[:, None])[:, 0]

    def at(self, threshold: float | Mapping[str, float]) -> Self:
        """With another threshold of the defect class."""
        if self.defect is None:
            raise ValueError("threshold: there is no defect class; leave threshold out")
        defect = self.names[self.defect]
        if isinstance(threshold, Mapping):
            if set(threshold) != {defect}:
                raise ValueError(f"threshold={dict(threshold)}: expected one for {defect!r}")
            threshold = threshold[defect]
        return self.replaced(threshold=threshold)

    def points(self) -> dict[str, float]:
        """The threshold of the defect class, if there is one."""
        return {} if self.defect is None else {self.names[self.defect]: self.threshold}

    def to_dict(self) -> dict[str, Any]:
        """Names and operating point."""
        defect = None if self.defect is None else self.names[self.defect]
        return {
            "kind": self.kind,
            "names": list(self.names),
            "defect": defect,
            "threshold": self.threshold,
            "temperature": self.temperature,
        }


class AnyOf(NameDecision):
    """Any of the attributes may hold: a sigmoid and a threshold each.

    Args:
        names: Attribute names, A.
        thresholds: Smallest probability that is judged true, by name; 0.5 for those that are not named.
        temperatures: By which logits are divided before they become probabilities, by name; 1 for the others.

    Raises:
        ValueError: If a threshold is no probability, a temperature not above 0, or one of them of no attribute.

    Example:
        >>> import numpy as np
        >>> decision = AnyOf(["error", "break"], {"break": 0.9})
        >>> decision.words(decision.called(np.array([[0.5, 0.8]]))[0])
        'error'
    """

    kind = "any_of"
    exclusive = False

    def __init__(
        self,
        names: Sequence[str],
        thresholds: Mapping[str, float] | None = None,
        temperatures: Mapping[str, float] | None = None,
    ) -> None:
        self.names = tuple(names)
        limits, heats = dict(thresholds or {}), dict(temperatures or {})
        for what, given in (("thresholds", limits), ("temperatures", heats)):
            strange = [name for name in given if name not in self.names]
            if strange:
                raise ValueError(f"{what}: {strange[0]!r} is none of {', '.join(self.names)}")
        self.thresholds = tuple(
            _checked(limits.get(name, 0.5), f"threshold of {name}") for name in self.names
        )
        self.temperatures = tuple(
            _checked_temperature(heats.get(name, 1.0), f"temperature of {name}") for name in self.names
        )

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid."""
        precise = _precise(logits)
        return (precise / precise.new_tensor(self.temperatures)).sigmoid()

    def outputs(self, answers: Tensor) -> Tensor:
        """Logits."""
        return answers.double().logit(_EPS) * answers.new_tensor(
            self.temperatures, dtype=answers.double().dtype
        )

    def calibrated(self, logits: Tensor, targets: Tensor) -> AnyOf:
        """With a temperature an attribute."""
        from inspection.decide.calibration import fit_temperatures

        fitted = fit_temperatures(logits, targets)
        return AnyOf(self.names, self._by_name(self.thresholds), self._by_name(fitted))

    def uncalibrated(self) -> AnyOf:
        """At temperature 1."""
        return AnyOf(self.names, self._by_name(self.thresholds))

    def confidence(self, probabilities: Tensor, targets: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Of the more probable answer to each attribute, whatever its threshold."""
        sure, right = (
            probabilities.maximum(1 - probabilities),
            (probabilities >= 0.5) == self.answers(targets),
        )
        return {name: (sure[:, place], right[:, place]) for place, name in enumerate(self.names)}

    def _by_name(self, values: Sequence[float]) -> dict[str, float]:
        return dict(zip(self.names, values, strict=True))

    def called(self, probabilities: Array) -> Array:
        """At least its threshold, so that one taken from an observed probability includes that image."""
        return label_verdicts(probabilities, self.thresholds)

    def answers(self, targets: Array) -> Array:
        """Of 0 or 1, `[N, A]`."""
        answers: Array = targets > 0.5
        return answers

    def agreement(self, probabilities: Tensor, targets: Tensor) -> Tensor:
        """Probability of the true answer, of the attribute where it is least."""
        held: Tensor = library_of(probabilities).where(
            self.answers(targets), probabilities, 1 - probabilities
        )
        return held.amin(1)

    def at(self, threshold: float | Mapping[str, float]) -> AnyOf:
        """With one threshold for all attributes, or other ones for those that are named."""
        if not isinstance(threshold, Mapping):
            threshold = dict.fromkeys(self.names, _checked(threshold))
        temperatures = self._by_name(self.temperatures)
        return AnyOf(self.names, self._by_name(self.thresholds) | dict(threshold), temperatures)

    def points(self) -> dict[str, float]:
        """The threshold of each attribute."""
        return self._by_name(self.thresholds)

    def to_dict(self) -> dict[str, Any]:
        """Names and operating point."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "thresholds": self._by_name(self.thresholds),
            "temperatures": self._by_name(self.temperatures),
        }
