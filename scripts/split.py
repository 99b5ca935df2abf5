"""Split a set of images once and for all: python scripts/split.py data=seam data.root=<folder>."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def split(cfg: DictConfig, folder: Path) -> int:
    """Write the tables of the parts: torch is imported after the config stands."""
    from inspection.runs.split import split as write_split

    return write_split(plain(cfg))


if __name__ == "__main__":
    main("split", split, __doc__ or "")
