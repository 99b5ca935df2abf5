"""The labelling tool as a whole."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from inspection.errors import InputError
from inspection.labelling.check import check_labels, in_words
from inspection.labelling.keys import assign_keys
from inspection.labelling.relabel import ListedImages, known_rules, read_doubted, store_of
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
    if config["relabel"] is not None:
        if config["source"] is not None or config["check"] is not None:
            raise InputError("relabel and source or check: one thing at a time")
        _relabel(config)
        return 0
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
            "to check labels: python scripts/label.py check=<folder or table>\n"
            "to put labels right that an audit doubts: python scripts/label.py relabel=<relabel.csv>"
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


def _window_size(config: dict[str, Any]) -> tuple[int, int]:
    width, height = config["window"]
    if width < SMALLEST[0] or height < SMALLEST[1]:
        raise InputError(
            f"window={[width, height]}: expected {SMALLEST[0]} wide and {SMALLEST[1]} high or more"
        )
    return width, height


def _relabel(config: dict[str, Any]) -> None:
    """Walk through the images that an audit doubts, and change their labels where they are."""
    doubted = read_doubted(Path(config["relabel"]).expanduser())
    names = list(doubted.names)
    keys, size = assign_keys(names, config["keys"]), _window_size(config)
    rules = [] if doubted.exclusive else known_rules(config["rules"], names)
    check_display()
    store = store_of(doubted)
    with ExitStack() as stack:
        stack.callback(store.close)
        before = {file: store.get(file) for file in doubted.files}
        try:
            reels = [(ListedImages(doubted), store)]
            session = Session(reels, names, rules, resume=False, exclusive=doubted.exclusive)
        except OSError as error:
            raise InputError(f"{store.table}: can't be written ({error.strerror})") from None
        run_window("label", session, lambda: draw(session.view(), names, keys, size), keys)
        if session.changed:
            print(f"{session.view().file}: changed and not saved")
        changed = sum(store.get(file) != values for file, values in before.items())
        where = ", ".join(map(str, doubted.tables))
        print(f"{changed} of {len(doubted.files)} images have another label now: {where}", flush=True)


def _label(config: dict[str, Any], attributes: list[str], rules: list[list[str]]) -> None:
    keys, size = assign_keys(attributes, config["keys"]), _window_size(config)
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
