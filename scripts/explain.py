"""See what a trained network looks at: python scripts/explain.py run=<run folder> input=<images>."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def explain(cfg: DictConfig, folder: Path) -> int:
    """The job: torch is imported after the config stands."""
    from inspection.runs.explain import explain as run_explanation

    return run_explanation(plain(cfg))


if __name__ == "__main__":
    main("explain", explain, __doc__ or "")
