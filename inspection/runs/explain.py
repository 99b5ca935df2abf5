"""What a trained network looks at: overlays, methods side by side, and how true they are to it."""

import re
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from inspection.data.images import IMAGE_SUFFIXES, CameraImage, read_image
from inspection.data.masks import MaskReader
from inspection.errors import InputError
from inspection.explain.faithfulness import Curves, faithfulness
from inspection.explain.heatmaps import METHOD_NAMES, Heatmaps, Method
from inspection.inspector import Inspector, Verdict
from inspection.inspector.evidence import subject_of, watched_scores
from inspection.pictures.evidence import Shown, comparison_sheet, evidence_picture
from inspection.pictures.files import write_png
from inspection.runs.commands import announce_inspector, open_inspector, open_output, table
from inspection.runs.evidence_figures import RANDOM, EvidenceFigures
from inspection.runs.evidence_plan import Plan
from inspection.runs.inside import Show, draw_features, draw_filters
from inspection.runs.predict import find_input
from inspection.runs.stopwatch import Stopwatch


def explain(config: dict[str, Any]) -> int:
    """Write overlays, a comparison of methods, their figures, filters and feature maps.

    Args:
        config: Plain values, see `conf/explain.yaml`.

    Returns:
        Exit status: 0 when every image was explained, 1 when some image or mask could not be read.

    Raises:
        InputError: If run, images, masks, layer, target or method are not there or do not fit.
    """
    for key in ("batch_size", "steps"):
        if config[key] < 1:
            raise InputError(f"{key}={config[key]}: expected 1 or more")
    given = Path(config["run"])
    inspector = open_inspector("run", given, None)
    root, files = find_input(config["input"])
    subject = subject_of(inspector)
    plan = None if subject is None else Plan.of(inspector, subject, config)
    masks = {} if config["masks"] is None or plan is None else find_masks(config["masks"], root, files)
    errors: list[str] = []
    batches = _batches(inspector, root, files, config["batch_size"], errors)
    first = next(batches, None)
    if first is None:
        print("\n".join([*errors, f"\nnothing was explained: none of {len(files)} images could be read"]))
        return 1
    output = open_output(config["output"], given.parent if given.is_file() else given, "explain")

    announce_inspector(inspector.passport)
    with SummaryWriter(str(output)) as board:

        def show(tag: str, picture: np.ndarray) -> None:
            board.add_image(tag, picture, dataformats="HWC")

        if plan is None:
            print("\nboxes are their own evidence: scripts/predict.py draws them over the images")
            batches.close()
        else:
            _explain_all(inspector, plan, chain([first], batches), masks, errors, output, show)
        _look_inside(inspector, first, config, output, show)
    if errors:
        print("\n" + "\n".join(errors))
    print(f"\n{output}\nlook at it:  tensorboard --logdir {output}", flush=True)
    return 1 if errors else 0


def find_masks(folder: str, root: Path, files: Sequence[str]) -> dict[str, Path]:
    """The masks of images: at the same place below their folder, by the image's name or with `_mask` behind it.

    Args:
        folder: Of the masks.
        root: Of the images.
        files: Paths of the images below it.

    Returns:
        Mask by image, for those that have one; an image without a mask is one without a defect.

    Raises:
        InputError: None of the images has a mask.
    """
    found = {}
    for file in files:
        place, stem = (Path(folder) / file).parent, Path(file).stem
        suffixes = sorted(IMAGE_SUFFIXES)
        names = [Path(file).name, *(f"{stem}{end}{suffix}" for end in ("", "_mask") for suffix in suffixes)]
        mask = next((place / name for name in names if (place / name).is_file()), None)
        if mask is not None:
            found[file] = mask
    if not found:
        example = Path(folder) / Path(files[0]).with_suffix(".png")
        raise InputError(
            f"masks={folder}: none of the {len(files)} images has a mask there; expected files such as {example} "
            f"or {example.stem}_mask.png beside it"
        )
    return found


# --- image by image -----------------------------------------------------------------------------------------


class _Batch(NamedTuple):
    """Images of some files: the camera's, and what the network sees."""

    files: list[str]
    paths: list[Path]
    images: list[CameraImage]
    pixels: Tensor


def _batches(
    inspector: Inspector, root: Path, files: Sequence[str], size: int, errors: list[str]
) -> Generator[_Batch, None, None]:
    """Images that can be read; what is wrong with the others is added to `errors`."""
    bar = tqdm(total=len(files), unit="image", leave=False, disable=not sys.stderr.isatty())
    for start in range(0, len(files), size):
        read = []
        for file in files[start : start + size]:
            try:
                image = read_image(root / file)
                read.append((file, image, inspector.geometry.apply(image, str(root / file))))
            except InputError as error:
                errors.append(str(error))
        if read:
            names, images, pixels = (list(column) for column in zip(*read, strict=True))
            seen = torch.from_numpy(np.stack(pixels)).to(inspector.trained.device)
            yield _Batch(names, [root / name for name in names], images, seen)
        bar.update(min(size, len(files) - start))
    bar.close()


def _explain_all(
    inspector: Inspector,
    plan: Plan,
    batches: Iterable[_Batch],
    masks: Mapping[str, Path],
    errors: list[str],
    output: Path,
    show: Show,
) -> None:
    """Pictures and figures of all images; what is wrong with masks is added to `errors`."""
    size = inspector.geometry.image_size
    if passes := plan.passes(size):
        words = ", ".join(f"{number} for {what}" for what, number in passes.items())
        print(f"forward passes of each image at {size[0]}x{size[1]}: {words}\n", flush=True)
    figures = EvidenceFigures(plan.subject.names, plan.pointed_at)
    watch = Stopwatch(inspector.trained.device)
    score = watched_scores(plan.subject)
    for batch in batches:
        verdicts = inspector.inspect_pixels(
            list(batch.pixels.cpu().numpy()), [image.shape[:2] for image in batch.images]
        )
        found: dict[Method, list[Heatmaps]] = {}
        for method in plan.methods:
            with watch.measure(METHOD_NAMES[method]):
                found[method] = plan.heatmaps(method, batch.pixels)
        truth = _masks_of(inspector, batch, masks, errors) if masks else None
        measured: dict[str, list[Heatmaps]] = dict(found.items())
        if plan.steps:
            measured[RANDOM] = [_nothing(each) for each in found[plan.methods[0]]]
        curves: dict[tuple[str, int], Curves] = {}
        for name, heats in measured.items():
            for place, heat in enumerate(heats):
                if plan.steps:
                    with watch.measure("curves"):
                        curves[name, place] = faithfulness(
                            score,
                            batch.pixels,
                            heat.maps,
                            heat.targets,
                            steps=plan.steps,
                            batch_size=plan.batch_size,
                        )
                figures.add(batch.files, plan.called(place), name, heat, curves.get((name, place)), truth)
        with watch.measure("pictures"):
            for row, verdict in enumerate(verdicts):
                _draw(inspector, plan, batch, row, verdict, found, curves, output)
    _say(plan, figures, watch, output, show)


def _nothing(like: Heatmaps) -> Heatmaps:
    """A map without heat, whose pixels go in a random order."""
    empty = torch.zeros_like(like.maps), torch.zeros_like(like.evidence)
    return Heatmaps(*empty, like.method, like.logits, like.targets)


def _masks_of(inspector: Inspector, batch: _Batch, masks: Mapping[str, Path], errors: list[str]) -> Tensor:
    """As the network sees them, uint8 [N, H, W]; all 0 without one that can be read and fits its image."""
    seen = np.zeros((len(batch.files), *inspector.geometry.image_size), np.uint8)
    for row, (file, path) in enumerate(zip(batch.files, batch.paths, strict=True)):
        if file in masks:
            try:
                seen[row] = MaskReader(inspector.geometry, {masks[file]: path}).read(masks[file])[0]
            except InputError as error:
                errors.append(str(error))
    return torch.from_numpy(seen)


def _draw(
    inspector: Inspector,
    plan: Plan,
    batch: _Batch,
    row: int,
    verdict: Verdict,
    found: Mapping[Method, list[Heatmaps]],
    curves: Mapping[tuple[str, int], Curves],
    output: Path,
) -> None:
    """The overlays of one image, and the methods side by side."""
    file, image = batch.files[row], batch.images[row]
    picture = inspector.geometry.picture(image)
    rows: list[tuple[str, dict[str, Shown]]] = []
    for place, heat in enumerate(found[plan.methods[0]]):
        cells = {}
        for method in plan.methods:
            heats = found[method][place].of(row)
            if heats is not None:
                heats = inspector.geometry.heatmap_to_camera(heats, image.shape[:2])
            cells[METHOD_NAMES[method]] = Shown(heats, _caption(curves.get((method, place)), row))
        rows.append((plan.subject.names[int(heat.targets[row])], cells))
    for place, (name, cells) in enumerate(rows):
        method_name, (overlaid, _) = next(iter(cells.items()))
        drawn = evidence_picture(
            picture,
            overlaid,
            [file, f"{verdict.label} · {method_name} for {name}"],
            colour=plan.colours.get(name),
            note="1 is the hottest place of this image",
        )
        own = f"{file}/{_as_file(place, name)}" if len(rows) > 1 else file
        write_png(output / "overlays" / f"{own}.png", drawn)
    if len(plan.methods) > 1:
        sheet = comparison_sheet(picture, rows, [file, verdict.label])
        write_png(output / "comparison" / f"{file}.png", sheet)


def _caption(curves: Curves | None, row: int) -> str:
    if curves is None:
        return ""
    deletion, insertion = float(curves.deletion_area[row]), float(curves.insertion_area[row])
    return f"deletion {deletion:.3g} · insertion {insertion:.3g}"


def _as_file(place: int, name: str) -> str:
    """A class's name as that of a file: it comes from a person and may hold anything, so two may become alike.

    >>> _as_file(0, "../bent / dirty"), _as_file(1, "bent dirty"), _as_file(2, "Größe")
    ('0_bent_dirty', '1_bent_dirty', '2_Größe')
    """
    plain = re.sub(r"[^\w-]+", "_", name).strip("_")
    return f"{place}_{plain}"


# --- what is said -------------------------------------------------------------------------------------------


def _say(plan: Plan, figures: EvidenceFigures, watch: Stopwatch, output: Path, show: Show) -> None:
    first, *others = [METHOD_NAMES[method] for method in plan.methods]
    beside = f" beside {', '.join(others)}" if others else ""
    count = len({row["file"] for row in figures.rows})
    print(f"{first}{beside}, of {count} {'image' if count == 1 else 'images'}\n")
    print(table(figures.means()))
    if 0 < figures.with_mask < count:
        print(
            f"\nheat inside and hit are of {figures.with_mask} of the {count} images: the others have no mask"
        )
    print(f"\ntime of each image: {watch.words(count)}")
    if plan.steps:
        print(f"\ncurves show the {plan.subject.unit}: a low deletion and a high insertion are good")
        for place, target in enumerate(figures.targets):
            own = f"faithfulness/{_as_file(place, target)}" if len(figures.targets) > 1 else "faithfulness"
            chart = figures.chart(target, plan.subject.unit)
            write_png(output / f"{own}.png", chart)
            show(own, chart)
    print(f"\noverlays in {output / 'overlays'}")
    if others:
        print(f"methods side by side in {output / 'comparison'}")
    if figures.measured:
        figures.write(output / "faithfulness.csv")
        print(f"figures of each image in {output / 'faithfulness.csv'}")


def _look_inside(
    inspector: Inspector, first: _Batch, config: Mapping[str, Any], output: Path, show: Show
) -> None:
    if config["filters"]:
        count = draw_filters(inspector.model, output, show)
        print(f"filters of {count} convolutions in {output / 'filters'}")
    if config["features"]:
        count, pages = draw_features(inspector.model, first.pixels[0], first.files[0], output, show)
        further = f" to {pages[-1].name}" if len(pages) > 1 else ""
        print(f"maps after each of {count} layers in {pages[0]}{further}")
