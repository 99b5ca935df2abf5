"""Label frames of videos, or images: python scripts/label.py source=<video, folder or pattern>."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def label(cfg: DictConfig, folder: Path) -> int:
    """The job: OpenCV is imported after the config stands."""
    from inspection.labelling.label import label as run_labelling

    return run_labelling(plain(cfg))


if __name__ == "__main__":
    main("label", label, __doc__ or "")
