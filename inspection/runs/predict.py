"""A trained inspector on images that it has not seen."""

import csv
import glob
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inspection.data.images import find_images, read_image, to_channels, to_uint8
from inspection.decide.decisions import AnyOf, Decision, OneOf
from inspection.errors import InputError
from inspection.explain.cam import METHOD_NAMES
from inspection.inspector import Inspector, Verdict
from inspection.pictures.colours import shown_colours
from inspection.pictures.files import write_png
from inspection.pictures.label_panel import LabelVerdict, label_panel
from inspection.pictures.panel import heat_panel
from inspection.runs.console import table
from inspection.runs.folder import inspector_of

SHOWN = 40
"""Rows of the printed table; the CSV has all of them."""


def predict(config: dict[str, Any]) -> int:
    """Inspect images and write `predictions.csv` and overlays.

    Args:
        config: Plain values, see `conf/predict.yaml`.

    Returns:
        Exit status: 0 when every image was inspected, 1 when some could not be read.

    Raises:
        InputError: If the run or the images are not there.
    """
    if config["batch_size"] < 1:
        raise InputError(f"batch_size={config['batch_size']}: expected 1 or more")
    given = Path(config["run"])
    if given.suffix == ".ckpt":
        raise InputError(f"run={given}: that is a checkpoint; give its run folder {given.parent.parent}")
    inspector = Inspector.load(given) if given.is_file() else inspector_of(given)
    if config["threshold"] is not None:
        inspector = inspector.with_threshold(config["threshold"])
    root, files = find_input(config["input"])
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    output = Path(config["output"] or (given.parent if given.is_file() else given) / "predict" / stamp)
    output.mkdir(parents=True, exist_ok=True)

    passport = inspector.passport
    print(f"\n{passport.task}: {passport.question}")
    if (passport.made.get("data") or {}).get("synthetic"):
        print("the inspector was trained on SYNTHETIC images")
    decision = inspector.decision
    print(f"{_operating_point(decision)}\n")
    asked = _shown_probabilities(decision)
    shown: list[list[str]] = [["file", "verdict", *(asked.values() if asked else ["probability"])]]
    errors: list[str] = []
    judged: Counter[str] = Counter()
    with (output / "predictions.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", *csv_columns(decision), "fault"])
        for file, image, result in _inspect_all(inspector, root, files, config):
            if isinstance(result, Verdict):
                judged.update(
                    [result.label]
                    if decision.exclusive
                    else [name for name, on in result.called.items() if on]
                )
                writer.writerow([file, *csv_cells(result), ""])
                values = [result.probabilities[name] for name in asked] or [result.probability or 0.0]
                row = [file, result.label, *(f"{value:.4f}" for value in values)]
                if config["overlays"]:
                    panel = overlay_of(file, image, result, inspector)
                    write_png(output / "overlays" / f"{file}.png", panel)
            else:
                writer.writerow([file, *("" for _ in csv_columns(decision)), str(result)])
                row = [file, "unreadable", *("-" for _ in asked or [""])]
                errors.append(str(result))
            stream.flush()  # a run that is stopped keeps what it has
            if len(shown) <= SHOWN:
                shown.append(row)
    print(table(shown))
    if len(files) > SHOWN:
        print(f"  ... {len(files) - SHOWN} more in {output / 'predictions.csv'}")
    if errors:
        print("\n" + "\n".join(errors[:SHOWN]))
    totals = [f"{name} {judged[name]}" for name in decision.names]
    print(f"\n{len(files)} images: {', '.join(totals + [f'unreadable {len(errors)}'] * bool(errors))}")
    print(output, flush=True)
    return 1 if errors else 0


def _operating_point(decision: Decision) -> str:
    """What a probability has to be for a verdict, in words."""
    if isinstance(decision, AnyOf):
        limits = zip(decision.names, decision.thresholds, strict=True)
        each = ", ".join(f"{name!r} {threshold:g}" for name, threshold in limits)
        return f"an attribute holds at a probability of at least: {each}"
    if isinstance(decision, OneOf) and decision.defect is not None:
        return f"a part is {decision.names[decision.defect]!r} at a probability of {decision.threshold:g} or more"
    return "the most probable class is the verdict"


def _shown_probabilities(decision: Decision) -> dict[str, str]:
    """Names whose probabilities stand in the printed table, and their headings; empty: that of the verdict.

    The defect's, whatever the verdict: one can sort by it, and a threshold speaks of it.
    """
    if isinstance(decision, OneOf):
        return {} if decision.defect is None else {(name := decision.names[decision.defect]): f"P({name})"}
    return {name: f"P({name})" for name in decision.names}


def csv_columns(decision: Decision) -> list[str]:
    """Columns of `predictions.csv` between file and fault."""
    probabilities = [f"probability_{name}" for name in decision.names]
    if decision.exclusive:
        return ["class", "probability", *probabilities]
    return [*(f"verdict_{name}" for name in decision.names), *probabilities]


def csv_cells(verdict: Verdict) -> list[str]:
    """One verdict in the columns of `csv_columns`."""
    probabilities = [f"{value:.6f}" for value in verdict.probabilities.values()]
    if verdict.probability is not None:
        return [verdict.label, f"{verdict.probability:.6f}", *probabilities]
    return [*(str(on) for on in verdict.called.values()), *probabilities]


def find_input(given: str) -> tuple[Path, list[str]]:
    """Images of a folder (at any depth), a single file, or a shell pattern.

    Returns:
        A folder and the files relative to it, sorted.

    Raises:
        InputError: If there is none.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return path.parent, [path.name]
    if path.is_dir():
        files = find_images(path)
        if not files:
            raise InputError(f"input={given}: the folder holds no images (bmp, png, jpg, tif)")
        return path, [file.relative_to(path).as_posix() for file in files]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    matches = [match for match in matches if match.is_file()]
    if not matches:
        raise InputError(f"input={given}: no such file or folder, and no file matches it as a pattern")
    # the longest folder without a wildcard: what stays of each name is short and still unique
    root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    return root, [match.relative_to(root).as_posix() for match in matches]


def _inspect_all(
    inspector: Inspector, root: Path, files: Sequence[str], config: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray, Verdict | InputError]]:
    """File, image and verdict (or what is wrong with it), in order."""
    size = config["batch_size"]
    bar = tqdm(total=len(files), unit="image", leave=False, disable=not sys.stderr.isatty())
    for start in range(0, len(files), size):
        results: dict[str, tuple[np.ndarray, Verdict | InputError]] = {}
        images, pixels = {}, []
        for file in files[start : start + size]:
            try:
                image = read_image(root / file)
                pixels.append(inspector.geometry.apply(image, str(root / file)))
                images[file] = image
            except InputError as error:
                results[file] = (np.zeros((0, 0), np.uint8), error)
        shapes = [image.shape[:2] for image in images.values()]
        verdicts = inspector.inspect_pixels(pixels, shapes, heatmaps=config["overlays"])
        for (file, image), verdict in zip(images.items(), verdicts, strict=True):
            results[file] = (image, verdict)
        for file in files[start : start + size]:
            bar.update()
            yield file, *results[file]
    bar.close()


def overlay_of(file: str, image: np.ndarray, verdict: Verdict, inspector: Inspector) -> np.ndarray:
    """The whole camera image with its evidence, RGB."""
    picture = np.moveaxis(to_channels(to_uint8(image, inspector.geometry.white_level), 3), 0, -1)
    if verdict.probability is None:
        colours = shown_colours(inspector.decision.names, inspector.passport.colours)
        said = {name: LabelVerdict(verdict.probabilities[name], verdict.called[name]) for name in colours}
        return label_panel(picture, verdict.heatmaps, colours, [file, verdict.label], said)
    title = [file, f"{verdict.label} {verdict.probability:.2f}"]
    explained, heat = next(iter(verdict.heatmaps.items()))
    if verdict.method is not None:
        title[1] += f" · {METHOD_NAMES[verdict.method]} for {explained}"
    return heat_panel(picture, heat, title, width=480)
