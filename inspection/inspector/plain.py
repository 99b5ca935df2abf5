"""Plain values as JSON has them."""

import math
from collections.abc import Mapping
from typing import Any


def as_json(value: Any) -> Any:
    """Plain values in which an undefined figure (NaN) is null, as JSON wants it."""
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
