"""Hooks that are gone afterwards, and compiled networks that run eagerly so that hooks are called."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Callable[..., Any], before: bool = False) -> Iterator[None]:
    """Call a hook with (module, inputs, output) behind each of some modules, or (module, inputs) before it."""
    handles = []
    try:
        for module in modules:
            register = module.register_forward_pre_hook if before else module.register_forward_hook
            handles.append(register(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def eager(network: nn.Module) -> AbstractContextManager[Any]:
    """Compiled code does not see hooks that come later, so let a compiled network run eagerly."""
    compiled = any(
        getattr(module, "_compiled_call_impl", None) is not None or "_orig_mod" in module._modules
        for module in network.modules()
    )
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
