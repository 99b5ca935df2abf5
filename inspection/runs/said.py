"""What a run said of an image, as `predictions.csv` has it, for every kind of question."""

import math
from collections.abc import Sequence

import numpy as np

from inspection.runs.finished import FinishedRun, Row

_TARGET, _VERDICT, _PREDICTED = "target_", "verdict_", "predicted_"


def attributes_of(row: Row) -> list[str]:
    """Names of the attributes that were asked for; none where there is one verdict an image."""
    return [name[len(_VERDICT) :] for name in row if name.startswith(_VERDICT)]


def quantities_of(row: Row) -> list[str]:
    """Names of the quantities that were measured."""
    return [name[len(_PREDICTED) :] for name in row if name.startswith(_PREDICTED)]


def is_right(row: Row) -> bool | None:
    """Whether all that was said of an image is right; None where that is no question of right or wrong."""
    told = row.get("right", "")
    if told:
        return told == "True"
    if "missed" in row:
        return row["missed"] == row["false_alarms"] == "0"
    if "verdict" in row:
        return row["verdict"] == row["target"]
    if attributes := attributes_of(row):
        return all(holds_right(row, name) for name in attributes)
    return row["alarm"] == row["target_alarm"] if "alarm" in row else None


def holds_right(row: Row, attribute: str) -> bool:
    """Whether what was said of one attribute is right."""
    return row[_TARGET + attribute] == row[_VERDICT + attribute]


def error(row: Row) -> float:
    """Mean absolute error over the quantities; NaN without any."""
    errors = [abs(float(row[_PREDICTED + name]) - float(row[_TARGET + name])) for name in quantities_of(row)]
    return sum(errors) / len(errors) if errors else math.nan


def values(run: FinishedRun, part: str, files: Sequence[str], of: str = "") -> np.ndarray:
    """Of each image 1 for right and 0 for wrong, or how far off it is; float64 `[N]`."""
    rows = [run.rows[part][file] for file in files]
    if of:
        return np.array([float(holds_right(row, of)) for row in rows])
    rights = [is_right(row) for row in rows]
    if None in rights:
        return np.array([error(row) for row in rows])
    return np.array(rights, np.float64)


def is_known(row: Row) -> bool:
    """Whether there is something to compare: right or wrong, or an error that is a number."""
    return is_right(row) is not None or math.isfinite(error(row))


def verdict(row: Row) -> str:
    """What was said, in words."""
    if "verdict" in row:
        wrong = f" ({row['missed']} missed, {row['false_alarms']} false)" if "missed" in row else ""
        return f"{row['verdict']}{wrong}"
    return _in_words(row, _VERDICT, _PREDICTED, "alarm")


def decided(row: Row) -> str:
    """What was decided, to be compared: of quantities with an alarm the alarm, not their decimals."""
    return row["alarm"] if "alarm" in row else verdict(row)


def target(row: Row) -> str:
    """What is true, in words."""
    return row["target"] if "target" in row else _in_words(row, _TARGET, _TARGET, "target_alarm")


def _in_words(row: Row, attribute: str, quantity: str, alarm: str) -> str:
    if names := attributes_of(row):
        return ", ".join(name for name in names if row[attribute + name] == "True") or "none"
    names = quantities_of(row)
    words = [f"{name} {float(row[quantity + name]):.1f}" for name in names]
    if alarm in row:
        words.append("alarm" if row[alarm] == "True" else "no alarm")
    return ", ".join(words)


def truth(row: Row) -> Sequence[str]:
    """What is true, to be compared."""
    return [value for name, value in row.items() if name == "target" or name.startswith(_TARGET)]
