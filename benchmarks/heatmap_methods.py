"""Which heatmap method shows where a network's evidence is: Grad-CAM or HiResCAM, measured on the coil's pins.

    python -m benchmarks.heatmap_methods run=outputs/coil/lenet/<time>

The synthetic coils come with the box of each pin. For the validation and test images of a run: the share of heat
inside the pins' boxes (1 is best; the boxes' share of the image is what a map without meaning would get), and
the share of images without any positive evidence for the defect class.
"""

import csv
import math
import sys
from pathlib import Path

import torch

from inspection.config.saved import read_config
from inspection.data.splits import PARTS
from inspection.errors import InputError
from inspection.explain.cam import METHOD_NAMES, heatmap
from inspection.explain.metrics import heat_inside
from inspection.runs.folder import CONFIG, inspector_of

MARGIN = 6.0
"""Pixels around a pin that still count as the pin: its edge is evidence, and maps are coarser than pixels."""


def pins_of(root: Path, crop: list[int]) -> dict[str, list[list[float]]]:
    """Boxes of the pins by file, in pixels of the cropped image, a margin around them."""
    left, top, right, bottom = crop
    boxes: dict[str, list[list[float]]] = {}
    with (root / "truth.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            x0, y0, x1, y1 = (float(row[side]) for side in ("left", "top", "right", "bottom"))
            box = [
                max(x0 - MARGIN - left, 0),
                max(y0 - MARGIN - top, 0),
                min(x1 + MARGIN - left, right - left),
                min(y1 + MARGIN - top, bottom - top),
            ]
            boxes.setdefault(row["file"], []).append(box)
    return boxes


def main() -> None:
    """Measure both methods on a run's images."""
    arguments = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if "run" not in arguments:
        raise SystemExit(__doc__)
    run = Path(arguments["run"])
    config, inspector = read_config(run / CONFIG), inspector_of(run)
    root = Path(config["data"]["root"] or config["data"]["synthetic"]["folder"])
    if not (root / "truth.csv").is_file():
        raise InputError(
            f"{root} has no truth.csv: the places of the pins are known for synthetic coils alone"
        )
    boxes = pins_of(root, config["data"]["crop"])
    with (run / "splits.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] in PARTS[1:]]
    area = torch.tensor([sum((b[2] - b[0]) * (b[3] - b[1]) for b in boxes[row["file"]]) for row in rows])
    height, width = inspector.geometry.image_size
    share = area.mean() / height / width
    print(f"{len(rows)} SYNTHETIC images of {run}; the pins' boxes are {share:.1%} of an image")
    for method, name in METHOD_NAMES.items():
        shares: dict[str, list[float]] = {"ok": [], "defect": []}
        for start in range(0, len(rows), 16):
            part = rows[start : start + 16]
            images = torch.stack(
                [torch.from_numpy(inspector.geometry.read(root / row["file"])) for row in part]
            )
            targets = torch.full((len(part),), getattr(inspector.decision, "defect", None) or 0)
            maps = heatmap(inspector.model, images, targets, method=method)  # type: ignore[arg-type]
            inside = heat_inside(maps.maps, [torch.tensor(boxes[row["file"]]) for row in part])
            for row, share in zip(part, inside.tolist(), strict=True):
                shares[row["class"]].append(share)
        for label, values in shares.items():
            found = [value for value in values if not math.isnan(value)]
            mean = sum(found) / len(found) if found else float("nan")
            empty = 1 - len(found) / len(values)
            print(f"  {name:9s} {label:7s} heat inside the pins {mean:.3f}   without evidence {empty:.1%}")


if __name__ == "__main__":
    main()
