"""Whether runs can be compared, on which images, and which of those belong together."""

import itertools
from collections.abc import Sequence

from inspection.errors import InputError
from inspection.runs import said
from inspection.runs.finished import Runs


def check_same_question(runs: Runs, part: str) -> None:
    """Raise an `InputError` unless all runs have answers of one kind, about the same names, for the part."""
    first = next(iter(runs.values()))
    for run in runs.values():
        if part not in run.rows:
            raise InputError(
                f"runs: {run.folder}: none of its {part} images was evaluated; "
                + ("compare them with part=val" if part == "test" else "give another run")
            )
        if run.classes != first.classes:
            raise InputError(
                f"runs: {first.folder} tells {', '.join(first.classes)} apart, but {run.folder} "
                f"{', '.join(run.classes)}; give runs that answer the same question"
            )
        kinds = [_kind(each.any_row(part)) for each in (first, run)]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"runs: {first.folder} gives {kinds[0]}, but {run.folder} {kinds[1]}; "
                "give runs that answer the same question"
            )


def _kind(row: said.Row) -> str:
    if said.attributes_of(row):
        return "attributes"
    if said.quantities_of(row):
        return "quantities"
    return "boxes" if "missed" in row else "a verdict"


def _notes_on_what_differs(runs: Runs) -> list[str]:
    """Question, rule and place of the images, where the runs differ in them."""
    notes = []
    questions = {run.passport.question for run in runs.values()}
    if len(questions) > 1:
        notes.append(f"the runs ask different questions: {'; '.join(sorted(questions))}")
    if len({run.rule for run in runs.values()}) > 1:
        notes.append(
            "the runs were decided by different rules: what follows compares rules as much as networks; decide "
            "them alike first (python scripts/decide.py run=<run> decide=<rule>), or look at auroc and "
            "average_precision"
        )
    roots = {run.data_root for run in runs.values()}
    if len(roots) > 1:
        places = ", ".join(sorted(roots))
        notes.append(f"the data lay in {places}: images of one name are taken for the same")
    return notes


def find_common(runs: Runs, part: str) -> tuple[list[str], list[str]]:
    """The images that can be compared, in the first run's order, and what a person should know about them.

    Raises:
        InputError: If there are none.
    """
    notes = _notes_on_what_differs(runs)
    first = next(iter(runs.values()))
    for (a, run), (b, other) in itertools.permutations(runs.items(), 2):
        learned = sum(other.parts.get(file) == "train" for file in run.rows[part])
        if learned:
            notes.append(
                f"{learned} of {len(run.rows[part])} {part} images of {a} are training images of {b}: they are "
                "left out, and the figures above are of different images"
            )
    shared = [file for file in first.rows[part] if all(file in run.rows[part] for run in runs.values())]
    if not shared:
        raise InputError(
            f"runs: no {part} image is in all of them; train them on the same data with the same split "
            "(data.splits=<run>/splits.csv)"
        )
    outside = {a: len(run.rows[part]) - len(shared) for a, run in runs.items()}
    if any(outside.values()):
        left = ", ".join(f"{a} {count}" for a, count in outside.items())
        notes.append(f"{part} images of one run that are not in all others are left out: {left}")
    agreed = [
        file
        for file in shared
        if len({tuple(said.truth(run.rows[part][file])) for run in runs.values()}) == 1
    ]
    if len(agreed) < len(shared):
        notes.append(
            f"{len(shared) - len(agreed)} images are left out: the runs were given different targets for them, "
            f"{next(file for file in shared if file not in agreed)} for one"
        )
    if not agreed:
        raise InputError("runs: they were given different targets for every image that they share")
    measured = [file for file in agreed if all(said.is_known(run.rows[part][file]) for run in runs.values())]
    if len(measured) < len(agreed):
        notes.append(
            f"{len(agreed) - len(measured)} images are left out: for them a run gives no number (NaN or infinite)"
        )
    agreed = measured
    if not agreed:
        raise InputError(f"runs: of no {part} image that they share do all of them give a number")
    groups = set(joint_groups(runs, agreed))
    if len(groups) < len(agreed):
        notes.append(
            f"images of one group (data.group) are not independent: {len(groups)} groups are compared"
        )
    if part == "val":
        notes.append(
            "on validation images each run chose its epoch, and those with a rule their operating point and "
            "temperature: the figures flatter, and the run that chose among more flatters itself more"
        )
    return agreed, notes


def joint_groups(runs: Runs, files: Sequence[str]) -> list[str]:
    """What each image belongs to: images that are of one group to any of the runs are of one.

    Example:
        >>> from types import SimpleNamespace as Run
        >>> a = Run(groups={"1": "x", "2": "x", "3": "3", "4": "4"})
        >>> b = Run(groups={"1": "1", "2": "y", "3": "y", "4": "4"})
        >>> joint_groups({"A": a, "B": b}, ["1", "2", "3", "4"])
        ['1', '1', '1', '4']
    """
    leader = {file: file for file in files}

    def find(file: str) -> str:
        while leader[file] != file:
            leader[file] = file = leader[leader[file]]
        return file

    for run in runs.values():
        first: dict[str, str] = {}
        for file in files:
            leader[find(file)] = find(first.setdefault(run.groups[file], file))
    return [find(file) for file in files]
