from concurrent.futures import ThreadPoolExecutor

import pytest
from omegaconf import OmegaConf

from inspection.config.folders import count, newest_run, register_resolvers, run_folder, run_of_checkpoint


def make_run(folder, hydra=True):
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    if hydra:
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "config.yaml").touch()
    return folder


def test_jobs_of_one_second_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: run_folder(tmp_path, "coil", "lenet"), range(16)))
    assert len(set(folders)) == 16
    assert all(f.is_dir() and f.parent == tmp_path / "coil" / "lenet" for f in folders)


def test_levels_that_are_null_are_left_out(tmp_path):
    assert run_folder(tmp_path, "sweeps", None).parent == tmp_path / "sweeps"


def test_nothing_is_made_for_a_look(tmp_path):
    assert not run_folder(tmp_path / "outputs", "coil", "lenet", reserve=False).exists()
    assert not (tmp_path / "outputs").exists()


def test_last_is_the_newest_run_with_a_checkpoint(tmp_path):
    parent = tmp_path / "coil" / "lenet"
    for name in ("2026-11-02_10-00-00", "2026-11-02_10-00-00-2", "2026-11-02_10-00-00-10", "mine"):
        make_run(parent / name)
    (parent / "2026-11-02_11-00-00").mkdir()  # ended before its first checkpoint
    assert run_folder(tmp_path, "coil", "lenet", "last") == parent / "2026-11-02_10-00-00-10"
    assert newest_run(tmp_path / "coil" / "small_cnn") is None
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        run_folder(tmp_path, "coil", "small_cnn", "last")


def test_a_checkpoint_is_resumed_in_its_run(tmp_path):
    run = make_run(tmp_path / "anywhere" / "run")
    ckpt = run / "checkpoints" / "last.ckpt"
    assert run_of_checkpoint(ckpt) == run
    assert run_folder(tmp_path, "coil", "lenet", str(ckpt)) == run


def test_a_checkpoint_outside_a_run_begins_a_new_one(tmp_path):
    lone = make_run(tmp_path / "copied", hydra=False) / "checkpoints" / "last.ckpt"
    assert run_folder(tmp_path, "coil", "lenet", str(lone)).parent == tmp_path / "coil" / "lenet"


def test_one_config_one_folder(tmp_path):
    register_resolvers()
    text = "${run_folder:${out},coil,null,${ckpt_path}}"
    cfg = OmegaConf.create({"out": str(tmp_path), "ckpt_path": None, "a": text, "b": text})
    assert cfg.a == cfg.b == cfg.a
    assert len(list((tmp_path / "coil").iterdir())) == 1


def test_count():
    register_resolvers()
    assert OmegaConf.create({"names": ["a", "b", "c"], "n": "${count:${names}}"}).n == 3
    with pytest.raises(TypeError, match="expected a list"):
        count("abc")


def test_either_of_two_values():
    register_resolvers()
    text = '${either:${root},null,"burst_([0-9]+)_"}'
    assert OmegaConf.create({"root": None, "group": text}).group == "burst_([0-9]+)_"
    assert OmegaConf.create({"root": "/images", "group": text}).group is None
    names = OmegaConf.create({"root": "x", "names": "${either:${root},[a,b],[c]}"}).names
    assert list(names) == ["a", "b"]
