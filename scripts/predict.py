"""Inspect images with a trained inspector: python scripts/predict.py run=<run folder> input=<images>."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def predict(cfg: DictConfig, folder: Path) -> int:
    """The job: torch is imported after the config stands."""
    from inspection.runs.predict import predict as run_prediction

    return run_prediction(plain(cfg))


if __name__ == "__main__":
    main("predict", predict, __doc__ or "")
