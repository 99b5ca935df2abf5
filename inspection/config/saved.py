"""The config of a run, as a file and as plain values."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from inspection.errors import InputError


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain dicts and lists, every reference resolved."""
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def to_yaml(values: dict[str, Any]) -> str:
    """Plain values as YAML text."""
    return OmegaConf.to_yaml(OmegaConf.create(values))


def read_overrides(path: Path) -> list[str]:
    """The overrides that a job was started with, out of Hydra's file; none where there is no such file."""
    try:
        values = OmegaConf.to_container(OmegaConf.load(path))
    except Exception:  # missing, or not written by Hydra: nothing hangs on it
        return []
    return [str(value) for value in values] if isinstance(values, list) else []


def read_config(path: Path) -> dict[str, Any]:
    """Plain values of a saved `config.yaml`.

    Raises:
        InputError: If it is missing or no YAML.
    """
    try:
        cfg = OmegaConf.load(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: is this the folder of a run?") from None
    except Exception as error:
        raise InputError(f"{path} can't be read: {error}") from None
    assert isinstance(cfg, DictConfig)
    return plain(cfg)
