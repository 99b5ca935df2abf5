"""Plain values as JSON has them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspection.data.replace import replace_file


def as_json(value: Any) -> Any:
    """Plain values in which an undefined figure (NaN) is null, as JSON wants it."""
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, values: Mapping[str, Any], synced: bool = True) -> None:
    """Write readable JSON, as `replace_file` does; NaN becomes null."""
    text = json.dumps(as_json(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, text.encode("utf-8"), synced)
