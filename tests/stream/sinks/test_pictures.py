"""The pictures of defects as files."""

import cv2
import numpy as np
import pytest

from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.stream.sinks import pictures
from inspection.stream.sinks.drawing import explained, has_evidence, shown
from inspection.stream.sinks.pictures import PictureSink
from tests.stream.sinks.conftest import HIGH, KINDS, TIME, WIDE, classes, lost, of_kind, picture, result, said


def opened(about, inspector=None, **settings):
    sink = PictureSink(**settings)
    sink.open(about(inspector))
    return sink


def kept(about):
    return sorted(path.name for path in (about().output / "defects").iterdir())


def test_the_cameras_own_pixels_are_kept(about):
    sink = opened(about)
    given = [result(0, 0.1), result(1, 0.9, heat=True), lost(2)]
    assert [each.number for each in given if sink.takes(each)] == [1]
    sink.write([given[1]])

    raw, drawn = sorted((about().output / "defects").iterdir())
    assert raw.name.startswith("000000001_20")
    assert raw.name.endswith("_defect.png")
    assert ":" not in raw.name
    assert drawn.name == raw.name.replace(".png", "_evidence.jpg")
    assert (read_image(raw) == picture(1)).all()
    assert read_image(drawn).shape == (HIGH, WIDE, 3)


@pytest.mark.parametrize("shape", [(HIGH, WIDE), (HIGH, WIDE, 3)])
def test_all_sixteen_bits_are_kept(about, shape):
    image = picture(3, shape, bits=16)
    opened(about).write([result(1, 0.9, image=image)])

    raw = next((about().output / "defects").glob("*.png"))
    assert read_image(raw).dtype == np.uint16
    assert (read_image(raw) == image).all()


def test_the_newest_are_kept(about):
    sink = opened(about, count=2)
    for number in range(5):
        sink.write([result(number, 0.9)])
    assert [name[:9] for name in kept(about)] == ["000000003"] * 2 + ["000000004"] * 2


def test_no_more_bytes_than_asked_for(about):
    one = opened(about)
    one.write([result(0, 0.9)])
    size = sum(path.stat().st_size for path in (about().output / "defects").iterdir())

    sink = opened(about, megabytes=3.5 * size / 1e6)
    for number in range(1, 9):
        sink.write([result(number, 0.9)])
        assert sum(path.stat().st_size for path in (about().output / "defects").iterdir()) <= 3.5 * size
    assert {name[:9] for name in kept(about)} == {"000000006", "000000007", "000000008"}


@pytest.mark.parametrize("limit", ["count", "megabytes"])
def test_a_service_that_is_started_again_keeps_no_more(about, limit):
    """Its frames are counted from 0 again: time tells what is old. What others put there is not touched."""
    first = opened(about)
    first.write([result(number, 0.9) for number in (7, 8, 9)])
    folder = about().output / "defects"
    size = sum(path.stat().st_size for path in folder.iterdir()) / 3
    others = ["000000001_mine.png", "notes.txt", "2026-11-21.png"]
    for name in others:
        (folder / name).write_bytes(b"x" * 10_000)

    settings = {"count": {"count": 3}, "megabytes": {"megabytes": 3.5 * size / 1e6}}[limit]
    for start in (1, 2):
        sink = opened(about, **settings)
        sink.write([result(0, 0.9, time=TIME + 100 * start)])
    ours = [name for name in kept(about) if name not in others]
    assert sorted({name[:9] for name in ours}) == ["000000000", "000000009"]
    assert len(ours) == 6
    assert set(kept(about)) >= set(others)


def test_a_full_disk_leaves_no_half_a_picture(about, monkeypatch):
    sink = opened(about)
    whole = pictures.replace_file

    def full(path, content, **settings):
        if path.suffix == ".jpg":
            path.with_name("half.partial").write_bytes(content[:100])
            path.with_name("half.partial").unlink()
            raise OSError(28, "No space left on device")
        whole(path, content, **settings)

    batch = [result(1, 0.9), result(2, 0.9)]
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "replace_file", full)
        with pytest.raises(OSError, match="No space"):
            sink.write(batch)
    assert kept(about) == []

    sink.write(batch)  # offered once more
    sink.write([])
    assert [name[:9] for name in kept(about)] == ["000000001"] * 2 + ["000000002"] * 2


def test_offered_once_more_it_counts_once(about):
    sink = opened(about, count=3)
    sink.write([result(1, 0.9), result(2, 0.9)])
    sink.write([result(1, 0.9), result(2, 0.9), result(3, 0.9)])
    assert {name[:9] for name in kept(about)} == {"000000001", "000000002", "000000003"}


@pytest.mark.parametrize("label", ["scratch, dent/2", "../../etc", "Riß 日本", "", "x" * 300])
def test_any_verdict_makes_a_file_name(about, label):
    verdict = said(0.9)
    opened(about).write([result(1, verdict=type(verdict)(label, probability=0.9), alarm=True)])
    assert len(kept(about)) == 2
    assert all(len(name.encode()) < 150 for name in kept(about))


@pytest.mark.parametrize("settings", [{"count": 0}, {"megabytes": 0}])
def test_what_would_keep_nothing_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        PictureSink(**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_the_evidence_is_drawn_where_it_is(kind):
    inspector, given = of_kind(kind)
    plain = shown(inspector, given.image, 1000)
    drawn = explained(inspector, given.image, given.verdict, 1000)

    assert has_evidence(given.verdict)
    assert drawn.shape == (HIGH, WIDE, 3)
    changed = np.abs(drawn.astype(int) - plain).sum(2) > 0
    assert changed[10:20, 20:30].mean() > 0.2
    if kind != "temperatures":  # of which all is in false colours
        assert not changed[35:, 45:].any()


def test_without_evidence_it_is_the_image(about):
    verdict = said(0.1)
    assert not has_evidence(verdict)
    assert (explained(classes(), picture(0), verdict, 1000) == picture(0)).all()


def test_large_images_are_drawn_small(about):
    image = cv2.resize(picture(0), (6400, 4800))
    assert explained(classes(), image, said(0.9, heat=True), 640).shape == (480, 640, 3)
