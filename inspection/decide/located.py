"""One class holds, and where the defect is called, boxes say where it is."""

from collections.abc import Sequence
from typing import Any

from inspection.decide.decisions import OneOf


class Located(OneOf):
    """As `OneOf`; a defect that is called gets boxes around the hottest places of its class activation map.

    Args:
        names: Class names, K.
        defect: The positive class.
        threshold: Smallest defect probability that is judged a defect.
        temperature: See `OneOf`.
        box_threshold: Share of the greatest heat of a map from which on a pixel belongs to a box, above 0 to 1.

    Raises:
        ValueError: If there is no defect class, or a threshold can't be one.
    """

    kind = "located"
    defect: int

    def __init__(
        self,
        names: Sequence[str],
        defect: str | None,
        threshold: float = 0.5,
        temperature: float = 1.0,
        box_threshold: float = 0.8,
    ) -> None:
        if defect is None:
            raise ValueError("defect=null: boxes are drawn around a defect; name its class")
        super().__init__(names, defect, threshold, temperature)
        if not 0 < box_threshold <= 1:
            raise ValueError(f"box_threshold={box_threshold}: expected a share of the heat, above 0 to 1")
        self.box_threshold = float(box_threshold)

    def to_dict(self) -> dict[str, Any]:
        """Names and operating point."""
        return super().to_dict() | {"box_threshold": self.box_threshold}
