"""Heatmap pictures: of which images, when, and that they leave no trace in the training."""

from pathlib import Path
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inspection.callbacks import heatmaps, panels
from inspection.callbacks.heatmaps import HeatmapLogger
from inspection.callbacks.samples import spread
from inspection.decide.decisions import OneOf
from inspection.tasks.name_outcomes import ClassOutcome


def outcome(scores, targets, defect="b"):
    """Outcome of two classes by the probabilities of the second."""
    score = torch.tensor(scores, dtype=torch.float64)
    logits = torch.stack([torch.zeros_like(score), torch.log(score / (1 - score))], 1).float()
    rows = torch.arange(10, 10 + len(scores))
    return ClassOutcome.of(OneOf("ab", defect), rows, logits, torch.tensor(targets))


def test_worst_mistakes_come_first():
    seen = outcome([0.9, 0.2, 0.6, 0.1, 0.8, 0.45], [0, 0, 0, 1, 1, 1])
    assert seen.mistakes(8).tolist() == [0, 3, 2, 5]  # probability of the target .1 .1 .4 .45
    assert seen.mistakes(2).tolist() == [0, 3]
    assert outcome([0.1, 0.9], [0, 1]).mistakes(8).tolist() == []


def test_mistakes_are_those_of_the_verdict():
    """At a probability of exactly one half the verdict is defect, of whichever class that is."""
    assert outcome([0.5], [1], defect="b").mistakes(8).tolist() == []
    assert outcome([0.5], [1], defect="a").mistakes(8).tolist() == [0]


@pytest.fixture
def drawn(monkeypatch):
    """What the heatmap callback would show: (epoch, tag, file, title lines)."""
    pictures = []

    def panel(image, heat, title, note, right):
        assert image.dtype == np.uint8
        assert heat is None or heat.shape == image.shape[:2]
        return SimpleNamespace(title=title, right=right)

    def note(trainer, tag, picture, file=None):
        pictures.append((trainer.state.fn.value, trainer.current_epoch, tag, file, picture))

    monkeypatch.setattr(heatmaps, "heat_panel", panel)
    monkeypatch.setattr(panels, "show", note)
    return pictures


def equal(one, two):
    if isinstance(one, list):
        return len(one) == len(two) and all(map(equal, one, two))
    return one is two or torch.equal(torch.as_tensor(one), torch.as_tensor(two))


class Watch(L.Callback):
    """Notes the outcome of every pass, and the state of the network before and after pictures are drawn."""

    def __init__(self):
        self.outcomes = {}
        self.drawing = HeatmapLogger(every_n_epochs=1, per_class=2)

    def state(self, module):
        return [
            [part.training for part in module.modules()],
            [None if p.grad is None else p.grad.clone() for p in module.parameters()],
            [p.requires_grad for p in module.parameters()],
            [buffer.clone() for buffer in module.buffers()],
            [len(part._forward_hooks) for part in module.modules()],
            torch.get_rng_state(),
        ]

    def on_validation_end(self, trainer, pl_module):
        before = self.state(pl_module)
        self.drawing.on_validation_end(trainer, pl_module)
        assert all(map(equal, before, self.state(pl_module)))
        assert not pl_module.training
        self.outcomes[trainer.state.fn.value, trainer.current_epoch] = pl_module.outcome

    def on_test_end(self, trainer, pl_module):
        self.drawing.on_test_end(trainer, pl_module)
        self.outcomes["test", trainer.current_epoch] = pl_module.outcome


@pytest.fixture
def watched(quick, run_training, monkeypatch, tmp_path, drawn):
    from inspection.runs import train as runs

    build, watch = runs._build_trainer, Watch()

    def with_watch(*arguments):
        trainer = build(*arguments)
        trainer.callbacks.insert(0, watch)
        return trainer

    monkeypatch.setattr(runs, "_build_trainer", with_watch)
    run = run_training(quick(), tmp_path)
    return SimpleNamespace(run=run, outcomes=watch.outcomes, drawn=drawn)


def titles(drawn, when, prefix):
    return {
        tag: picture.title
        for fn, epoch, tag, _, picture in drawn
        if (fn, epoch) == when and tag.startswith(prefix)
    }


def test_pictures_belong_to_the_pass_that_they_are_drawn_after(watched):
    """File, probability and verdict of each picture, against the outcome of that very pass."""
    places = [("fit", 0), ("fit", 1), ("validate", 2), ("test", 2)]
    assert sorted(watched.outcomes) == sorted(places)
    chosen = watched.outcomes["validate", 2].decision.threshold
    assert watched.outcomes["test", 2].decision.threshold == chosen != 0.5
    files = sorted(
        line.split(",")[0] for line in (watched.run.folder / "splits.csv").read_text().splitlines()[1:]
    )
    for when in places:
        seen = watched.outcomes[when]
        shown = [(tag, picture) for fn, epoch, tag, _, picture in watched.drawn if (fn, epoch) == when]
        assert shown
        row_of = {files[row]: place for place, row in enumerate(seen.rows.tolist())}
        for tag, picture in shown:
            file, words = picture.title
            place = row_of[file]  # of this part, and no other
            score = float(seen.probabilities[place, 1])
            verdict, target = score >= seen.decision.threshold, int(seen.targets[place])
            probability = score if verdict else 1 - score
            assert words.startswith(
                f"{('ok', 'defect')[verdict]} {probability:.2f} · target: {('ok', 'defect')[target]} · Grad-CAM"
            ), tag
            assert words.endswith("for defect")
            assert picture.right == (verdict == target)
            assert not (tag.startswith("mistakes") and picture.right)


def test_fixed_images_are_the_same_ones_each_time(watched):
    shown = {
        when: {tag: title[0] for tag, title in titles(watched.drawn, when, "heatmaps/").items()}
        for when in (("fit", 0), ("fit", 1), ("validate", 2))
    }
    assert shown["fit", 0] == shown["fit", 1] == shown["validate", 2]
    assert sorted(shown["fit", 0]) == [
        "heatmaps/defect_1",
        "heatmaps/defect_2",
        "heatmaps/ok_1",
        "heatmaps/ok_2",
    ]
    for tag, file in shown["fit", 0].items():
        assert ("/0_nio/" in file) == ("defect" in tag)


def test_worst_mistakes_are_sorted_in_the_pictures(watched):
    for when, prefix in ((("validate", 2), "mistakes/val_"), (("test", 2), "mistakes/test_")):
        shown = titles(watched.drawn, when, prefix)
        assert shown
        numbers = [int(tag.rpartition("_")[2]) for tag in shown]
        assert numbers == list(range(1, len(shown) + 1))
        sure = [float(words.split()[1]) for _, words in shown.values()]
        assert sure == sorted(sure, reverse=True)  # of two classes: the surer, the worse


def test_pictures_go_to_the_folder_of_their_epoch(watched):
    folders = {(fn, epoch): {str(Path(file).parent)} for fn, epoch, tag, file, _ in watched.drawn}
    assert folders == {
        ("fit", 0): {"heatmaps/epoch_001"},
        ("fit", 1): {"heatmaps/epoch_002"},
        ("validate", 2): {"heatmaps/best"},
        ("test", 2): {"mistakes_test"},
    }


def test_training_is_the_same_with_and_without_pictures(watched, quick, run_training, monkeypatch, tmp_path):
    monkeypatch.undo()
    bare = run_training(quick(), tmp_path / "bare")
    one, two = (load_file(run.folder / "inspector.safetensors") for run in (watched.run, bare))
    assert all(torch.equal(one[name], two[name]) for name in one)
    one, two = ((run.folder / "predictions.csv").read_bytes() for run in (watched.run, bare))
    assert one == two


@pytest.mark.parametrize(("count", "expected"), [(3, [2, 5, 9]), (2, [2, 9]), (1, [2]), (5, [2, 4, 5, 7, 9])])
def test_choice_is_spread_over_the_images(count, expected):
    assert spread(np.array([2, 4, 5, 7, 9]), count).tolist() == expected
    assert spread(np.array([2, 4, 5, 7, 9]), 8).tolist() == [2, 4, 5, 7, 9]


def test_no_classification_nothing_to_draw(drawn):
    state = SimpleNamespace(fn="validate")
    trainer = SimpleNamespace(
        sanity_checking=False, state=state, current_epoch=0, is_global_zero=True, datamodule=None
    )
    HeatmapLogger().on_validation_end(trainer, L.LightningModule())
    assert drawn == []
