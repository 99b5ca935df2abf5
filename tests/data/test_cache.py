import errno
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry
from inspection.errors import InputError

GEOMETRY = Geometry((24, 32))
BUDGETS = pytest.mark.parametrize("budget", [64, 0], ids=["memory", "disk"])


def draw(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32), dtype=np.uint8)
    cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    (tmp_path / "set").mkdir()
    return [draw(tmp_path / "set" / f"{number}.png", number) for number in range(12)]


def cache_of(paths: list[Path], budget: int = 0, geometry: Geometry = GEOMETRY) -> ImageCache:
    folder = paths[0].parent
    return ImageCache(paths, geometry, budget, folder.parent / "cache", folder)


def decoded(cache: ImageCache) -> int:
    """Prepare the cache; how many images that decoded."""
    calls: list[tuple[int, int]] = []
    cache.prepare(lambda done, total: calls.append((done, total)))
    assert calls == [(number + 1, len(calls)) for number in range(len(calls))]
    return len(calls)


def expected(paths: list[Path]) -> np.ndarray:
    return np.stack([cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[None] for path in paths])


@BUDGETS
def test_gather_gives_the_images_in_the_order_asked_for(paths, budget):
    cache = cache_of(paths, budget)
    assert decoded(cache) == len(cache) == 12
    assert cache.in_memory == (budget > 0)
    assert cache.nbytes == 12 * 24 * 32
    for indices in ([3, 0, 3, 11], np.array([7]), range(12), []):
        batch = cache.gather(indices)
        assert batch.dtype == np.uint8
        assert batch.shape == (len(indices), 1, 24, 32)
        np.testing.assert_array_equal(batch, expected(paths)[np.asarray(indices, int)])
        assert batch.flags.c_contiguous
        assert batch.flags.writeable
    batch = cache.gather([0])
    batch[:] = 0  # is the caller's
    np.testing.assert_array_equal(cache.gather([0]), expected(paths[:1]))


@BUDGETS
def test_an_index_outside_is_an_index_error(paths, budget):
    cache = cache_of(paths, budget)
    with pytest.raises(RuntimeError, match="prepare"):
        cache.gather([0])
    cache.prepare()
    with pytest.raises(IndexError):
        cache.gather([12])


def test_the_budget_is_met_to_the_byte(paths):
    geometry = Geometry((512, 1024))  # half a MiB
    assert cache_of(paths, 6, geometry).in_memory
    assert not cache_of(paths, 5, geometry).in_memory


def test_a_second_run_decodes_nothing_and_other_file_lists_share_the_file(paths):
    assert decoded(cache_of(paths)) == 12
    assert decoded(cache_of(paths)) == 0
    some = cache_of(paths[8:2:-2])
    assert decoded(some) == 0
    np.testing.assert_array_equal(some.gather(range(3)), expected(paths[8:2:-2]))


def test_changed_and_new_files_are_decoded_and_the_others_kept(paths):
    early = cache_of(paths)
    early.prepare()
    before = expected(paths)
    draw(paths[4], 100)
    os.utime(paths[4], ns=(0, paths[4].stat().st_mtime_ns + 1))
    paths.append(draw(paths[0].with_name("new.png"), 101))
    late = cache_of(paths)
    assert decoded(late) == 2
    np.testing.assert_array_equal(late.gather(range(13)), expected(paths))
    np.testing.assert_array_equal(early.gather(range(12)), before)  # a run in progress keeps its images


def test_images_of_another_file_list_stay_while_their_files_do(paths):
    cache_of(paths[:6]).prepare()
    paths[0].unlink()
    assert decoded(cache_of(paths[6:])) == 6
    assert decoded(cache_of(paths[1:])) == 0
    assert cache_of(paths).cache_file.stat().st_size < 12 * 24 * 32 + 1000


def test_each_geometry_and_root_has_its_own_file(paths, tmp_path):
    files = {
        cache_of(paths).cache_file,
        cache_of(paths, geometry=Geometry((32, 24))).cache_file,
        cache_of(paths, geometry=Geometry((24, 32), white_level=100)).cache_file,
        ImageCache(paths, GEOMETRY, 0, tmp_path / "cache", tmp_path).cache_file,
        ImageCache(paths, GEOMETRY, 0, tmp_path / "cache", None).cache_file,
    }
    assert len(files) == 5


def test_without_a_root_files_are_known_by_their_absolute_path(paths, tmp_path, monkeypatch):
    ImageCache(paths, GEOMETRY, 0, tmp_path / "cache").prepare()
    monkeypatch.chdir(tmp_path)
    relative = ImageCache([path.relative_to(tmp_path) for path in paths], GEOMETRY, 0, tmp_path / "cache")
    assert decoded(relative) == 0


@BUDGETS
def test_all_unreadable_images_are_reported_together(paths, budget):
    for path in paths[2:9]:
        path.write_bytes(path.read_bytes()[:60])
    paths[9].unlink()
    with pytest.raises(InputError) as caught:
        cache_of(paths, budget).prepare()
    lines = str(caught.value).splitlines()
    assert lines[0] == "8 of 12 images cannot be used:"
    for line, path in zip(lines[1:6], paths[2:7], strict=True):
        assert str(path) in line
        assert "cut short" in line
    assert lines[6:] == ["  and 3 more."]


def test_what_could_be_decoded_beside_an_unreadable_image_is_kept(paths):
    content = paths[3].read_bytes()
    paths[3].write_bytes(b"")
    with pytest.raises(InputError, match=r"3\.png: is empty"):
        cache_of(paths).prepare()
    paths[3].write_bytes(content)
    cache = cache_of(paths)
    assert decoded(cache) == 1
    np.testing.assert_array_equal(cache.gather(range(12)), expected(paths))


@pytest.mark.parametrize("interrupted", ["fsync", "replace"])
def test_an_interrupted_build_leaves_nothing_that_looks_complete(paths, monkeypatch, interrupted):
    def stop(*_):
        raise KeyboardInterrupt

    cache = cache_of(paths)
    with monkeypatch.context() as patch:
        patch.setattr(os, interrupted, stop)
        with pytest.raises(KeyboardInterrupt):
            cache.prepare()
    assert not list(cache.cache_dir.glob("*.u8"))
    assert not list(cache.cache_dir.glob("*.tmp"))
    assert decoded(cache_of(paths)) == 12


def test_what_a_killed_build_left_behind_is_removed(paths):
    cache = cache_of(paths)
    cache.cache_dir.mkdir()
    left_behind = cache.cache_dir / f"{cache.cache_file.stem}.abc.tmp"
    left_behind.write_bytes(b"half")
    cache.prepare()
    assert not left_behind.exists()


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "index"])
def test_a_damaged_cache_file_is_built_again(paths, damage):
    cache = cache_of(paths)
    cache.prepare()
    data = cache.cache_file.read_bytes()
    index = data[: 12 * 24 * 32] + data[12 * 24 * 32 :].replace(b'"', b"'")
    damaged = {"empty": b"", "cut": data[:-1], "longer": b"x" + data, "index": index}[damage]
    cache.cache_file.write_bytes(damaged)
    again = cache_of(paths)
    assert decoded(again) == 12
    np.testing.assert_array_equal(again.gather(range(12)), expected(paths))


def test_of_two_builders_one_waits_and_finds_the_work_done(paths):
    caches, counts = [cache_of(paths) for _ in range(4)], []
    threads = [threading.Thread(target=lambda c=cache: counts.append(decoded(c))) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 0, 0, 12]
    for cache in caches:
        np.testing.assert_array_equal(cache.gather(range(12)), expected(paths))


def test_without_locks_builders_do_each_other_no_harm(paths, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    caches = [cache_of(paths), cache_of(paths)]
    threads = [threading.Thread(target=cache.prepare) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cache in caches:
        np.testing.assert_array_equal(cache.gather(range(12)), expected(paths))


def test_too_little_room_is_said_before_anything_is_decoded(paths, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))
    cache = cache_of(paths, geometry=Geometry((512, 1024)))
    with pytest.raises(InputError) as caught:
        cache.prepare(lambda *_: pytest.fail("decoded"))
    for part in (f"data.cache_dir={cache.cache_dir}", "need 6 MiB", "1 MiB are free", "data.memory_budget"):
        assert part in str(caught.value)


def test_a_disk_that_fills_up_meanwhile_is_an_input_error(paths, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    cache = cache_of(paths)
    with pytest.raises(InputError, match=r"data\.cache_dir=.*MiB are free"):
        cache.prepare()
    assert not list(cache.cache_dir.glob("*.tmp"))


def test_a_cache_dir_that_cannot_be_made_is_an_input_error(paths, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"data\.cache_dir=.*cannot be written"):
        ImageCache(paths, GEOMETRY, 0, tmp_path / "file" / "cache").prepare()


@BUDGETS
def test_a_copy_by_pickle_gives_the_same_images(paths, budget):
    cache = cache_of(paths, budget)
    fresh = pickle.loads(pickle.dumps(cache))
    with pytest.raises(RuntimeError, match="prepare"):
        fresh.gather([0])
    cache.prepare()
    state = pickle.dumps(cache)
    if budget == 0:
        assert len(state) < 5000  # the paths, not the images
    np.testing.assert_array_equal(pickle.loads(state).gather([5, 1]), expected([paths[5], paths[1]]))


def test_descriptors_are_given_back(paths):
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc")
    cache_of(paths).prepare()
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        cache_of(paths).prepare()
        cache = cache_of(paths)
        cache.prepare()
        cache.prepare()
        del cache
    assert len(list(descriptors.iterdir())) <= before


RESIDENT = """
import sys
from pathlib import Path
import numpy as np
from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry

def peak():  # MiB
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

folder, count = Path(sys.argv[1]), int(sys.argv[2])
cache = ImageCache([folder / f"{n}.png" for n in range(count)], Geometry((400, 700)), 20, folder / "cache")
warm = ImageCache(cache.paths[:4], cache.reader, 20, folder / "cache")
warm.prepare()
warm.gather(range(4))
before = peak()
cache.prepare()
for batch in np.random.default_rng(0).permutation(count).reshape(-1, 10):
    cache.gather(batch)
print(cache.in_memory, cache.nbytes / 2**20, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_resident_memory_does_not_grow_with_the_images_on_disk(tmp_path):
    for number in range(400):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 7), number % 256, np.uint8))
    command = [sys.executable, "-c", RESIDENT, str(tmp_path), "400"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    in_memory, images, growth = output.split()
    assert in_memory == "False"
    assert float(images) > 100
    assert float(growth) < 20
