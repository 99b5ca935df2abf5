"""Can the data be believed? python scripts/audit.py task=<task> data.root=<folder>."""

from pathlib import Path

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def audit(cfg: DictConfig, folder: Path) -> int:
    """The job: OpenCV is imported after the config stands."""
    from inspection.runs.audit import audit as run_audit

    return run_audit(plain(cfg))


if __name__ == "__main__":
    main("audit", audit, __doc__ or "")
