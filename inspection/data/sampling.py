"""The order in which images are drawn: seeded by epoch, shared out over processes."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler


def mixed_seed(*numbers: int) -> int:
    """One seed out of several numbers (run seed, epoch, process, ...), well mixed, in 0..2**63-1."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


class EpochSampler(Sampler[int]):
    """Draws the rows of one epoch, a share of them for each process.

    The order depends on seed and epoch alone: a resumed run draws what the uninterrupted one would have
    drawn. All processes draw the same order and take every `world`-th row of it, so that together they
    see the very batches that a single process sees. Lightning shares out plain samplers by itself, but not
    weighted ones, which is why this one does both.

    Args:
        rows: Row numbers to draw from.
        weights: Probability of each row, unnormalised: drawn with replacement. None: every row once, shuffled.
        seed: Of the run.
        rank: This process, 0..world-1.
        world: Number of processes.
    """

    def __init__(
        self,
        rows: Sequence[int] | np.ndarray,
        weights: Tensor | None,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.rows = torch.as_tensor(np.asarray(rows))
        self.weights = weights
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        count = len(self.rows)
        if self.weights is None:
            order = torch.randperm(count, generator=generator)
        else:
            order = torch.multinomial(self.weights.double(), count, replacement=True, generator=generator)
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
