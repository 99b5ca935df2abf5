"""Which classes and functions a config may name."""

from collections.abc import Iterator, Mapping
from typing import Any

ALLOWED = ("inspection.", "torch.nn.", "torch.optim.", "torchvision.", "lightning.")
"""A config file must not be able to call anything else that happens to be installed (`os.system`)."""

HYDRA_KEYS = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")


def allowed(target: object) -> bool:
    """Whether a `_target_` may be built."""
    return isinstance(target, str) and target.startswith(ALLOWED)


def targets(node: Any, key: str = "") -> Iterator[tuple[str, object]]:
    """Every (dotted key, `_target_`) in a plain container, from the outside inwards."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield key, node["_target_"]
        items = [(str(name), value) for name, value in node.items()]
    elif isinstance(node, list):
        items = [(str(index), value) for index, value in enumerate(node)]
    else:
        return
    for name, value in items:
        yield from targets(value, f"{key}.{name}" if key else name)
