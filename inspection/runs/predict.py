"""A trained inspector on images that it has not seen."""

import csv
import glob
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inspection.data.images import find_images, read_image
from inspection.errors import InputError
from inspection.inspector import Box, Verdict
from inspection.inspector.plain import write_json
from inspection.pictures.files import write_png
from inspection.runs.commands import announce_inspector, open_inspector, open_output, table
from inspection.runs.lookout import Lookout

UNLIKE = "unlike"
"""Column of what of an image is as on none that the inspector was validated on."""
SHOWN, FAULTS = 40, 5
"""Rows of the printed table, and faults that are printed; the CSV has all of them."""


def predict(config: dict[str, Any]) -> int:
    """Inspect images; write `predictions.csv`, overlays, and in `drift.json` whether they look like validation's.

    Args:
        config: Plain values, see `conf/predict.yaml`.

    Returns:
        Exit status: 0 when every image was inspected, 1 when some could not be read.

    Raises:
        InputError: If the run or the images are not there.
    """
    given = Path(config["run"])
    if config["batch_size"] < 1:
        raise InputError(f"batch_size={config['batch_size']}: expected 1 or more")
    inspector = open_inspector("run", given, config["threshold"], config["device"], config["threads"])
    lookout = Lookout(inspector)
    root, files = find_input(config["input"])
    output = open_output(config["output"], given.parent if given.is_file() else given, "predict")

    announce_inspector(inspector.passport)
    answers = inspector.answers
    print(f"{answers.operating_point()}\n")
    shown: list[list[str]] = [["file", "verdict", *answers.headings()]]
    errors: list[str] = []
    judged: Counter[str] = Counter()
    boxes: list[tuple[str, tuple[int, int], Sequence[Box]]] = []
    with ExitStack() as stack:
        judge = _open_table(stack, output / "predictions.csv", ["file", *answers.columns(), UNLIKE, "fault"])
        further = {
            name: _open_table(stack, output / name, ["file", *columns])
            for name, columns in answers.tables().items()
        }
        for file, image, result, unlike in _inspect_all(lookout, root, files, config):
            if isinstance(result, Verdict):
                judged.update(answers.tally(result))
                boxes.append((file, image.shape[:2], result.boxes))
                judge([[file, *answers.cells(result), unlike, ""]])
                for name, rows in answers.rows(result).items():
                    further[name]([[file, *row] for row in rows])
                row = [file, result.label, *answers.figures(result)]
                if config["overlays"]:
                    panel = answers.overlay(file, inspector.geometry.picture(image), result)
                    write_png(output / "overlays" / f"{file}.png", panel)
            else:
                judge([[file, *("" for _ in answers.columns()), "", str(result)]])
                row = [file, "unreadable", *("-" for _ in answers.headings())]
                errors.append(str(result))
            if len(shown) <= SHOWN:
                shown.append(row)
    _write_files(output, answers.files(boxes))
    print(table(shown))
    if len(files) > SHOWN:
        print(f"  ... {len(files) - SHOWN} more in {output / 'predictions.csv'}")
    if errors:
        print("\n" + "\n".join(errors[:FAULTS]))
        if len(errors) > FAULTS:
            print(f"... {len(errors) - FAULTS} more in the column fault of {output / 'predictions.csv'}")
    print("\n".join(["", *lookout.report(output)]))
    totals = [f"{name} {judged[name]}" for name in answers.tallied()]
    images = "1 image" if len(files) == 1 else f"{len(files)} images"
    print(f"{images}: {', '.join(totals + [f'unreadable {len(errors)}'] * bool(errors))}")
    print(output, flush=True)
    return 1 if errors else 0


def _write_files(output: Path, files: Mapping[str, Any]) -> None:
    for name, content in files.items():
        write_json(output / name, content)


def _open_table(stack: ExitStack, path: Path, columns: Sequence[str]) -> Callable[[list[list[str]]], None]:
    """Begin a CSV file; what is called with rows writes them at once: a run that is stopped keeps what it has."""
    stream = stack.enter_context(path.open("w", newline="", encoding="utf-8"))
    writer = csv.writer(stream)

    def write(rows: list[list[str]]) -> None:
        writer.writerows(rows)
        stream.flush()

    write([list(columns)])
    return write


def find_input(given: str) -> tuple[Path, list[str]]:
    """Images of a folder (at any depth), a single file, or a shell pattern.

    Returns:
        A folder and the files relative to it, sorted.

    Raises:
        InputError: If there is none.
    """
    if not given.strip():
        raise InputError("input: expected a file, a folder or a pattern, but it is empty")
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


Inspected = tuple[Verdict | InputError, str]
"""The verdict on an image, or what is wrong with it, and names of what is out of the ordinary in it."""


def _inspect_one(
    lookout: Lookout, root: Path, file: str, pixels: np.ndarray, shape: tuple[int, int], overlays: bool
) -> Inspected:
    try:
        (verdict,), seen = lookout.watch.inspect_pixels([pixels], [shape], overlays)
    except InputError as error:
        return InputError(f"{root / file}: {error}"), ""
    (unlike,) = lookout.see([file], seen)
    return verdict, unlike


def _inspect_all(
    lookout: Lookout, root: Path, files: Sequence[str], config: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray, Verdict | InputError, str]]:
    """File, image, verdict (or what is wrong with it) and what is out of the ordinary, in order."""
    watch, size = lookout.watch, config["batch_size"]
    bar = tqdm(total=len(files), unit="image", leave=False, disable=not sys.stderr.isatty())
    for start in range(0, len(files), size):
        results: dict[str, tuple[np.ndarray, Verdict | InputError, str]] = {}
        images, pixels = {}, []
        for file in files[start : start + size]:
            try:
                image = read_image(root / file)
                pixels.append(watch.inspector.geometry.apply(image, str(root / file)))
                images[file] = image
            except InputError as error:
                results[file] = (np.zeros((0, 0), np.uint8), error, "")
        shapes = [image.shape[:2] for image in images.values()]
        inspected: list[Inspected] = []
        try:
            if images:
                verdicts, seen = watch.inspect_pixels(pixels, shapes, config["overlays"])
                inspected = list(zip(verdicts, lookout.see(list(images), seen), strict=True))
        except InputError:  # of some image, and the others have a verdict
            inspected = [
                _inspect_one(lookout, root, file, own, shape, config["overlays"])
                for file, own, shape in zip(images, pixels, shapes, strict=True)
            ]
        for (file, image), (verdict, unlike) in zip(images.items(), inspected, strict=True):
            results[file] = (image, verdict, unlike)
        for file in files[start : start + size]:
            bar.update()
            yield file, *results[file]
    bar.close()
