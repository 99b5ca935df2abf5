"""From pixels to verdicts, whatever single frames do to the network."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError
from inspection.stream.drift import StreamWatch
from inspection.stream.frames import Frame
from inspection.stream.sink import Evidence
from inspection.stream.sources import one_line

if TYPE_CHECKING:
    from inspection.inspector import Inspector, Verdict
    from inspection.inspector.backends import Said

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the network said of a frame.

    Attributes:
        verdict: None: it said nothing.
        alarm: See `Answers.is_alarm`.
        unlike: What is as on none of the validation images; of frames that are looked at.
        error: Why there is no verdict.
    """

    verdict: "Verdict | None"
    alarm: bool = False
    unlike: tuple[str, ...] = ()
    error: str = ""


class Judge:
    """Prepares and inspects frames.

    Args:
        inspector: At the operating point that is to be used.
        watch: Looks whether the frames are as usual; None: nobody does.
    """

    def __init__(self, inspector: "Inspector", watch: StreamWatch | None = None) -> None:
        self.inspector, self.watch = inspector, watch
        self._explained_apart = _explained_apart(inspector)

    def warm_up(self, batch: int, evidence: bool) -> None:
        """Let the network see batches of 1, 2, 4, ... and the largest once: the first of a size takes longer.

        Args:
            batch: Largest size.
            evidence: Whether heatmaps may be asked for: the first ones take longer, too.

        Raises:
            InputError: It gives no number even for a black image.
        """
        pixels = np.zeros(self.inspector.geometry.shape, np.uint8)
        crop = self.inspector.geometry.crop
        shape = self.inspector.geometry.image_size if crop is None else (crop[3], crop[2])
        sizes = {batch, *(2**power for power in range(batch.bit_length()))}
        for count in sorted(sizes, reverse=True):
            self._inspect([pixels] * count, [shape] * count, False)
        if evidence:
            for count in {batch, 1}:
                self._inspect([pixels] * count, [shape] * count, True)

    def _inspect(
        self, pixels: Sequence[Pixels], shapes: Sequence[tuple[int, int]], heatmaps: bool
    ) -> tuple[list["Verdict"], "Said"]:
        # Always the same further outputs, needed or not: each choice is a network of its own to some runtimes.
        return self.inspector.observe_pixels(
            pixels, shapes, heatmaps, self.watch.further if self.watch else ()
        )

    def prepare(self, frame: Frame) -> tuple[Pixels | None, str]:
        """What the network is to see of a frame; or why there is nothing."""
        assert frame.image is not None
        try:
            return self.inspector.geometry.apply(frame.image, frame.name), ""
        except InputError as error:
            return None, one_line(error)

    def judge(
        self, frames: Sequence[Frame], pixels: Sequence[Pixels], evidence: Collection[Evidence]
    ) -> list[Judged]:
        """Verdicts on a batch: where it fails as a whole, each image is tried alone.

        Args:
            frames: One or more, with their images.
            pixels: From `prepare`, of each.
            evidence: Which verdicts are to have their evidence, as any of the sinks asks for it.
        """
        shapes = [frame.image.shape[:2] for frame in frames if frame.image is not None]
        # Evidence that is no work is had with the verdicts.
        explain = "all" in evidence or (
            not self._explained_apart and any(each != "none" for each in evidence)
        )
        rows = self.watch.rows(len(frames)) if self.watch else range(0)
        try:
            verdicts, said = self._inspect(pixels, shapes, explain)
        except Exception as error:
            if len(frames) == 1:
                return [Judged(None, error=_in_words(error))]
            return [
                judged
                for frame, own in zip(frames, pixels, strict=True)
                for judged in self.judge([frame], [own], evidence)
            ]
        alarms = [self.inspector.answers.is_alarm(verdict) for verdict in verdicts]
        unlike: list[tuple[str, ...]] = [()] * len(frames)
        if self.watch and rows:
            try:
                found = self.watch.see(rows, [frame.name for frame in frames], verdicts, said, pixels)
                unlike[rows.start : rows.stop] = found
            except Exception as error:
                self.watch.give_up(error)
        if not explain and self._explained_apart:
            self._explain(verdicts, _to_explain(alarms, evidence), pixels, shapes)
        return [Judged(*each) for each in zip(verdicts, alarms, unlike, strict=True)]

    def _explain(
        self,
        verdicts: list["Verdict"],
        rows: Sequence[int],
        pixels: Sequence[Pixels],
        shapes: Sequence[tuple[int, int]],
    ) -> None:
        """Give some verdicts their evidence, by a pass of their own: what was said stays."""
        if not rows:
            return
        try:
            again, _ = self._inspect([pixels[row] for row in rows], [shapes[row] for row in rows], True)
        except Exception:  # they have their verdicts; evidence is an extra
            return
        for row, explained in zip(rows, again, strict=True):
            verdicts[row] = replace(verdicts[row], heatmaps=explained.heatmaps, method=explained.method)


def _explained_apart(inspector: "Inspector") -> bool:
    """Whether evidence is more work for the network: not where a verdict has it, nor where there is none."""
    usual, more = (set(inspector.answers.wanted(evidence)) for evidence in (False, True))
    return more != usual and inspector.backend.outputs.issuperset(more)


def _to_explain(alarms: Sequence[bool], evidence: Collection[Evidence]) -> list[int]:
    """Which of a batch are to have evidence, where not all are.

    Example:
        >>> alarms = [True, False, True, False]
        >>> [_to_explain(alarms, {which}) for which in ("none", "alarms", "newest")]
        [[], [0, 2], [2, 3]]
    """
    rows = [row for row, alarm in enumerate(alarms) if alarm]
    newest = {*rows[-1:], len(alarms) - 1} if "newest" in evidence else set()
    return sorted(newest.union(rows if "alarms" in evidence else ()))


def _in_words(error: Exception) -> str:
    """A person's mistake speaks for itself; of others the kind is said, too."""
    words = one_line(error)
    return words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"
