"""The same random numbers in an epoch, whether the run got there in one go or was resumed."""

import lightning as L
import torch

from inspection.data.sampling import mixed_seed


class ReseedEachEpoch(L.Callback):
    """Seeds torch at the start of each training epoch (dropout and the like) from run seed, epoch and process.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Seed the CPU's and the devices' generators."""
        torch.manual_seed(mixed_seed("network", self.seed, trainer.current_epoch, trainer.global_rank))
