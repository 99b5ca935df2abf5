"""Which image goes where, decided once and written down."""

from pathlib import Path
from typing import Any

from inspection.config.instantiate import instantiate
from inspection.data.module import ImageDataModule
from inspection.data.splits import write_splits
from inspection.data.table import SPLIT_FILES, TableDataModule, write_split_tables
from inspection.errors import InputError
from inspection.runs import console


def split(config: dict[str, Any]) -> int:
    """Split a set and write it down: a table a part for tables of attributes, else one `splits.csv`.

    Args:
        config: Plain values, see `conf/split.yaml`.

    Returns:
        Exit status 0.

    Raises:
        InputError: If the data can't be split, or a split lies there already.
    """
    data: ImageDataModule = instantiate(config["data"])
    data.progress = console.steps()
    samples = data.deal_out()
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    folder = Path(config["output"] or data.root)
    names = list(SPLIT_FILES.values()) if isinstance(data, TableDataModule) else ["splits.csv"]
    there = [name for name in names if (folder / name).exists()]
    if there and not config["overwrite"]:
        raise InputError(
            f"{folder / there[0]} is there already; a split that others use is not replaced unasked: give another "
            "folder (output=<folder>), or overwrite=true"
        )
    print(f"\ndata      {kind} in {data.root}: {len(samples.files)}")
    console.announce_split(data, samples)
    if isinstance(data, TableDataModule):
        written, use = write_split_tables(folder, samples, data.pictures), folder
    else:
        use = folder / "splits.csv"
        write_splits(use, samples)
        written = [use]
    for path in written:
        print(f"wrote {path}")
    print(f"use it:   data.splits={use}", flush=True)
    return 0
