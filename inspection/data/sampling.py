"""The order in which images are drawn: seeded by epoch, shared out over processes."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

Purpose = Literal["order", "augmentation", "network"]


def mixed_seed(purpose: Purpose, *numbers: int) -> int:
    """One seed out of several numbers (run seed, epoch, process, ...), well mixed, in 0..2**63-1.

    Each purpose has random numbers of its own: what is drawn for one says nothing of another.
    """
    mixed = np.random.SeedSequence((get_args(Purpose).index(purpose) + 1, *numbers))
    return int(mixed.generate_state(1, np.uint64)[0] >> 1)


def balanced_order(classes: Tensor, generator: torch.Generator) -> Tensor:
    """An order of as many draws as there are rows, in which every class has the same share of every stretch.

    Each K successive draws hold each of the K classes once, and the rows of a class are all drawn before one
    comes again. Compared with independent weighted draws (`WeightedRandomSampler`), no batch is lopsided and no
    row is left out by chance: the gradient of what all images have in common cancels in each batch instead of
    pushing the network to and fro. LeNet on the coils learns faster and more steadily with it (see docs/coil.md).

    Args:
        classes: Class of each row, int64 `[N]`.
        generator: Decides.

    Returns:
        Positions in `classes`, int64 `[N]`.
    """
    present = classes.unique()
    draws = math.ceil(len(classes) / len(present))
    columns = []
    for label in present:
        own = (classes == label).nonzero().flatten()
        rounds = [
            own[torch.randperm(len(own), generator=generator)] for _ in range(math.ceil(draws / len(own)))
        ]
        columns.append(torch.cat(rounds)[:draws])
    table = torch.stack(columns, 1)
    shuffled = torch.rand(table.shape, generator=generator).argsort(1)
    return table.gather(1, shuffled).flatten()[: len(classes)]


class EpochSampler(Sampler[int]):
    """Draws the rows of one epoch, a share of them for each process.

    The order depends on seed and epoch alone: a resumed run draws what the uninterrupted one would have
    drawn. All processes draw the same order and take every `world`-th row of it, so that together they
    see the very batches that a single process sees. Lightning shares out plain samplers by itself, but not
    balanced ones, which is why this one does both.

    Args:
        rows: Row numbers to draw from.
        classes: Class of each row, to draw all classes equally often (see `balanced_order`). None: every row
            once, shuffled.
        seed: Of the run.
        rank: This process, 0..world-1.
        world: Number of processes.
    """

    def __init__(
        self,
        rows: Sequence[int] | np.ndarray,
        classes: Sequence[int] | np.ndarray | None,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.rows = torch.as_tensor(np.asarray(rows))
        self.classes = None if classes is None else torch.as_tensor(np.asarray(classes))
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(mixed_seed("order", self.seed, self.epoch))
        count = len(self.rows)
        if self.classes is None:
            order = torch.randperm(count, generator=generator)
        else:
            order = balanced_order(self.classes, generator)
        # Every process must do the same number of steps: the first rows are drawn again to fill up.
        order = torch.cat([order, order[: -count % self.world]])
        return iter(self.rows[order[self.rank :: self.world]].tolist())

    def __len__(self) -> int:
        return (len(self.rows) + self.world - 1) // self.world


class ShareSampler(Sampler[int]):
    """Every row once, in order, each in exactly one process: no copies, so that metrics stay exact."""

    def __init__(self, rows: Sequence[int] | np.ndarray, rank: int = 0, world: int = 1) -> None:
        self.rows = np.asarray(rows)[rank::world].tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def balancing_weights(targets: np.ndarray, num_classes: int) -> Tensor:
    """Weight of each class so that all count alike: `n / (K * n_class)`, float32 `[num_classes]`."""
    counts = np.bincount(targets, minlength=num_classes)
    return torch.as_tensor(len(targets) / (num_classes * np.maximum(counts, 1)), dtype=torch.float32)
