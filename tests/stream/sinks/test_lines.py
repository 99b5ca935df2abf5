"""Files that grow by whole lines."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from inspection.errors import InputError
from inspection.stream.sinks import lines
from inspection.stream.sinks.lines import LineFile, bytes_of, iso_time, whole_lines


def begun(folder, limit=None):
    return LineFile(folder, "frames", ".csv", b"head\n", limit)


def test_nothing_is_held_back(tmp_path):
    file = begun(tmp_path)
    file.append(b"one\ntwo\n")

    assert (tmp_path / "frames.csv").read_bytes() == b"head\none\ntwo\n"  # not closed
    file.close()


def test_what_is_there_is_never_written_to(tmp_path):
    (tmp_path / "frames.csv").write_text("of yesterday\n")
    (tmp_path / "frames_2.csv").write_text("of this morning\n")

    file = begun(tmp_path)
    file.append(b"one\n")
    file.close()

    assert file.path.name == "frames_3.csv"
    assert (tmp_path / "frames.csv").read_text() == "of yesterday\n"
    assert (tmp_path / "frames_2.csv").read_text() == "of this morning\n"


def test_a_part_that_is_full_is_followed_by_the_next(tmp_path):
    file = begun(tmp_path, limit=14)
    for word in (b"four\n", b"five\n", b"a longer line than fits\n", b"six\n"):
        file.append(word)
    file.close()

    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())] == [
        ("frames.csv", b"head\nfour\n"),
        ("frames_2.csv", b"head\nfive\n"),
        ("frames_3.csv", b"head\na longer line than fits\n"),
        ("frames_4.csv", b"head\nsix\n"),
    ]


def test_without_a_line_there_is_no_file(tmp_path, monkeypatch):
    begun(tmp_path).close()
    assert list(tmp_path.iterdir()) == []

    file = begun(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(lines.os, "write", failing(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            file.append(b"one\n")
    file.close()
    assert list(tmp_path.iterdir()) == []


def failing(error):
    def fails(*_):
        raise error

    return fails


@pytest.mark.parametrize("room", [0, 1, 5])
@pytest.mark.parametrize("limit", [None, 6])
def test_a_full_disk_leaves_no_half_a_line(tmp_path, monkeypatch, room, limit):
    file = begun(tmp_path, limit)
    file.append(b"one\n")
    write, left = os.write, [room]

    def full(handle, data):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(handle, bytes(data)[: left[0]])
        left[0] -= count
        return count

    with monkeypatch.context() as patched:
        patched.setattr(lines.os, "write", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                file.append(b"two\nthree\n")
    assert (tmp_path / "frames.csv").read_bytes() == b"head\none\n"

    file.append(b"two\nthree\n")  # the same once more
    file.close()
    assert b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir())).replace(b"head\n", b"") == (
        b"one\ntwo\nthree\n"
    )


def test_a_folder_that_is_not_there_is_a_persons_mistake(tmp_path):
    with pytest.raises(InputError, match=r"frames\.csv can't be begun"):
        begun(tmp_path / "nowhere")


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_kill_loses_nothing_that_was_reported(tmp_path):
    code = (
        "import sys, pathlib, itertools\n"
        "from inspection.stream.sinks.lines import LineFile\n"
        "file = LineFile(pathlib.Path(sys.argv[1]), 'frames', '.csv', b'head\\n', None)\n"
        "for number in itertools.count():\n"
        "    file.append(b'%d\\n' % number)\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    for _ in range(500):
        reported = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()

    written, torn = whole_lines((tmp_path / "frames.csv").read_bytes())
    assert torn == b""
    assert len(written) - 1 > reported
    assert written == [b"head", *(b"%d" % number for number in range(len(written) - 1))]


def test_the_time_zone_is_stated(monkeypatch):
    assert iso_time(1_795_000_000.25)[19:23] == ".250"
    assert iso_time(1_795_000_000.25)[23] in "+-"


def test_limits():
    assert bytes_of(None, "megabytes") is None
    assert bytes_of(0.5, "megabytes") == 500_000
    with pytest.raises(InputError, match="megabytes=0: expected more than 0"):
        bytes_of(0, "megabytes")


@pytest.mark.skipif(os.name == "nt", reason="no limits of file sizes")
def test_a_write_that_is_cut_short_by_the_system(tmp_path):
    """A limit of the file's size: the system takes a part of a line, then none, as on a disk that becomes full."""
    code = (
        "import pathlib, resource, sys\n"
        "from inspection.stream.sinks.lines import LineFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "file = LineFile(pathlib.Path(sys.argv[1]), 'frames', '.csv', b'head\\n', None)\n"
        "for number in range(200):\n"
        "    try:\n"
        "        file.append(b'line %d\\n' % number)\n"
        "    except OSError:\n"
        "        print(number)\n"
        "        break\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )

    refused = int(done.stdout)
    lines, torn = whole_lines((tmp_path / "frames.csv").read_bytes())
    assert torn == b""
    assert lines == [b"head", *(b"line %d" % number for number in range(refused))]
    assert (tmp_path / "frames.csv").stat().st_size > 980
