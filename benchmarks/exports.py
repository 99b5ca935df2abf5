"""The exports of a run, made where they are missing, and the images that a run was measured on."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
AS_TRAINED = "eager"
EXPORTS = ("onnx_fp32", "onnx_int8", "openvino_fp32", "openvino_bf16", "openvino_int8")


def inspector_file(run: Path, name: str) -> Path:
    """What `Inspector.load` opens: the run itself, or one of its exports, which is made where it is missing.

    Without heatmaps: verdicts are measured, which cost the same with them in the file.

    Args:
        run: Folder of a run.
        name: `eager` or one of `EXPORTS`.
    """
    if name == AS_TRAINED:
        return run
    form, precision = name.split("_")
    path = run / "export" / name / ("inspector.xml" if form == "openvino" else "inspector.onnx")
    if not path.is_file():
        words = [f"run={run}", f"format={form}", f"precision={precision}", "heatmaps=false"]
        subprocess.run([sys.executable, "scripts/export.py", *words], cwd=ROOT, check=True)
    return path


def images_of(run: Path, parts: Sequence[str]) -> list[tuple[Path, str]]:
    """Files of the images in some parts of a run's split, and the class of each.

    Args:
        run: Folder of a run.
        parts: Of `train`, `val` and `test`.
    """
    made = json.loads((run / "passport.json").read_text(encoding="utf-8"))["made"]
    with (run / "splits.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] in parts]
    return [(Path(made["data"]["root"], row["file"]), row["class"]) for row in rows]
