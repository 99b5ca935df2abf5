"""Compare finished runs on the same images: python scripts/compare.py runs=[<run folder>,<run folder>]."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def compare(cfg: DictConfig, folder: Path) -> int:
    """The job: what it needs is imported after the config stands."""
    from inspection.runs.compare import compare as run_comparison

    return run_comparison(plain(cfg))


if __name__ == "__main__":
    main("compare", compare, __doc__ or "")
