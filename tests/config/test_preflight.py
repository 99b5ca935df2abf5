"""Each mistake of a person at the command line, and what is said about it."""

import os
import shutil
from pathlib import Path

import pytest

from inspection.config.entry import CONF
from inspection.config.folders import register_resolvers
from inspection.config.preflight import Sweep, preflight
from inspection.errors import InputError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    register_resolvers()


def complaint(*overrides: str, config_name: str = "train", conf: Path = CONF, **options) -> str:
    with pytest.raises(InputError) as caught:
        preflight(config_name, overrides, conf, **options)
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    return message


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=small_cnn", "scheduler=cosine", "optimizer=adamw", "trainer=ddp", "debug=limit"],
        ["data/augment=none", "data.augment.gain=[0.8,1.2]"],
        ["data.augment=null"],
        ["~callbacks.heatmaps", "data.crop=null", "trainer.channels_last=true", "optimizer.lr=1"],
        ["+optimizer.maximize=true", "+trainer.max_steps=5", "trainer.max_time='00:01:00:00'"],
        ["+callbacks.timer={_target_: lightning.pytorch.callbacks.Timer, duration: '00:01:00:00'}"],
        ["scheduler=none", "logger=none", "data.split=[0.5,0.25,0.25]", "trainer.limit_val_batches=3"],
    ],
)
def test_what_is_right_passes(overrides):
    assert preflight("train", overrides, CONF) is None


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        # groups
        ("task=coi", "task=coi: conf/task has no 'coi'; did you mean coil?"),
        ("debug=fast", "there is: fast_dev_run, limit, overfit, profiler"),
        ("optimizer=null", "expected the name of an option: adam"),
        ("modle=lenet", "there is no group or key 'modle'; did you mean model?"),
        ("taks/x=lenet", "there is no config group 'taks/x'"),
        ("hydra/launcher=joblibb", "did you mean joblib?"),
        # keys
        ("optimizer.lrr=1", "optimizer has no key 'lrr'; did you mean optimizer.lr?"),
        ("trainer.max_epoch=3", "trainer has no key 'max_epoch'; did you mean trainer.max_epochs"),
        ("lr=0.1", "did you mean optimizer.lr?"),
        ("optimzer.lr=0.1", "did you mean optimizer.lr?"),
        ("decide.missed=50", "decide has no key 'missed' as it is; decide=cost has it"),
        ("optimizer={lrr: 1}", "optimizer has no key 'lrr'; did you mean optimizer.lr?"),
        ("optimizer.maximize=true", "torch.optim.SGD takes it; add it with a plus: +optimizer.maximize=true"),
        ("~callbacks.heatmap", "callbacks has no key 'heatmap'; did you mean callbacks.heatmaps?"),
        ("~optimizer", "~optimizer: the config needs the key 'optimizer'"),
        ("~data.channels", "needs the key 'channels'"),
        # added keys
        ("+typo=1", "+typo=1: the config has no key 'typo'"),
        ("+model.typo=1", "+model.typo=1: inspection.models.lenet.LeNet has no key 'typo'"),
        ("+data.balnce=loss", "did you mean data.balance?"),
        ("+trainer.max_step=5", "did you mean trainer.max_steps"),
        ("+optimizer.lr=3", "the key exists; change it without the +: optimizer.lr=3"),
        ("+callbacks.x=1", "expected a component with a _target_, found 1"),
        (
            "+callbacks.t={_target_: lightning.pytorch.callbacks.Timer, durations: 3}",
            "Timer has no key 'durations'; did you mean callbacks.t.duration?",
        ),
        # values
        ("optimizer.lr=abc", "optimizer.lr=abc: expected a number, found the text 'abc'"),
        ("optimizer.lr='1e-3'", "1.0e-3, not 1e-3"),
        ("trainer.max_epochs=many", "expected a whole number, found the text 'many'"),
        ("data.batch_size=2.5", "expected a whole number, found 2.5"),
        ("data.crop=3", "expected a list of whole numbers or null, found 3"),
        (
            "data.balance=samplr",
            "expected sampler | loss | none, found the text 'samplr'; did you mean sampler?",
        ),
        (
            "decide.flips=[diagonal]",
            "expected a list of horizontal | vertical, found the list ['diagonal']",
        ),
        ("data.balance=None", "did you mean none?"),
        ("data.root=2024", "quote it"),
        ("data.classes=3", "data.classes=3: expected a list of texts"),  # not where it is referred to
        ("seed=1.5", "seed=1.5: expected a whole number"),
        ("task.mode=up", "expected max | min, found the text 'up'"),
        ("trainer.precision=16", "expected auto | 32-true"),
        ("callbacks.heatmaps=null", "drop it with '~callbacks.heatmaps'"),
        ("callbacks.heatmaps.method=gradcam", "did you mean grad_cam?"),
        # targets
        ("model._target_=os.system", "'os.system' may not be built"),
        ("model._target_=inspection.models.lenet.Lenet", "did you mean inspection.models.lenet.LeNet?"),
        ("model._target_=inspection.models.lenett.LeNet", "did you mean inspection.models.lenet.LeNet?"),
        # a group inside a group
        ("data/augment=non", "data/augment=non: conf/data/augment has no 'non'; did you mean none?"),
        ("data/augmen=none", "did you mean data/augment?"),
        ("augment=none", "did you mean data/augment?"),
        (
            "data.augment=none",
            "expected a component with a _target_, found 'none'; pick an option (data/augment=<name>)",
        ),
        ("data.synthetic=3", "expected a component with a _target_, found 3; pick an option (data=<name>)"),
        ("data.augment.rotaton=3", "did you mean data.augment.rotation?"),
        ("data.augment.gain=1.2", "data.augment.gain=1.2: expected a list of numbers, found 1.2"),
        ("gain=[1,2]", "did you mean data.augment.gain?"),
        # syntax and references
        ("optimizer.lr", "expected key=value"),
        ("optimizer.lr = 3", "without spaces around the ="),
        ("data.crop=[1,", "data.crop=[1,: can't be read"),
        ("model.in_channels=${data.chanels}", "refers to data.chanels, which is not there; did you mean"),
        ("optimizer.lr=0.1,0.2", "several values; add -m to run each of them"),
        # resuming
        ("ckpt_path=last", "nothing to resume, no run in outputs/coil/lenet holds checkpoints/last.ckpt"),
        ("ckpt_path=x.ckpt", "there is no such file"),
        ("ckpt_path=.", "a folder; expected a file"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(override, expected):
    assert expected in complaint(override)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("drift=abc", "drift=abc: expected a mapping or null, found the text 'abc'"),
        ("drift.window=abc", "drift.window=abc: expected a whole number, found the text 'abc'"),
        ("drift.rate=abc", "drift.rate=abc: expected a number or null"),
        ("+drift.windw=5", "drift has no key 'windw'; did you mean drift.window?"),
        ("camera=abc", "camera=abc: expected a mapping, found the text 'abc'"),
        ("camera.size=[480]", "camera.size=[480]: expected a list of 2 whole numbers or null"),
    ],
)
def test_a_part_that_may_be_left_out_is_checked_like_any_other(override, expected):
    given = ["inspector=x", "source=y"]
    assert expected in complaint(*given, override, config_name="stream")
    assert preflight("stream", [*given, "drift=null"], CONF) is None


def test_nothing_is_created(tmp_path):
    preflight("train", [], CONF)
    assert not os.listdir(tmp_path)


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    assert "paths.outputs=file/runs: can't write to" in complaint("paths.outputs=file/runs")


class TestSweep:
    def test_counts_jobs_and_reserves_one_folder(self):
        overrides = ["optimizer.lr=0.1,0.01", "seed=range(3)", "model=glob(*)", "test=false"]
        sweep = preflight("train", overrides, CONF, multirun=True)
        models = len(list((CONF / "model").glob("*.yaml")))
        assert isinstance(sweep, Sweep)
        assert sweep.keys == ("optimizer.lr", "seed", "model")
        assert sweep.jobs == 2 * 3 * models
        assert sweep.folder.is_dir()
        assert sweep.folder.parent == Path("outputs/sweeps")

    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            ("optimizer.lr=0.1,x", "optimizer.lr=x: expected a number"),
            ("model=lenet,small_cn", "did you mean small_cnn?"),
            ("data.balance=choice(sampler,los)", "did you mean loss?"),
            ("trainer.max_epochs=2,1.5", "trainer.max_epochs=1.5: expected a whole number"),
        ],
    )
    def test_each_value_is_checked(self, override, expected, tmp_path):
        assert expected in complaint("seed=1,2", override, multirun=True)
        assert not os.listdir(tmp_path)

    def test_resumes_nothing(self, tmp_path):
        (tmp_path / "x.ckpt").touch()
        assert "a sweep starts new ones" in complaint("ckpt_path=x.ckpt", "seed=1,2", multirun=True)

    def test_only_of_runs_with_a_folder(self):
        assert "-m: predict runs once" in complaint(
            "run=x", "input=a,b", config_name="predict", multirun=True
        )


class TestPredict:
    def test_needs_run_and_input(self):
        usage = "python scripts/predict.py run=<run folder> input=<folder, file or pattern>"
        assert complaint(config_name="predict") == f"run is missing: {usage}"
        assert complaint("run=x", config_name="predict") == f"input is missing: {usage}"
        assert preflight("predict", ["run=x", "input=y"], CONF) is None

    def test_is_shown_without_them(self):
        assert preflight("predict", [], CONF, show_only=True) is None

    def test_values(self):
        given = ("run=x", "input=y")
        assert "expected a number or a mapping or null" in complaint(
            *given, "threshold=high", config_name="predict"
        )
        assert "did you mean overlays?" in complaint(*given, "overlay=false", config_name="predict")


class TestFaultyFiles:
    """A mistake in a YAML file is named with the file."""

    @pytest.fixture
    def conf(self, tmp_path):
        return Path(shutil.copytree(CONF, tmp_path / "conf"))

    def edit(self, file: Path, old: str, new: str) -> None:
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def test_missing_key(self, conf):
        self.edit(conf / "data" / "coil.yaml", "channels: 1", "# channels: 1")
        message = complaint(conf=conf)
        assert "data.channels (conf/data/coil.yaml)" in message
        assert "FolderDataModule needs the key 'channels'" in message

    def test_misspelt_key(self, conf):
        self.edit(conf / "model" / "small_cnn.yaml", "dropout:", "dropuot:")
        message = complaint("model=small_cnn", conf=conf)
        assert "model.dropuot (conf/model/small_cnn.yaml)" in message
        assert "did you mean model.dropout?" in message

    def test_misspelt_key_in_an_experiment(self, conf):
        (conf / "experiment").mkdir(exist_ok=True)
        text = "# @package _global_\noptimizer:\n  momentun: 0.9\n"
        (conf / "experiment" / "a.yaml").write_text(text, encoding="utf-8")
        message = complaint("experiment=a", conf=conf)
        assert "optimizer.momentun (conf/experiment/a.yaml)" in message
        assert "did you mean optimizer.momentum?" in message

    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            ("data/augment/none.yaml", "roll: 0.0", "roll: high"),
            ("data/coil.yaml", "synthetic:", "augment: {roll: high}\nsynthetic:"),
            ("experiment/small_defects.yaml", "augment:", "augment:\n    roll: high"),
        ],
    )
    def test_of_several_files_the_one_with_the_last_word_is_named(self, conf, file, old, new):
        self.edit(conf / file, old, new)
        message = complaint("experiment=small_defects", conf=conf)
        assert message == f"data.augment.roll (conf/{file}): expected a number, found the text 'high'"

    def test_missing_option_in_defaults(self, conf):
        self.edit(conf / "task" / "coil.yaml", "override /model: lenet", "override /model: lenett")
        assert "did you mean lenet?" in complaint(conf=conf)
