"""Pictures of a report beside its gallery: examples of each kind of image, and all images of a part together."""

from collections.abc import Sequence

import numpy as np

from inspection.callbacks.panels import PanelLogger
from inspection.callbacks.samples import spread
from inspection.data.module import ImageDataModule
from inspection.report import thumbnail
from inspection.report.contents import Gathering, Titled
from inspection.runs.gallery import evidence_of
from inspection.runs.results import PARTS_IN_WORDS
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome

_EXAMPLES = 2  # pictures of each kind of image
_MOST_EXAMPLES = 12
_SHEET = 1400  # px, longer side


def gatherings_of(
    task: InspectionTask,
    data: ImageDataModule,
    part: str,
    outcome: Outcome,
    drawers: Sequence[PanelLogger],
) -> list[Gathering]:
    """Examples of each kind of image, and the charts of a task that has others than a matrix."""
    kinds = {name: positions for name, positions in outcome.examples().items() if len(positions)}
    each = max(1, min(_EXAMPLES, _MOST_EXAMPLES // max(1, len(kinds))))
    chosen = [(name, int(p)) for name, own in kinds.items() for p in spread(own, each)][:_MOST_EXAMPLES]
    # An image may be an example of several attributes; it is drawn once.
    positions = np.array(list(dict.fromkeys(position for _, position in chosen)), np.int64)
    pictures = evidence_of(task, data, outcome, positions, drawers)
    titles = {
        position: ", ".join(name for name, own in chosen if own == position)
        for position in positions.tolist()
    }
    gatherings = []
    if pictures:
        titled = [
            Titled(f"{titles[position]}: {data.samples.files[int(outcome.rows[position])]}", picture)
            for position, picture in pictures.items()
        ]
        gatherings.append(
            Gathering(
                f"Examples of {PARTS_IN_WORDS[part]} images",
                titled,
                "Chosen evenly, not by how they came off.",
            )
        )
    charts = [
        Titled(name.replace("_", " "), thumbnail(chart, _SHEET, 90))
        for name, chart in outcome.charts().items()
        if name != "confusion_matrix"
    ]
    if charts:
        gatherings.insert(
            0, Gathering(f"{PARTS_IN_WORDS[part].capitalize()} images together", charts, wide=True)
        )
    return gatherings
