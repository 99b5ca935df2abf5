"""The labelling tool as a whole."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from inspection.errors import InputError
from inspection.labelling.check import check_labels, in_words
from inspection.labelling.keys import assign_keys
from inspection.labelling.screen import SMALLEST, draw
from inspection.labelling.session import Session
from inspection.labelling.source import open_source
from inspection.labelling.store import PICTURES, Labels
from inspection.labelling.window import check_display, run_window


def label(config: dict[str, Any]) -> int:
    """Label frames in a window, or check labels.

    Args:
        config: Plain values, see `conf/label.yaml`.

    Returns:
        Exit status: 1 when a check found something wrong, else 0.

    Raises:
        InputError: A mistake in the config or the files, or no display.
    """
    attributes, rules = config["attributes"], config["rules"]
    check_rules(rules, attributes)
    if config["check"] is not None:
        if config["source"] is not None:
            raise InputError("source and check: one thing at a time; label first, then check")
        report = check_labels(Path(config["check"]).expanduser(), attributes, rules)
        print(in_words(report), flush=True)
        return 1 if report.faults else 0
    if config["source"] is None:
        raise InputError(
            "source is missing: python scripts/label.py source=<video, folder or pattern>\n"
            "to check labels: python scripts/label.py check=<folder or table>"
        )
    _label(config, attributes, rules)
    return 0


def check_rules(rules: Sequence[Sequence[str]], attributes: Sequence[str]) -> None:
    """Raise an `InputError` for a rule that is no pair of two different attributes."""
    for rule in rules:
        if not isinstance(rule, list) or len(rule) != 2 or rule[0] == rule[1]:
            raise InputError(
                f"rules: {rule} is no rule; expected pairs of attributes that contradict: [[good,error]]"
            )
        for name in rule:
            if name not in attributes:
                raise InputError(
                    f"rules: {name!r} is not in attributes=[{','.join(attributes)}]; "
                    "give rules for these attributes, or rules=[]"
                )


def _label(config: dict[str, Any], attributes: list[str], rules: list[list[str]]) -> None:
    keys = assign_keys(attributes, config["keys"])
    size = tuple(config["window"])
    if size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        raise InputError(f"window={list(size)}: expected {SMALLEST[0]} wide and {SMALLEST[1]} high or more")
    output = Path(config["output"]).expanduser()
    videos = open_source(config["source"], saved=output / PICTURES)
    check_display()
    with ExitStack() as stack:
        try:
            stores = [Labels(output, video.name, attributes) for video in videos]
            for store in stores:
                stack.callback(store.close)
            session = Session(list(zip(videos, stores, strict=True)), attributes, rules, config["carry"])
        except OSError as error:
            raise InputError(
                f"output={output}: can't be written to ({error.strerror}); give output=<folder>"
            ) from None
        run_window("label", session, lambda: draw(session.view(), attributes, keys, size), keys)
        if session.changed:
            print(f"{session.view().file}: changed and not saved")
        for store in stores:
            if len(store) or len(stores) == 1:
                print(f"{len(store)} labelled frames in {store.table}")
        print(f"pictures in {output / PICTURES}", flush=True)
