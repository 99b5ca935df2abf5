"""Checkpoints: written whole or not at all, read without executing anything."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from inspection.errors import InputError
from inspection.models.reading import load_tensors, reason

NETWORK = "model.network."
"""Where a task module keeps its network, as a prefix of the names in a checkpoint."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint and then takes its place: whatever happens, a whole one is there."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; Ctrl-C takes effect when it is complete.

        Raises:
            InputError: If the disk is full or the folder can't be written.
        """
        final = Path(path)
        partial = final.with_name(final.name + ".partial")
        try:
            with interrupt_held_back():
                final.parent.mkdir(parents=True, exist_ok=True)
                with partial.open("wb") as stream:
                    torch.save(checkpoint, stream)
                os.replace(partial, final)
        except (
            OSError,
            RuntimeError,
        ) as error:  # torch's zip writer turns whatever goes wrong below it into RuntimeError
            chain = _causes(error)
            if any(isinstance(cause, KeyboardInterrupt) for cause in chain):
                raise KeyboardInterrupt from error
            causes = [cause for cause in chain if isinstance(cause, OSError) and cause.strerror]
            kept = "the previous one is unchanged" if final.exists() else "there is none before it"
            raise InputError(
                f"{final}: the checkpoint could not be written "
                f"({causes[0].strerror if causes else error}); {kept}. Make room, then {way_on(final.parent)}"
            ) from error
        finally:
            with contextlib.suppress(OSError):  # not there: renamed, or never made
                partial.unlink()

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint; the places in it become those of the run that it lies in now.

        Lightning forgets the best value so far when the folder has another name than the one in the checkpoint
        (another working directory, a run that was moved): the next epoch would overwrite a better one.
        """
        checkpoint: dict[str, Any] = super().load_checkpoint(path, *args, **kwargs)
        folder = Path(path).resolve().parent
        for state in checkpoint.get("callbacks", {}).values():
            if isinstance(state, dict) and "best_model_path" in state:
                here = {name: str(folder / Path(name).name) for name in state.get("best_k_models", {})}
                state["dirpath"] = str(folder)
                state["best_k_models"] = {here[name]: value for name, value in state["best_k_models"].items()}
                for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
                    state[key] = str(folder / Path(state[key]).name) if state.get(key) else state.get(key)
        return checkpoint


@contextlib.contextmanager
def interrupt_held_back() -> Iterator[None]:
    """Let Ctrl-C (SIGINT) wait until the block is done, unless that fails; only the main thread gets it at all."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:  # None: not Python's
        yield
        return
    caught: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if caught:
        signal.raise_signal(signal.SIGINT)


def way_on(checkpoints: Path) -> str:
    """What a person can do with a run that was cut short."""
    newest = to_go_on_from(checkpoints)
    return "start again" if newest is None else f"go on with ckpt_path={newest}"


def to_go_on_from(checkpoints: Path) -> Path | None:
    """`last.ckpt`; `best.ckpt` where the run was stopped between the two of its first epoch; or None."""
    return next((path for name in ("last", "best") if (path := checkpoints / f"{name}.ckpt").is_file()), None)


def _causes(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors and plain values of a checkpoint, by torch's safe loader, its tensors left on disk until used.

    Raises:
        InputError: If it is missing, damaged, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    try:
        checkpoint = load_tensors(path, mmap=True)
    except Exception as error:
        raise InputError(f"{path} is damaged, or no checkpoint of this project ({reason(error)})") from None
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise InputError(f"{path} is no checkpoint of this project: it has no state_dict")
    return checkpoint


def network_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of the network alone, by their names in the network."""
    weights = checkpoint["state_dict"]
    return {name.removeprefix(NETWORK): value for name, value in weights.items() if name.startswith(NETWORK)}


def trainable_and_total(network: nn.Module) -> tuple[int, int]:
    """Trainable and all parameters of a network."""
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, trainable in counts if trainable), sum(n for n, _ in counts)
