"""Inspect what a camera sees: python scripts/stream.py inspector=<run folder or file> source=<camera or file>."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def stream(cfg: DictConfig, folder: Path) -> int:
    """The job; an exported inspector needs no torch."""
    from inspection.runs.stream import stream as run_stream

    return run_stream(plain(cfg))


if __name__ == "__main__":
    main("stream", stream, __doc__ or "")
