import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.synthetic import seam, sets
from inspection.data.synthetic.seam import ATTRIBUTES, SyntheticSeams, draw_video
from inspection.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return SyntheticSeams(str(tmp_path_factory.mktemp("data") / "seam"), videos=4, frames=3, seed=3).prepare()


@pytest.fixture(scope="module")
def frames():
    """One frame of each of 36 videos."""
    return [draw_video(np.random.default_rng([11, index]), 1)[0] for index in range(36)]


# ------------------------------------------------------------------ labels against what is measured in the pixels

TOP = 40  # rows above belong to the foot


def string_in(image):
    """How much string there is along the seam, [rows, 19 pixels across] (0 fabric, 1 string), and its contrast.

    A measurement that knows nothing of the drawing: a row's median is the fabric, the string is what differs most.
    """
    pixels = cv2.GaussianBlur(image, (0, 0), 0.7).astype(float)[TOP:, 55:145]
    difference = pixels - np.median(pixels, axis=1, keepdims=True)
    line = cv2.GaussianBlur(np.linalg.norm(difference, axis=2), (0, 0), 1, sigmaY=8).argmax(1)
    rows = np.arange(len(line))
    near = np.abs(line - np.median(line)) < 25
    line = np.rint(np.polyval(np.polyfit(rows[near], line[near], 6), rows)).astype(int).clip(0, 89)
    thread = np.median(difference[rows, line], axis=0)
    share = difference @ thread / (thread @ thread)
    across = np.stack([share[rows, np.clip(line + offset, 0, 89)] for offset in range(-9, 10)], 1)
    return across, np.abs(thread).max()


def longest(missing):
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing, [0]]).astype(int)))
    return max(edges[1::2] - edges[::2], default=0)


def rows_of(seen, margin):
    return slice(max(round(seen.box[1]) - TOP - margin, 0), max(round(seen.box[3]) - TOP + margin, 0))


def test_the_string_is_wider_by_as_much_as_the_truth_says(frames):
    sizes, ratios = [], []
    for frame in frames:
        across, contrast = string_in(frame.image)
        width = np.clip(across, 0, 1).sum(1)
        sound = np.ones(len(width), bool)
        for seen in frame.faults:
            sound[rows_of(seen, 4)] = False
        cut = any(seen.fault.kind == "cut" and seen.fault.size > 2.5 for seen in frame.faults)
        for seen in frame.faults:
            rows = width[rows_of(seen, -3)]
            if (
                seen.fault.kind == "widened"
                and contrast > 75
                and not cut
                and len(rows) > 10
                and sound.sum() > 40
            ):
                sizes.append(seen.fault.size)
                ratios.append(np.median(rows) / np.median(width[sound]))
    assert len(sizes) >= 5
    assert np.corrcoef(sizes, ratios)[0, 1] > 0.6
    assert min(ratio for size, ratio in zip(sizes, ratios, strict=True) if size > 1.6) > 1.15


def test_string_is_missing_where_and_only_where_it_is_cut(frames):
    gaps = {True: [], False: []}
    for frame in frames:
        across, contrast = string_in(frame.image)
        cuts = [s for s in frame.faults if s.fault.kind == "cut" and s.box[1] > TOP - 8 and s.box[3] < 195]
        if contrast > 70 and (cuts or not frame.labels["break"]):
            core = np.sort(across[:, 4:15], axis=1)[:, -4:].mean(1)
            gaps[frame.labels["break"]].append(longest(core < 0.35) / 12)  # mm
    assert min(map(len, gaps.values())) >= 5
    assert max(gaps[False]) < 0.7  # needle holes, and cuts too small for the label
    assert np.mean(np.array(gaps[True]) > 0.7) > 0.7  # frayed strands bridge a small one


def test_stitches_have_the_labelled_length(frames):
    """The string is darkest at its holes: every 2 mm (24 pixels), or every 4."""
    right = []
    for frame in frames:
        across, contrast = string_in(frame.image)
        if contrast > 70 and not any(seen.fault.kind == "widened" for seen in frame.faults):
            core = across[:, 8:11].mean(1)
            power = np.abs(np.fft.rfft((core - core.mean()) * np.hanning(len(core)), 4096)) ** 2
            per_mm = np.fft.rfftfreq(4096) * 12
            long = power[(per_mm > 0.21) & (per_mm < 0.29)].max()
            short = power[(per_mm > 0.42) & (per_mm < 0.58)].max()
            right.append((short > long) == frame.labels["length"])
    assert len(right) >= 8
    assert np.mean(right) > 0.85


# ---------------------------------------------------------------------------------------------------- the labels


def test_labels_follow_from_the_faults_in_view_and_good_never_contradicts_them():
    for index in range(6):
        for frame in draw_video(np.random.default_rng([2, index]), 8):
            kinds = {seen.fault.kind for seen in frame.faults if seen.labelled}
            assert frame.labels["error"] == ("widened" in kinds)
            assert frame.labels["break"] == ("cut" in kinds)
            assert not (frame.labels["good"] and kinds)
            for seen in frame.faults:
                assert seen.labelled <= (seen.fault.size >= 1.5)
                left, top, right, bottom = seen.box
                assert 0 <= left < right <= 200
                assert 0 <= top <= bottom <= 200


def test_good_is_a_judgement_and_faults_come_in_all_sizes():
    rng = np.random.default_rng(0)
    seams = [seam._sew(rng, 10.0) for _ in range(600)]
    for kind, border, least in (("widened", 1.5, 1.12), ("cut", 1.5, 0.4)):
        sizes = np.array([fault.size for each in seams for fault in each.faults if fault.kind == kind])
        assert 0.15 < (sizes < border).mean() < 0.35  # too small for the label
        assert (sizes >= least).all()
        assert ((sizes >= border) & (sizes < border + 0.3)).mean() > 0.05  # only just
    assert 0.4 < np.mean([each.stitch == 2.0 for each in seams]) < 0.6
    pose = np.array([[8.0, 0, 100], [0, 8.0, 0]])
    rough = np.array([seam._look_at(each, pose, 0.0, -6.0)[1] for each in seams if not each.faults])
    assert 0.05 < (rough > 0.7).mean() < 0.5  # without a fault, and yet not everybody would call it good


def test_frames_of_a_video_are_near_copies():
    """The next frame is the last one moved on by a few pixels; another video is another scene."""
    videos = [draw_video(np.random.default_rng([7, index]), 4) for index in range(4)]

    def difference(one, other):
        """Grey levels between a patch of one frame and the place of the other that looks most like it."""
        patch = one.image[80:120, 60:140]
        return np.sqrt(cv2.matchTemplate(other.image, patch, cv2.TM_SQDIFF).min() / patch.size)

    within = [difference(v[i], v[i + 1]) for v in videos for i in range(3)]
    between = [difference(v[0], w[0]) for v in videos for w in videos if v is not w]
    assert max(within) < 10
    assert min(between) > 2 * max(within)
    for video in videos:
        assert {frame.labels["length"] for frame in video} == {video[0].labels["length"]}
        assert not np.array_equal(video[0].image, video[1].image)


# ------------------------------------------------------------------------------------------------------- the set


def test_layout_tables_and_truth(drawn):
    names = sorted(path.name for path in drawn.glob("pics/*.png"))
    assert names == [f"seam_{video:03d}_{frame:06d}.png" for video in range(4) for frame in range(3)]
    tables = sorted(drawn.glob("*_data.csv"))
    assert [path.name for path in tables] == [f"seam_{video:03d}_data.csv" for video in range(4)]
    assert tables[0].read_text().splitlines()[0] == ",name,good,error,break,length"
    rows = [row for table in tables for row in csv.DictReader(table.open())]
    assert [row["name"] for row in rows] == names
    assert {row[attribute] for row in rows for attribute in ATTRIBUTES} == {"True", "False"}
    # Read back, a picture and its labels are those of its generator.
    frame = draw_video(np.random.default_rng([3, 2]), 3)[1]
    image = cv2.imread(str(drawn / "pics" / "seam_002_000001.png"))
    assert np.array_equal(image[..., ::-1], frame.image)
    assert {a: rows[7][a] == "True" for a in ATTRIBUTES} == frame.labels
    truth = list(csv.DictReader((drawn / "truth.csv").open()))
    assert all((drawn / row["file"]).is_file() for row in truth)
    for row, name in zip(rows, names, strict=True):
        labelled = {t["fault"] for t in truth if t["file"] == f"pics/{name}" and t["labelled"] == "True"}
        assert (row["error"] == "True", row["break"] == "True") == ("widened" in labelled, "cut" in labelled)
    assert sets.is_synthetic(drawn)


def test_same_seed_same_bytes_and_a_larger_set_holds_the_smaller(drawn, tmp_path):
    smaller = contents(SyntheticSeams(str(tmp_path / "a"), videos=2, frames=3, seed=3).prepare())
    whole = contents(drawn)
    assert all(whole[name] == data for name, data in smaller.items() if name.startswith(("pics", "seam_")))
    other = contents(SyntheticSeams(str(tmp_path / "b"), videos=1, frames=3, seed=4).prepare())
    assert all(other[name] != data for name, data in smaller.items() if name.startswith("pics/seam_000"))


def test_a_set_is_used_again_and_progress_counts_to_the_end(drawn, tmp_path):
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    SyntheticSeams(str(drawn), videos=4, frames=3, seed=3).prepare(note)
    assert seen == []
    SyntheticSeams(str(tmp_path / "seam"), videos=2, frames=2).prepare(note)
    assert seen == [(2, 4), (4, 4)]


def test_an_interrupted_drawing_leaves_nothing(tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SyntheticSeams(str(tmp_path / "seam"), videos=500, frames=2).prepare(interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"videos": 0}, {"frames": 0}, {"seed": -1}])
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SyntheticSeams(str(tmp_path / "seam"), **wrong)
