from types import SimpleNamespace

import numpy as np
import pytest

from inspection.callbacks import samples
from inspection.callbacks.samples import SampleGrid


@pytest.fixture
def sheets(monkeypatch):
    seen = []
    monkeypatch.setattr(samples, "sample_grid", lambda rows: rows)
    monkeypatch.setattr(samples, "show", lambda trainer, tag, sheet, file: seen.append((tag, sheet, file)))
    return seen


@pytest.fixture
def data(module, draw, tmp_path):
    draw(tmp_path / "images", good=20, defects=6)
    ready = module(image_size=[40, 48])
    ready.setup()
    return ready


def test_five_training_images_of_each_class_with_their_names(sheets, data):
    trainer = SimpleNamespace(datamodule=data, is_global_zero=True)
    SampleGrid(per_class=5).on_fit_start(trainer, None)
    ((tag, sheet, file),) = sheets
    assert (tag, file) == ("samples", "samples.png")
    assert {name: len(pictures) for name, pictures in sheet.items()} == {
        "ok": 5,
        "defect": 3,
    }  # all there are
    parts = dict(zip(data.samples.files, data.samples.parts, strict=True))
    for name, pictures in sheet.items():
        for picture, caption in pictures:
            assert parts[caption] == "train"
            assert ("/0_nio/" in caption) == (name == "defect")
            row = data.samples.files.index(caption)
            assert (picture[..., 0] == data.images([row])[0, 0].numpy()).all()
            assert picture.dtype == np.uint8


def test_one_process_draws(sheets, data):
    SampleGrid().on_fit_start(SimpleNamespace(datamodule=data, is_global_zero=False), None)
    SampleGrid().on_fit_start(SimpleNamespace(datamodule=None, is_global_zero=True), None)
    assert sheets == []
