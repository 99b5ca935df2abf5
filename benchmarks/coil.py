"""The coil data module as `task=coil` composes it, for the benchmarks."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

from inspection.config.folders import register_resolvers
from inspection.config.instantiate import instantiate
from inspection.config.saved import plain
from inspection.data.folder import FolderDataModule

CONF = Path(__file__).resolve().parents[1] / "conf"


def coil_data(folder: str, **changes: Any) -> FolderDataModule:
    """The data module of `task=coil`, not yet set up.

    Args:
        folder: Where synthetic images and the cache lie.
        **changes: Arguments that differ from the config.
    """
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"paths.data={folder}"])
    data: FolderDataModule = instantiate(plain(config)["data"] | changes)
    return data
