"""Pictures to TensorBoard and to the run folder, from the first process alone."""

from pathlib import Path

import lightning as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger

from inspection.pictures.files import write_png


def show(trainer: L.Trainer, tag: str, picture: np.ndarray, file: str | None = None) -> None:
    """Log a picture under a tag and, where a file is named, write it to `pictures/<file>` of the run.

    Args:
        trainer: Of the run; its root folder is the run folder.
        tag: TensorBoard's name; pictures of one tag over the epochs share a slider.
        picture: RGB uint8 `[H, W, 3]`.
        file: Path below `pictures/`, or None.
    """
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            # Epochs that are over: within one Lightning has not counted it yet.
            over = trainer.current_epoch + (trainer.state.fn == "fit" and trainer.validating)
            logger.experiment.add_image(tag, picture, over, dataformats="HWC")
    if file is not None:
        write_png(Path(trainer.default_root_dir) / "pictures" / file, picture)
