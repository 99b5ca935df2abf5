"""Look at a trained run again: python scripts/evaluate.py run=<run folder> [data.root=<other images>]."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def evaluate(cfg: DictConfig, folder: Path) -> int:
    """The job: torch is imported after the config stands."""
    from inspection.runs.evaluate import evaluate as run_evaluate

    return run_evaluate(plain(cfg))


if __name__ == "__main__":
    main("evaluate", evaluate, __doc__ or "")
