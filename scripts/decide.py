"""Choose another operating point: python scripts/decide.py run=<run folder> decide=recall decide.r=0.99."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def decide(cfg: DictConfig, folder: Path) -> int:
    """The job: torch is imported after the config stands."""
    from inspection.runs.evaluate import decide as run_decide

    return run_decide(plain(cfg))


if __name__ == "__main__":
    main("decide", decide, __doc__ or "")
