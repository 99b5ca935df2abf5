"""Whether the images that an inspector is shown look like those that it was validated on: no torch is needed."""

from collections.abc import Sequence
from pathlib import Path

from inspection.drift.monitor import DriftMonitor
from inspection.drift.observed import Observed
from inspection.inspector import Inspector
from inspection.inspector.plain import write_json
from inspection.inspector.watching import Watch, reference_of
from inspection.pictures.files import write_png
from inspection.pictures.two_samples import histogram_pairs

DRIFT = "drift"


class Lookout:
    """Watches the images that an inspector is shown, and says at the end whether they look like validation's.

    Args:
        inspector: As it judges them.

    Raises:
        InputError: If what the inspector knows of its validation images is damaged.
    """

    def __init__(self, inspector: Inspector) -> None:
        reference = reference_of(inspector)
        self.watch = Watch(inspector)
        self.monitor = None if reference is None else DriftMonitor(reference, window=None)

    def see(self, files: Sequence[str], seen: Observed) -> list[str]:
        """Take in what was measured of images: names of what is out of the ordinary in each, if anything is."""
        if self.monitor is None:
            return [""] * len(files)
        known = self.monitor.reference
        groups = None if known.group is None else [known.group_of(file) for file in files]
        return [", ".join(finding.out) for finding in self.monitor.see(seen, groups)]

    def report(self, folder: Path) -> list[str]:
        """Write `drift.json` and `drift.png`; lines for the console. None where nothing was seen or is known."""
        if self.monitor is None or not self.monitor.seen:
            return []
        report = self.monitor.report()
        write_json(folder / f"{DRIFT}.json", report.to_dict())
        moved = {test.statistic for test in report.moved}
        samples = self.monitor.samples()
        if report.statistics:
            write_png(folder / f"{DRIFT}.png", histogram_pairs(samples, moved))
        return report.lines()
