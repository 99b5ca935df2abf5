"""A stream from its command line to what it leaves behind."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.images import find_images, read_image
from inspection.errors import InputError
from inspection.inspector.plain import write_json
from inspection.runs.commands import open_output
from inspection.runs.predict import predict
from inspection.runs.stream import Console, account, state_in_words, stream
from inspection.stream.frames import Live, SinkFigures

ROOT = Path(__file__).resolve().parents[2]
FAILING = "import sys; sys.modules['torch'] = None; sys.modules['lightning'] = None; "
PATIENCE = 300.0  # seconds until a test that waits has failed; a busy machine takes a while to start


@pytest.fixture
def call(trained, tmp_path, compose):
    """Streams; gives the exit status, the summary and the rows of the table, of the newest."""

    def call(source, *overrides, run=trained.folder):
        output = tmp_path / "out"
        line = [f"inspector='{run}'", f"source='{source}'", f"output='{output}'", *overrides]
        status = stream(plain(compose("stream", line)))
        newest = max(output.glob("summary*.json"), key=lambda path: (len(path.name), path.name))
        number = newest.stem.removeprefix("summary")
        summary = json.loads(newest.read_text(encoding="utf-8"))
        return status, summary, rows(output, f"frames{number}.csv")

    return call


def rows(folder, name="frames.csv"):
    path = folder / name
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_video(path, images, count):
    frames = [cv2.cvtColor(read_image(file), cv2.COLOR_GRAY2BGR) for file in find_images(images)]
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (width, height))
    for number in range(count):
        writer.write(frames[number % len(frames)])
    writer.release()
    return path


def test_verdicts_are_those_of_predict(call, compose, images, trained, tmp_path):
    status, summary, found = call(images)
    assert (status, summary["received"], summary["inspected"]) == (0, 96, 96)
    line = [f"run='{trained.folder}'", f"input='{images}'", f"output='{tmp_path / 'p'}'", "overlays=false"]
    assert predict(plain(compose("predict", line))) == 0
    with (tmp_path / "p" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        said = {row["file"]: row for row in csv.DictReader(file)}
    assert [row["name"] for row in found] == sorted(said)
    for row in found:
        same = {name: row[name] for name in row.keys() & said[row["name"]].keys() if name != "unlike"}
        assert len(same) == 4
        assert same["verdict"] == said[row["name"]]["verdict"]
        for name in same.keys() - {"verdict"}:
            assert float(same[name]) == pytest.approx(
                float(said[row["name"]][name]), abs=2e-6
            )  # other batches


def test_the_account_is_printed_and_written(call, images, trained, tmp_path, capsys):
    """A torn file and one that is too small fail, which is no reason to end otherwise."""
    some = tmp_path / "some"
    some.mkdir()
    for number, file in enumerate(find_images(images)[:6]):
        (some / f"{number}.png").write_bytes(file.read_bytes())
    (some / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    status, summary, found = call(some)
    assert status == 0
    assert summary["failed"] == {"not decoded": 1}
    assert summary["inspector"] == str(trained.folder)
    assert summary["operating_point"].startswith("a part is 'defect' at a probability of")
    assert summary["made"]
    assert (summary["received"], summary["inspected"], summary["dropped"]) == (6, 5, {})
    assert [row["status"] for row in found] == ["inspected"] * 2 + ["failed"] + ["inspected"] * 3
    assert "2.png" in found[2]["error"]
    assert "2.png" in summary["first_failed"]["not decoded"]
    printed = capsys.readouterr().out
    assert f"\nfirst not decoded: {summary['first_failed']['not decoded']}\n" in printed
    assert "  received   6\n  inspected  5  ok " in printed
    assert "  failed     1  not decoded 1\n" in printed
    assert "source ended, after" in printed
    assert "capture to verdict, the wait for their turn included: median" in printed
    assert printed.endswith(f"{tmp_path / 'out'}\n")


def test_a_threshold_moves_the_verdicts(call, images):
    _, summary, _ = call(images, "threshold=0.0")
    assert summary["verdicts"] == {"ok": 0, "defect": 96}
    assert summary["alarms"] == 96


def test_a_video_at_a_pace_again_and_again(call, images, tmp_path):
    video = write_video(tmp_path / "reel.avi", images, 20)
    status, summary, found = call(video, "rate=500", "repeat=null", "frames=50", "sinks=[csv,jsonl]")
    assert (status, summary["ended"], summary["received"]) == (0, "enough frames", 50)
    assert summary["policy"]["overflow"] == "drop_oldest"
    assert [row["name"] for row in found] == [f"reel_{number % 20:06d}" for number in range(50)]
    assert summary["sinks"]["jsonl"]["written"] == 50


@pytest.mark.parametrize("hurt", ["middle", "cut"])
def test_a_video_that_is_not_whole_is_no_success(call, images, tmp_path, capsys, hurt):
    video = write_video(tmp_path / "reel.avi", images, 100)
    data = bytearray(video.read_bytes())
    if hurt == "cut":
        del data[len(data) // 2 :]
    else:
        data[len(data) * 45 // 100 : len(data) * 55 // 100] = b"\xa5" * (len(data) // 10)
    video.write_bytes(data)
    status, summary, _ = call(video)
    assert (status, summary["ended"]) == (1, "source ended")
    assert summary["received"] + summary["missing"] == 100
    assert 5 < summary["missing"] < 60
    assert f"  missing    {summary['missing']}  cut short or damaged\n" in capsys.readouterr().out
    assert summary["messages"][-1].endswith("of 100 frames could be read: it is cut short or damaged")
    status, summary, _ = call(video, "frames=20")  # nobody came to the hole
    assert status == 0


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("bug")])
def test_a_camera_s_table_that_was_never_written_is_no_success(call, images, monkeypatch, error):
    def write(*_):
        raise error

    monkeypatch.setattr("inspection.stream.sinks.table.CsvSink.write", write)
    status, summary, _ = call(images, "overflow=drop_oldest", "queue=100", "frames=20", "sinks=csv")
    assert (status, summary["ended"], summary["inspected"]) == (1, "enough frames", 20)
    assert summary["sinks"]["csv"]["missed"] == 20


def test_drift_is_seen(call, images, tmp_path):
    """The same parts in less light; and of the images themselves nothing is said."""
    for file in find_images(images):
        image = (read_image(file) * 0.5).astype(np.uint8)
        path = tmp_path / "dark" / file.relative_to(images)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    _, summary, found = call(tmp_path / "dark", "drift.window=48")
    assert (summary["drift"]["windows"], summary["drift"]["drifted"]) == (2, 2)
    assert "DRIFT: the images have changed" in summary["drift"]["summary"][0]
    assert summary["drift"]["summary"][-1].startswith("drift was seen in 2 of 2 windows")
    assert any(row["unlike"] for row in found)
    _, summary, _ = call(images)
    assert (summary["drift"]["windows"], summary["drift"]["drifted"]) == (1, 0)
    _, summary, _ = call(images, "drift=null")
    assert summary["drift"] is None


def test_a_summary_that_cant_be_written_is_no_success(call, images, monkeypatch, capsys, tmp_path):
    def full(path, values, synced):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.runs.stream.write_json", full)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("{}")
    status, *_ = call(images, "sinks=none")
    assert status == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.json"]
    assert "summary_2.json could not be written: [Errno 28]" in capsys.readouterr().err


def test_for_the_account_there_is_a_place_on_a_disk_that_sinks_have_filled(
    call, images, monkeypatch, tmp_path
):
    reserved, waited, reserve = [], [], []

    def keep(dir):
        reserve.append(tempfile.TemporaryFile(dir=dir))  # noqa: SIM115  (the stream closes it)
        return reserve[0]

    def write(path, values, synced):
        reserved.append(0 if reserve[0].closed else os.fstat(reserve[0].fileno()).st_size)
        waited.append(synced)
        write_json(path, values, synced)

    monkeypatch.setattr("inspection.runs.stream.TemporaryFile", keep)
    monkeypatch.setattr("inspection.runs.stream.write_json", write)
    call(images, "frames=5", "sinks=none")
    assert (reserved[0] > 1e5, reserved[-1]) == (True, 0)
    assert (waited[0], waited[-1]) == (False, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.json"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["repeat=0"], "repeat=0: expected 1 or more, or null"),
        (["rate=-1"], r"rate=-1(\.0)?: expected frames a second, above 0"),
        (["queue=2"], "queue=2: expected room for a batch"),
        (["camera.rate=5"], "is no camera"),
        (["threads=0"], "threads=0: expected 1 or more, or null"),
        (["device=toaster"], "device=toaster: torch can't use it here"),
        (["deadline=-3"], "deadline=-3: expected 0 or more milliseconds"),
        (["drift.window=2"], "drift.window=2: expected 8 or more"),
        (["drift.rate=0"], r"drift\.rate=0(\.0)?: expected frames a second"),
        (["drift.false_alarms=1"], r"drift\.false_alarms=1(\.0)?: expected a share"),
    ],
)
def test_a_mistake_is_found_before_anything_is_made(call, images, tmp_path, given, said):
    with pytest.raises(InputError, match=said):
        call(images, *given)
    assert not (tmp_path / "out").exists()


def test_a_camera_is_neither_paced_nor_repeated(call):
    with pytest.raises(InputError, match="source=camera 0: a camera gives its frames once"):
        call(0, "rate=5")
    with pytest.raises(InputError, match="give its run folder runs/a"):
        call(__file__, run="runs/a/checkpoints/best.ckpt")


def test_a_folder_that_cant_be_made(call, images):
    with pytest.raises(InputError, match=r"output=.*/config\.yaml/here: the folder can't be made"):
        call(images, "output=${inspector}/config.yaml/here")


def test_a_second_stream_into_a_folder_leaves_the_first_account_as_it_was(call, images, tmp_path):
    _, first, _ = call(images, "frames=5")
    before = (tmp_path / "out" / "summary.json").read_bytes()
    _, second, found = call(images, "frames=7")
    assert (first["received"], second["received"], len(found)) == (5, 7, 7)
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").glob("summary*")) == [
        "summary.json",
        "summary_2.json",
    ]


def test_commands_of_one_second_have_folders_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setattr("inspection.runs.commands.time.strftime", lambda _: "now")
    made = [open_output(None, tmp_path, "stream") for _ in range(3)]
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "stream/now",
        "stream/now_2",
        "stream/now_3",
    ]
    assert open_output(str(made[0]), tmp_path, "stream") == made[0]  # who names one means it
    (tmp_path / "file" / "stream").mkdir(parents=True)
    (tmp_path / "file" / "stream" / "now").write_text("")
    with pytest.raises(InputError, match=r"file/stream/now: the folder can't be made"):
        open_output(None, tmp_path / "file", "stream")


def test_a_source_that_is_not_there_leaves_no_folder(call, tmp_path):
    (tmp_path / "torn.avi").write_bytes(b"text")
    with pytest.raises(InputError, match="can't read this as a video"):
        call(tmp_path / "torn.avi")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_while_it_is_opened_leaves_nothing(call, images, tmp_path, monkeypatch, number, raised):
    before = signal.getsignal(number)
    monkeypatch.setattr("inspection.runs.stream.Judge.warm_up", lambda *_: os.kill(os.getpid(), number))
    with pytest.raises(raised) as caught:
        call(images)
    assert raised is not SystemExit or caught.value.code == 143
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(number) == before


def test_a_line_needs_no_torch():
    command = [sys.executable, "-c", FAILING + "import inspection.runs.stream"]
    subprocess.run(command, check=True, cwd=ROOT, timeout=PATIENCE)


def test_figures_for_people():
    summary = {
        "received": 1200,
        "missing": 0,
        "inspected": 1000,
        "verdicts": {"ok": 990, "defect": 10},
        "dropped": {"overflow": 190, "stopped": 8},
        "failed": {"not decoded": 2},
        "first_failed": {"not decoded": "camera_0_000007: the frame can't be decoded"},
        "ended": "source lost",
        "why": "no frame came",
        "seconds": 12.0,
        "rate": 83.333,
        "reconnects": 2,
        "latency": {"median": 0.00412, "p99": 0.0191, "longest": 1.5},
        "sinks": {
            "csv": {"written": 1200, "missed": 0, "error": "", "lossy": False},
            "web": {"written": 900, "missed": 300, "error": "", "lossy": True},
            "video": {
                "written": 700,
                "missed": 500,
                "error": "[Errno 28] No space left on device",
                "lossy": False,
            },
        },
        "drift": None,
        "policy": {"overflow": "drop_oldest"},
    }
    assert account(summary) == [
        "",
        "  received   1200",
        "  inspected  1000  ok 990, defect 10",
        "  dropped     198  overflow 190, stopped 8",
        "  failed        2  not decoded 2",
        "",
        "first not decoded: camera_0_000007: the frame can't be decoded",
        "source lost: no frame came, after 12.0 s, reconnected 2 times; 83.33 frames/s inspected",
        "capture to verdict: median 4.12 ms, 99 of 100 within 19.1 ms, longest 1.5 s",
        "sink video: 700 written, 500 missed ([Errno 28] No space left on device)",
    ]


def test_the_moment_in_a_line():
    live = Live(
        state="reconnecting",
        source="camera 0",
        started=0.0,
        elapsed=12.0,
        received=1204,
        inspected=1200,
        dropped={"overflow": 2},
        failed={"not decoded": 1},
        waiting=1,
        capacity=16,
        total=None,
        verdicts={"ok": 1190, "defect": 10},
        alarms=10,
        rate=99.96,
        mean_rate=100.0,
        median=0.0041,
        p99=0.0102,
        window=1000,
        histogram=(),
        seconds=5.0,
        sinks={
            "csv": SinkFigures(1195, 5, 0, 1000),
            "web": SinkFigures(1000, 200, 0, 32, lossy=True),
        },
        drifted=True,
    )
    assert state_in_words(live) == (
        "99.96/s, 4.1 ms, 99 % within 10.2 ms, 1 waiting, 2 dropped, 1 failed, 10 alarms, 5 not written, DRIFT, "
        "reconnecting"
    )


def test_nobody_needs_to_listen(monkeypatch):
    """Whatever read the log has died: no reason to stop a line."""

    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    console = Console(SimpleNamespace(news=deque(["camera 0: back", "camera 0: gone"]), stopping=True))
    console.tick()
    console.close()


def test_in_a_log_a_stop_is_said_at_once_and_once(capsys):
    console = Console(SimpleNamespace(news=[], stopping=False, policy=SimpleNamespace(stop_within=5)))
    console.tick()
    assert capsys.readouterr().err == ""
    console._made.stopping = True
    for _ in range(3):
        console.tick()
    said = "stopping: what waits is finished, in 5 s at most; once more to stop at once\n"
    assert capsys.readouterr().err == said


@pytest.mark.slow
def test_who_listens_may_go(trained, images, tmp_path):
    """As `head -1` does, or a log's reader that dies: the stream goes on to its end, and that is a good one."""
    output = tmp_path / "out"
    line = [f"inspector={trained.folder}", f"source={images}", f"output={output}"]
    with subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "stream.py"), *line],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")
    assert json.loads((output / "summary.json").read_text(encoding="utf-8"))["ended"] == "source ended"


@pytest.fixture
def started(trained, images, tmp_path):
    """A stream of a video that goes on for ever, in a process of its own, at work."""
    processes = []

    def start(*overrides):
        video = write_video(tmp_path / "reel.avi", images, 40)
        output = tmp_path / "out"
        line = [
            f"inspector={trained.folder}",
            f"source={video}",
            f"output={output}",
            "rate=100",
            "repeat=null",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(ROOT / "scripts" / "stream.py"), *line, *overrides]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        until = time.monotonic() + PATIENCE
        while len(rows(output)) < 30:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        return process, output

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(started, number):
    process, output = started()
    process.send_signal(number)
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    said = [line for line in errors.splitlines() if "frames came late" not in line]  # of a busy machine
    assert said in ([], ["stopping: what waits is finished, in 5 s at most; once more to stop at once"])
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert summary["ended"] == "stopped"
    found = rows(output)
    assert [int(row["frame"]) for row in found] == list(range(summary["received"]))
    counted = summary["inspected"] + sum(summary["dropped"].values()) + sum(summary["failed"].values())
    assert counted == summary["received"]
    assert "stopped, after" in printed


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_whole_lines(started):
    process, output = started("sinks=[csv,jsonl]")
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert (output / "frames.csv").read_bytes().endswith(b"\n")
    assert [int(row["frame"]) for row in rows(output)] == list(range(len(rows(output))))
    lines = (output / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 30
    assert all(json.loads(line) for line in lines)
    assert json.loads((output / "summary.json").read_text(encoding="utf-8"))["ended"] is None
