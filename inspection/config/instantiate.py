"""The one place that builds what a config names."""

import functools
import re
from collections.abc import Mapping
from typing import Any

import hydra
from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import Container, OmegaConf

from inspection.config.targets import ALLOWED, allowed, targets
from inspection.errors import InputError


def instantiate(node: Any, *args: Any, **kwargs: Any) -> Any:
    """Build what a config node names, nested components first.

    The target gets plain lists and dicts. A node with `_partial_: true` gives a callable that waits for the
    rest of its arguments. A mapping of components without a `_target_` of its own (callbacks) gives a dict
    of what was built. An empty node or None gives None.

    Args:
        node: A part of the config, or plain containers.
        *args: Positional arguments of the target.
        **kwargs: Keyword arguments; they win over those of the config. They are handed on untouched.

    Raises:
        InputError: If a target is not allowed, not there, or refuses its arguments.
    """
    key = str(node._get_full_key("")) if isinstance(node, Container) else ""
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, Container) else node
    if not plain:
        return None
    for path, target in targets(plain, key):
        if not allowed(target):
            raise InputError(f"{path}: {target!r} may not be built; targets begin with {' '.join(ALLOWED)}")
        _refuse_strangers(path, str(target))
    try:
        if not isinstance(plain, Mapping) or "_target_" not in plain:
            return hydra.utils.instantiate(plain, *args, _convert_="all", **kwargs)
        # Hydra would copy arguments into config nodes; a partial takes them as they are.
        partial = hydra.utils.instantiate({**plain, "_partial_": True}, _convert_="all")
        if plain.get("_partial_"):
            return functools.partial(partial, *args, **kwargs) if args or kwargs else partial
        return partial(*args, **kwargs)
    except Exception as error:
        cause = _original(error)
        if isinstance(cause, InputError):
            raise cause from None
        raise InputError(_explanation(error, cause, key, plain)) from error


def class_value(node: Mapping[str, Any], name: str) -> Any:
    """What the class that a config node names says of itself, without building it.

    Args:
        node: A part of the config with a `_target_`.
        name: A class attribute.

    Returns:
        Its value; None where there is no such class or attribute: `instantiate` says what is wrong.
    """
    target = str(node.get("_target_"))
    if not allowed(target):
        return None
    try:
        return getattr(get_object(target), name, None)
    except Exception:
        return None


def _refuse_strangers(path: str, target: str) -> None:
    """Raise when an allowed name leads to something from elsewhere (`torch.nn.init.os.system`)."""
    try:
        home = getattr(get_object(target), "__module__", "") or ""
    except Exception:  # it is not there: instantiate says so
        return
    if not f"{home}.".startswith(ALLOWED):
        raise InputError(f"{path}: {target!r} may not be built; it is {home or 'no class'}'s")


def _original(error: BaseException) -> BaseException:
    """What a constructor raised, without Hydra's wrapping."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _explanation(error: Exception, cause: BaseException, key: str, plain: Any) -> str:
    inner = re.search(r"full_key: (\S+)", str(error)) if isinstance(error, InstantiationException) else None
    path = ".".join(part for part in (key, inner[1] if inner else "") if part)
    target = dict(targets(plain, key)).get(path)
    where = f"{path} ({target})" if path and target else path or target or "the config"
    text = " ".join([line for line in str(cause).splitlines() if line and "full_key:" not in line][:2])
    if isinstance(cause, InstantiationException | ValueError | TypeError | OSError):
        return f"{where} can't be built: {text}"
    return f"{where} can't be built: {type(cause).__name__}: {text}\nHYDRA_FULL_ERROR=1 shows where"
