"""Can a set of images be believed? Looks at all of it before anything is trained."""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.audit.balance import balance
from inspection.audit.boxes import annotation_faults, check_boxes
from inspection.audit.files import odd, unreadable
from inspection.audit.findings import Case, Finding, counted, in_words, ranked
from inspection.audit.grouping import can_be_grouped, divided_groups, named_groups, write_grouped_split
from inspection.audit.look import Album, look_at_all
from inspection.audit.masks import check_masks
from inspection.audit.outliers import outliers
from inspection.audit.quantities import check_quantities
from inspection.audit.sameness import Copies, copies_of, sameness
from inspection.audit.sheets import draw_finding
from inspection.config.instantiate import instantiate
from inspection.data.images import find_images
from inspection.data.module import ImageDataModule
from inspection.data.mvtec import MASKS
from inspection.data.objects import ObjectDataModule
from inspection.data.splits import Samples, find_groups
from inspection.data.thermal import ThermalDataModule
from inspection.errors import InputError
from inspection.inspector.plain import write_json
from inspection.pictures.files import write_png
from inspection.runs import console
from inspection.runs.relabel import relabel

REPORT, SPLIT = "audit.json", "splits.csv"
_REFUSED = "refused"


@dataclass(frozen=True)
class Contents:
    """What a data module finds in its folder, as far as it goes.

    Attributes:
        files: Of the images.
        targets: None where the labels could not be had.
        parts: None where the set could not be split.
        samples: The same as the data module deals it out; None where it refuses.
        findings: What it refuses, and what it notes.
    """

    files: tuple[str, ...]
    targets: NDArray[Any] | None
    parts: NDArray[Any] | None
    samples: Samples | None
    findings: list[Finding]


def audit(config: dict[str, Any]) -> int:
    """Audit the data of a task, or the labels of a sweep over folds.

    Args:
        config: Plain values, see `conf/audit.yaml`.

    Returns:
        Exit status: 1 when something would make the results untrue, else 0.

    Raises:
        InputError: On a person's mistake in the config.
    """
    data: ImageDataModule = instantiate(config["data"])
    data.progress = console.steps()
    output = _output(config)
    if config["sweep"] is not None:
        return relabel(data, Path(config["sweep"]).expanduser(), output)
    contents = open_contents(data)
    start = time.monotonic()
    album = _look(data, contents)
    seconds = time.monotonic() - start
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    print(f"\n{config['task']['name']}: {len(album.files)} {kind} in {data.root}")
    rate = len(album.files) / max(seconds, 1e-9)
    print(f"looked at in {seconds:.1f} s ({rate:.0f} images/s)\n")
    findings = ranked(contents.findings + find_all(data, contents, album, output))
    print(in_words(findings) or "nothing found")
    _write(data, album, findings, output)
    counts = {
        severity: sum(f.severity == severity for f in findings) for severity in ("error", "warning", "note")
    }
    print(f"\n{', '.join(counted(number, name, f'{name}s') for name, number in counts.items())}")
    print(f"all cases: {output / REPORT}", flush=True)
    return 1 if counts["error"] else 0


def _output(config: dict[str, Any]) -> Path:
    if config["output"] is not None:
        return Path(config["output"]).expanduser()
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    return Path(config["paths"]["outputs"]) / "audit" / config["task"]["name"] / stamp


def open_contents(data: ImageDataModule) -> Contents:
    """Ask a data module for its images; what it refuses is a finding, and less is known of them then.

    Raises:
        InputError: There is no such folder, or no image in it.
    """
    data.prepare_data()  # a folder that is not there is a mistake of the command line, not of the data
    refused: list[Finding] = []
    data.faults = []
    try:
        samples = data.deal_out()
        notes = [Finding("data", "note", note) for note in data.notes]
        return Contents(samples.files, samples.targets, samples.parts, samples, notes + _faults(data))
    except InputError as error:
        refused.append(_refusal(error))
    data.faults = []
    try:
        found = data.find_samples(data.root)
        return Contents(tuple(found.files), found.targets, None, None, refused + _faults(data))
    except InputError as error:
        if str(error) != _reason(refused[0]):
            refused.append(_refusal(error))
    paths = [path.relative_to(data.root) for path in find_images(data.root)]
    files = tuple(path.as_posix() for path in paths if path.parts[0] != MASKS)
    if not files:
        raise InputError(_reason(refused[-1]))
    return Contents(files, None, None, None, refused)


def _faults(data: ImageDataModule) -> list[Finding]:
    """What is wrong with single images and was gone on from."""
    if not data.faults:
        return []
    title = f"a training refuses this set for {counted(len(data.faults), 'fault', 'faults')} of single images"
    return [Finding("faults", "error", title, tuple(map(Case, data.faults)))]


def _refusal(error: InputError) -> Finding:
    what, _, remedy = str(error).partition("\n")
    return Finding(_REFUSED, "error", "a training refuses this set", (Case(what),), remedy)


def _reason(refusal: Finding) -> str:
    """What a training said when it refused the set."""
    return "\n".join(filter(None, (refusal.cases[0].text, refusal.remedy)))


def _progress(data: ImageDataModule, what: str) -> Callable[[int, int], None] | None:
    """Reports the steps of one thing, as the data module's preparations are reported."""
    report = data.progress
    return None if report is None else lambda done, total: report(what, done, total)


def _look(data: ImageDataModule, contents: Contents) -> Album:
    progress = _progress(data, "looking at images")
    looks, faults = look_at_all(contents.files, data.camera_image, data.geometry, progress)
    samples = contents.samples
    try:
        groups = samples.groups if samples is not None else find_groups(contents.files, data.group)
    except InputError:  # is what was refused
        groups = contents.files
    return Album(
        contents.files,
        looks,
        faults,
        data.labels,
        contents.targets,
        contents.parts,
        groups,
        grouped=groups != contents.files,
    )


def find_all(data: ImageDataModule, contents: Contents, album: Album, output: Path) -> list[Finding]:
    """Everything that the checks find; a split that keeps copies together is written where there are some.

    Args:
        data: The data module, which has found its samples.
        contents: What it found.
        album: The images that were looked at.
        output: Folder for the split.
    """
    found = [*unreadable(album), *odd(album), *balance(album), *outliers(album), *divided_groups(album)]
    found += check_masks(album, data.root, data.mask_files)
    if isinstance(data, ObjectDataModule):
        found += _boxes(data, album, contents.targets is not None)
    if isinstance(data, ThermalDataModule):
        found += check_quantities(album, data.statistics, data.window)
    if not len(album.seen):
        return found
    copies = copies_of(album, _progress(data, "comparing pairs of images"))
    command, more = _suggest(data, contents, copies, output / SPLIT)
    return [*found, *sameness(album, copies, command), *more, *named_groups(album, copies.near)]


def _suggest(
    data: ImageDataModule, contents: Contents, copies: Copies, path: Path
) -> tuple[str, list[Finding]]:
    """Write a split that keeps copies together; the words of a command that takes it, and what is to be said."""
    samples = contents.samples
    there = len(copies.near) or copies.equal
    if samples is None or not there or not can_be_grouped(samples):
        return "", []
    # A group of copies in one part is one pair of group and part.
    pairs = set(zip(copies.first.tolist(), np.asarray(samples.parts).tolist(), strict=True))
    if len(pairs) == len(set(copies.first.tolist())):
        return "", []
    try:
        dealt = write_grouped_split(path, samples, copies, data.split_seed)
    except InputError as error:
        return "", [Finding("split", "note", f"copies can't be kept together: {error}")]
    command = f"{_words('data.splits', path)}\n(in cross-validation: {_words('data.group', path)})"
    sizes = ", ".join(f"{len(dealt.rows(part))} {part}" for part in ("train", "val", "test"))
    title = f"a split that keeps copies together: {len(set(dealt.groups))} groups; {sizes}: {path}"
    return command, [Finding("split", "note", title)]


def _words(key: str, path: Path) -> str:
    """A setting as shell and Hydra take it, whatever letters the path has.

    >>> print(_words("data.splits", Path("a/splits.csv")), _words("data.splits", Path("ä b/splits.csv")))
    data.splits=a/splits.csv 'data.splits="ä b/splits.csv"'
    """
    plain = re.fullmatch(r"[A-Za-z0-9_./-]+", str(path))
    return f"{key}={path}" if plain else f"'{key}=\"{path}\"'"


def _boxes(data: ObjectDataModule, album: Album, known: bool) -> list[Finding]:
    """All that is wrong with boxes, also where the data module refuses them."""
    prefix = "" if data.pictures in ("", ".") else f"{Path(data.pictures).as_posix()}/"
    sizes = {
        file.removeprefix(prefix): look.size
        for file, look in zip(album.files, album.looks, strict=True)
        if look is not None
    }
    try:
        content = json.loads((data.root / data.annotations).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):  # is what was refused
        return []
    found = annotation_faults(content, sizes) if isinstance(content, dict) else []
    if not known:
        return found
    boxes = {prefix + image.file: (image.boxes, image.classes) for image in data.coco.images}
    scale = {}
    for file, look in zip(album.files, album.looks, strict=True):
        height, width = look.size if look is not None else data.geometry.image_size
        if data.geometry.crop is not None:
            left, top, right, bottom = data.geometry.crop
            height, width = bottom - top, right - left
        scale[file] = min(data.geometry.image_size[0] / height, data.geometry.image_size[1] / width)
    return found + check_boxes(album, boxes, scale)


def _write(data: ImageDataModule, album: Album, findings: list[Finding], output: Path) -> None:
    """The report and the pictures; those of an earlier audit in the same folder go."""
    with suppress(OSError, ValueError, KeyError):
        for earlier in json.loads((output / REPORT).read_text(encoding="utf-8"))["findings"]:
            if earlier["picture"] is not None:
                (output / earlier["picture"]).unlink(missing_ok=True)
    captions = {file: album.facts(row) for row, file in enumerate(album.files)}
    pictures = {}
    for finding in findings:
        if finding.pictured:
            sheet = draw_finding(
                finding, lambda file: data.geometry.picture(data.camera_image(file)), captions
            )
            pictures[finding.check] = write_png(output / f"{finding.check}.png", sheet).name
    values = [finding.as_json() | {"picture": pictures.get(finding.check)} for finding in findings]
    about = {"root": str(data.root), "synthetic": data.is_synthetic, "images": len(album.files)}
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / REPORT, about | {"findings": values})
