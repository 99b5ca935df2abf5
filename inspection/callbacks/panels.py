"""Pictures of single images with what the network said of them: which, and when."""

from abc import abstractmethod
from collections.abc import Iterator

import lightning as L
import numpy as np
from torch import Tensor

from inspection.callbacks.board import show
from inspection.callbacks.samples import spread
from inspection.data.module import ImageDataModule
from inspection.errors import InputError
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome

_AT_A_TIME = 8  # images: feature maps of large ones are large


class PanelLogger(L.Callback):
    """Panels of single images as TensorBoard images and PNG files.

    A fixed choice of validation images every few epochs, the worst validation mistakes beside them, and after the
    test the images that were judged wrongly. A subclass draws them.

    Args:
        every_n_epochs: Epochs between two sets of pictures; 0 draws them at the end alone.
        per_class: Validation images of each class (or what else there are examples of), chosen once.
        mistakes: The worst mistakes of the validation part.
        test_mistakes: The worst mistakes of the test part.

    Attributes:
        folder: Of the pictures below `pictures/`, their tag, and the callback's usual name in the config.
        draws: Kind of task whose outcome it can draw.
    """

    folder: str
    draws: type[InspectionTask]

    def __init__(
        self, every_n_epochs: int = 5, per_class: int = 4, mistakes: int = 8, test_mistakes: int = 40
    ) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"every_n_epochs={every_n_epochs}: expected 1 or more, or 0 for the end alone")
        self.every_n_epochs = every_n_epochs
        self.per_class, self.mistakes, self.test_mistakes = per_class, mistakes, test_mistakes

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Find out now, and not after an epoch, that there is nothing to draw.

        Raises:
            InputError: If the task is of another kind.
        """
        if not isinstance(pl_module, self.draws):
            raise InputError(
                f"callbacks.{self.folder}: it draws what {self.draws.__name__} gives, and this is "
                f"{type(pl_module).__name__}; drop it with ~callbacks.{self.folder}, or choose the callbacks of "
                "this kind of task"
            )

    @abstractmethod
    def panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: Outcome,
        positions: np.ndarray,
        images: Tensor,
    ) -> list[np.ndarray]:
        """The pictures of some images.

        Args:
            task: On its device, in eval mode.
            data: Of the images.
            outcome: What was said of them.
            positions: Of the images in the outcome.
            images: As the data module has them, `[N, C, H, W]`.

        Returns:
            RGB uint8 `[H, W, 3]`, one an image.
        """

    def drawn(
        self, task: InspectionTask, data: ImageDataModule, outcome: Outcome, positions: np.ndarray
    ) -> Iterator[np.ndarray]:
        """The pictures of any number of images, a few at a time; arguments as of `panels`."""
        for start in range(0, len(positions), _AT_A_TIME):
            part = positions[start : start + _AT_A_TIME]
            images = data.images(outcome.rows[part].numpy())
            yield from self.panels(task, data, outcome, part, images)

    # Not `on_validation_epoch_end`: Lightning calls that of callbacks before that of the module, which makes the
    # outcome of this pass; callbacks would draw the one before.
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the fixed images and the worst mistakes."""
        fitting = trainer.state.fn == "fit"
        due = self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if trainer.sanity_checking or (fitting and not due):
            return
        data, task, outcome = _parts(trainer, pl_module)
        if data is None or task is None or outcome is None:
            return
        folder = f"{self.folder}/epoch_{trainer.current_epoch + 1:03d}" if fitting else f"{self.folder}/best"
        self.draw_examples(trainer, pl_module, self.folder, folder)
        wrong = outcome.mistakes(self.mistakes)
        self._draw(trainer, data, task, outcome, wrong, "mistakes/val", f"{folder}/mistake")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw what was judged wrongly."""
        data, task, outcome = _parts(trainer, pl_module)
        if data is None or task is None or outcome is None:
            return
        wrong = outcome.mistakes(self.test_mistakes)
        self._draw(trainer, data, task, outcome, wrong, "mistakes/test", "mistakes_test/mistake")

    def draw_examples(self, trainer: L.Trainer, pl_module: L.LightningModule, tag: str, folder: str) -> None:
        """Draw some images of each class, or of what else the last outcome has examples of."""
        data, task, outcome = _parts(trainer, pl_module)
        if data is None or task is None or outcome is None:
            return
        for name, positions in outcome.examples().items():
            chosen = spread(positions, self.per_class)
            file = name.replace("/", "-")  # of a class: no folder of its own
            self._draw(trainer, data, task, outcome, chosen, f"{tag}/{name}", f"{folder}/{file}")

    def _draw(
        self,
        trainer: L.Trainer,
        data: ImageDataModule,
        task: InspectionTask,
        outcome: Outcome,
        chosen: np.ndarray,
        tag: str,
        file: str,
    ) -> None:
        for number, panel in enumerate(self.drawn(task, data, outcome, chosen), 1):
            show(trainer, f"{tag}_{number}", panel, f"{file}_{number:02d}.png")


def origin(data: ImageDataModule) -> str:
    """What a picture of an image has to say of where it comes from."""
    return "SYNTHETIC image" if data.is_synthetic else ""


def _parts(
    trainer: L.Trainer, module: L.LightningModule
) -> tuple[ImageDataModule | None, InspectionTask | None, Outcome | None]:
    """Data, task and outcome, where this process draws and there is something to draw."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not trainer.is_global_zero or not isinstance(module, InspectionTask) or module.outcome is None:
        return None, None, None
    return (data, module, module.outcome) if isinstance(data, ImageDataModule) else (None, None, None)
