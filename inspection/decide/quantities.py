"""How a network's outputs become quantities with a unit, and a quantity an alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inspection.decide.arrays import Array, beside
from inspection.decide.decisions import Decision

if TYPE_CHECKING:
    from torch import Tensor

_UNIT = math.log(math.e - 1)  # where softplus is 1
_SLOPE = 1 - math.exp(-1)  # of softplus there


class Quantities(Decision):
    """Several numbers an image, each with a centre and a scale of its own, and an alarm on one of them.

    A network learns numbers about 0 of size about 1; the unit comes in here. So the outputs may start near 0, the
    step of the optimizer fits every quantity, and a mean squared error counts them alike.

    Where the quantities are ordered, the middle one is `centre + scale * output`, and each other one lies a step
    away from its neighbour that can't be negative, a softplus of its output. So the order holds for any outputs,
    with a gradient everywhere. In either case outputs of 0 give the centres, and there a quantity moves by its
    scale for an output of 1.

    Args:
        names: Of the network's outputs, T.
        unit: Of all of them, e.g. `K`.
        centre: A value each, e.g. the training mean; in the unit.
        scale: A value each above 0, e.g. the standard deviation in training; in the unit.
        ordered: Whether the names go from the largest quantity to the smallest, and the values are to do so, too.
        alarm: Name of the quantity and the value from which on there is to be an alarm; None: no alarm.
        called_from: What the network must say for the alarm to be raised, in the unit: below the value of `alarm`
            it makes up for a network that says too little. None: that value itself.

    Raises:
        ValueError: If lengths differ, a scale is not above 0, ordered centres do not fall, or the alarm is of
            none.

    Example:
        >>> import torch
        >>> heat = Quantities(["max", "mean", "min"], "K", [350, 300, 290], [20, 5, 5], alarm={"max": 360})
        >>> values = heat.values(torch.zeros(1, 3))
        >>> [round(value) for value in values[0].tolist()], heat.alarms(values).tolist()
        ([350, 300, 290], [False])
    """

    kind = "quantities"

    def __init__(
        self,
        names: Sequence[str],
        unit: str,
        centre: Sequence[float],
        scale: Sequence[float],
        ordered: bool = True,
        alarm: Mapping[str, float] | None = None,
        called_from: float | None = None,
    ) -> None:
        self.names, self.unit, self.ordered = tuple(names), unit, ordered
        self.centre, self.scale = (tuple(float(value) for value in values) for values in (centre, scale))
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"names={list(names)}: expected one or more different names")
        if not len(self.names) == len(self.centre) == len(self.scale):
            raise ValueError(
                f"Expected a centre and a scale for each of {len(self.names)} quantities but got "
                f"{len(self.centre)} and {len(self.scale)}."
            )
        if not all(math.isfinite(value) for value in self.centre) or not all(
            math.isfinite(value) and value > 0 for value in self.scale
        ):
            raise ValueError(f"centre={list(centre)}, scale={list(scale)}: expected numbers, scales above 0")
        pairs = zip(self.centre, self.centre[1:], strict=False)
        if ordered and any(upper <= lower for upper, lower in pairs):
            raise ValueError(
                f"centre={list(centre)}: expected falling values for the ordered {', '.join(self.names)}; "
                "name them from the largest to the smallest, or take ordered=false"
            )
        self.alarm = _checked_alarm(alarm, self.names)
        if called_from is not None and (self.alarm is None or not math.isfinite(called_from)):
            raise ValueError(f"called_from={called_from}: expected a number, of an alarm that there is")
        self.called_from = None if called_from is None else float(called_from)

    def values(self, outputs: Tensor) -> Tensor:
        """Quantities `[N, T]` in the unit, float64 (float32 on a device without it), of outputs `[N, T]`."""
        import torch

        precise = outputs.float() if outputs.device.type == "mps" else outputs.double()
        centre, scale = self._constants(precise)
        plain = centre + scale * precise
        if not self.ordered:
            return plain
        middle = len(self.names) // 2
        columns = [plain[:, middle]]
        for place in range(middle - 1, -1, -1):  # upwards from the middle
            columns.insert(0, columns[0] + self._step(precise, place, place + 1))
        for place in range(middle + 1, len(self.names)):
            columns.append(columns[-1] - self._step(precise, place, place - 1))
        return torch.stack(columns, 1)

    def outputs(self, answers: Tensor) -> Tensor:
        """What gives these quantities `[N, T]`; of ordered ones a step of 0 is given as one that can't be seen."""
        import torch

        precise = answers.double()
        centre, scale = self._constants(precise)
        plain = (precise - centre) / scale
        if not self.ordered:
            return plain
        columns = list(plain.unbind(1))
        middle = len(self.names) // 2
        for place in range(len(self.names)):
            if place == middle:
                continue
            neighbour = place + 1 if place < middle else place - 1
            distance, rise = self._slope(place, neighbour)
            step = ((precise[:, place] - precise[:, neighbour]).abs() / distance).clamp_min(1e-12)
            columns[place] = (step + (-(-step).expm1()).log() - _UNIT) / rise  # softplus turned round
        return torch.stack(columns, 1)

    def standardised(self, values: Tensor) -> Tensor:
        """Quantities in the unit `[N, T]` about 0 with size about 1: what a loss compares."""
        centre, scale = self._constants(values)
        return (values - centre) / scale

    @property
    def watched(self) -> tuple[str, float, float]:
        """Quantity of the alarm, its limit, and what the network must say for it to be raised.

        Raises:
            ValueError: If there is no alarm.
        """
        if self.alarm is None:
            raise ValueError("alarm: there is none")
        ((name, limit),) = self.alarm.items()
        return name, limit, limit if self.called_from is None else self.called_from

    def alarms(self, values: Array) -> Array:
        """Whether what a network says `[N, T]` raises the alarm, bool `[N]`; without an alarm none does."""
        return self._reach(values, called=True)

    def deserved(self, targets: Array) -> Array:
        """Whether true quantities `[N, T]` deserve the alarm, bool `[N]`."""
        return self._reach(targets, called=False)

    def _reach(self, values: Array, called: bool) -> Array:
        if self.alarm is None:
            never: Array = beside(values, [0] * len(values)) > 0
            return never
        name, limit, called_from = self.watched
        below: Array = values[:, self.names.index(name)] < (called_from if called else limit)
        return ~below  # what could not be measured is an alarm

    def at(self, threshold: float | Mapping[str, float]) -> Quantities:
        """The same quantities with an alarm that is raised from another value on.

        Args:
            threshold: In the unit. That of the quantity which is watched moves what the network must say for the
                alarm, whose limit stays; by the name of another quantity, an alarm on that one instead.

        Raises:
            ValueError: If it names none, or there is no alarm to move.
        """
        if not isinstance(threshold, Mapping):
            if self.alarm is None:
                raise ValueError(
                    f"threshold={threshold}: there is no alarm to move; name a quantity: "
                    f"threshold={{{self.names[0]}: {threshold}}}"
                )
            return self.replaced(called_from=threshold)
        if self.alarm is not None and set(threshold) == set(self.alarm):
            return self.replaced(called_from=threshold[self.watched[0]])
        return self.replaced(alarm=threshold, called_from=None)

    def points(self) -> dict[str, float]:
        """What the network must say for the alarm, if there is one."""
        if self.alarm is None:
            return {}
        name, _, called_from = self.watched
        return {name: called_from}

    def replaced(self, **arguments: Any) -> Quantities:
        """The same quantities but for some arguments of the constructor."""
        own = {name: value for name, value in self.to_dict().items() if name != "kind"}
        return Quantities(**own | arguments)

    def fitted(self, targets: Tensor) -> Quantities:
        """The same quantities with mean and standard deviation of these targets `[N, T]` as centre and scale.

        A scale is at least a millionth of the largest centre: constant targets are no reason to divide by 0.
        For the same reason ordered centres are at least that far apart.

        Raises:
            ValueError: If ordered targets are in another order.
        """
        targets = targets.double()
        centre, scale = targets.mean(0).tolist(), targets.std(0, correction=0).tolist()
        least = max(1.0, *map(abs, centre)) * 1e-6
        if self.ordered:
            for place in range(1, len(centre)):
                if centre[place] > centre[place - 1] + least:
                    upper, lower = self.names[place - 1], self.names[place]
                    raise ValueError(
                        f"the mean of {upper!r} ({centre[place - 1]:g} {self.unit}) is below that of {lower!r} "
                        f"({centre[place]:g}): name them from the largest to the smallest, or take ordered=false"
                    )
                centre[place] = min(centre[place], centre[place - 1] - least)
        spread = [max(value, least) for value in scale]
        return self.replaced(centre=centre, scale=spread)

    def measures(self, values: Array) -> str:
        """One image's quantities `[T]` in words, e.g. `maximum 351.2 K, average 300.4 K`."""
        pairs = zip(self.names, values.tolist(), strict=True)
        return ", ".join(f"{name} {value:.1f} {self.unit}" for name, value in pairs)

    def words(self, values: Array) -> str:
        """What a network says of one image `[T]` in words, e.g. `maximum 351.2 K, average 300.4 K: alarm`."""
        return self.measures(values) + ": alarm" * bool(self.alarms(values[None])[0])

    def to_dict(self) -> dict[str, Any]:
        """All arguments."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "unit": self.unit,
            "centre": list(self.centre),
            "scale": list(self.scale),
            "ordered": self.ordered,
            "alarm": None if self.alarm is None else dict(self.alarm),
            "called_from": self.called_from,
        }

    def _constants(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(self.centre), like.new_tensor(self.scale)

    def _step(self, outputs: Tensor, place: int, neighbour: int) -> Tensor:
        """Distance of a quantity from its neighbour, at least 0; that of their centres where the output is 0."""
        import torch.nn.functional as F

        distance, rise = self._slope(place, neighbour)
        return distance * F.softplus(rise * outputs[:, place] + _UNIT)

    def _slope(self, place: int, neighbour: int) -> tuple[float, float]:
        """Distance of two centres, and by how much a step's softplus rises with its output there."""
        distance = abs(self.centre[place] - self.centre[neighbour])
        slope = self.scale[place] / (distance * _SLOPE)
        # A larger output is a larger quantity below the middle, too: there a smaller distance.
        return distance, slope if place < neighbour else -slope


def _checked_alarm(alarm: Mapping[str, float] | None, names: Sequence[str]) -> dict[str, float] | None:
    if alarm is None:
        return None
    if len(alarm) != 1 or not set(alarm) <= set(names):
        raise ValueError(f"alarm={dict(alarm)}: expected one of {', '.join(names)} and its value")
    ((name, limit),) = alarm.items()
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
        raise ValueError(f"alarm={dict(alarm)}: expected a number")
    return {name: float(limit)}
