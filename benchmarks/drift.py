"""How often drift is reported where there is some, and where there is none.

    python -m benchmarks.drift run=outputs/coil/small_cnn/<time>

False alarms: validation and test images of a run are dealt out anew, many times, to a reference and a line, so
that nothing tells them apart; and so that the line's windows hold no defect but those of validation, or one in a
hundred. Power: windows of 50 test images, changed as a lamp, a lens or a bracket changes
them, against the run's own reference. Counted is the share of windows that are reported, and of single images
that are called unlike.
"""

import csv
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from inspection.drift.monitor import DriftMonitor
from inspection.drift.observed import Observed, joined
from inspection.drift.reference import Reference
from inspection.inspector.watching import Watch, reference_of
from inspection.runs.folder import inspector_of

WINDOW, DEALS = 50, 500
Change = Callable[[np.ndarray], np.ndarray]


def shifted(image: np.ndarray, share: float) -> np.ndarray:
    """Moved to the right by a share of the width, in whole pixels, which do not blur; the edge comes in."""
    matrix = np.array([[1, 0, round(share * image.shape[1])], [0, 1, 0]], float)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


CHANGES: dict[str, Change] = {
    "unchanged": lambda image: image,
    "light x 0.95": lambda image: (image * 0.95).astype(np.uint8),
    "light x 0.9": lambda image: (image * 0.9).astype(np.uint8),
    "light x 0.8": lambda image: (image * 0.8).astype(np.uint8),
    "blurred, sigma 0.5": lambda image: cv2.GaussianBlur(image, (0, 0), 0.5),
    "blurred, sigma 1.5": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
    "shifted by 2 %": lambda image: shifted(image, 0.02),
    "shifted by 10 %": lambda image: shifted(image, 0.1),
}


def observe(watch: Watch, root: Path, files: list[str], change: Change) -> Observed:
    """What an inspector sees of changed images."""
    seen = []
    for start in range(0, len(files), 32):
        pixels = [watch.inspector.geometry.read(root / file) for file in files[start : start + 32]]
        changed = [np.stack([change(channel) for channel in image]) for image in pixels]
        crop = watch.inspector.geometry.crop
        shape = watch.inspector.geometry.image_size if crop is None else (crop[3], crop[2])
        seen.append(watch.inspect_pixels(changed, [shape] * len(changed))[1])
    return joined(seen)


def main() -> None:
    """Measure on a run's own images."""
    arguments = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if "run" not in arguments:
        raise SystemExit(__doc__)
    run = Path(arguments["run"])
    inspector = inspector_of(run)
    reference, random = reference_of(inspector), np.random.default_rng(0)
    assert reference is not None
    watch, root = Watch(inspector), Path(inspector.passport.made["data"]["root"])
    with (run / "splits.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    parts = {part: [row["file"] for row in rows if row["split"] == part] for part in ("train", "val", "test")}
    plain = {part: observe(watch, root, files[:500], CHANGES["unchanged"]) for part, files in parts.items()}

    both, alarms, unlike = joined([plain["val"], plain["test"]]), 0, 0
    for _ in range(DEALS):
        order = random.permutation(len(both))
        known = Reference.of(both.take(order[WINDOW:]), plain["train"], verdict=reference.verdict)
        monitor = DriftMonitor(known)
        unlike += sum(finding.unlike for finding in monitor.see(both.take(order[:WINDOW])))
        alarms += monitor.report().drift
    print(
        f"{run}: {len(both)} images dealt out {DEALS} times: {alarms / DEALS:.2%} false alarms (stated 1 %), "
        f"{unlike / DEALS / WINDOW:.3%} of the images unlike (stated {monitor.image_rate:.3%})"
    )
    good = np.array([row["class"] != inspector.passport.decision.get("defect") for row in rows])
    good = np.concatenate([good[[row["split"] == part for row in rows]][:500] for part in ("val", "test")])
    for share in (0.0, 0.01):
        alarms, causes = 0, Counter[str]()
        for _ in range(DEALS):
            order = random.permutation(len(both))
            sound, defects = order[good[order]], order[~good[order]]
            bent = random.binomial(WINDOW, share)
            chosen = np.concatenate([sound[: WINDOW - bent], defects[:bent]])
            monitor = DriftMonitor(
                Reference.of(
                    both.take(np.setdiff1d(order, chosen)), plain["train"], verdict=reference.verdict
                )
            )
            monitor.see(both.take(chosen))
            report = monitor.report()
            alarms += report.drift
            causes.update(test.statistic for test in report.moved)
        print(f"  {share:.0%} defects on the line: {alarms / DEALS:.2%} windows reported {dict(causes)}")
    for name, change in CHANGES.items():
        line, reported, odd = observe(watch, root, parts["test"], change), 0, 0
        for _ in range(100):
            monitor = DriftMonitor(reference)
            findings = monitor.see(line.take(random.permutation(len(line))[:WINDOW]))
            odd += sum(finding.unlike for finding in findings)
            reported += monitor.report().drift
        print(
            f"  {name:20s} windows reported {reported / 100:5.0%}   images unlike {odd / 100 / WINDOW:6.1%}"
        )


if __name__ == "__main__":
    main()
