"""Export a trained run for the line: python scripts/export.py run=<run folder> format=onnx precision=fp32."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def export(cfg: DictConfig, folder: Path) -> int:
    """The job: torch is imported after the config stands."""
    from inspection.runs.export import export as run_export

    return run_export(plain(cfg))


if __name__ == "__main__":
    main("export", export, __doc__ or "")
