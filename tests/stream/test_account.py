import numpy as np
import pytest

from inspection.stream.account import SHOWN, WINDOW, Account
from inspection.stream.frames import Result


def entry(seconds, status="inspected", reason="", tally=("ok",), done_at=0.0, alarm=False):
    return Result(0, "f", 0.0, None, seconds, status, reason, alarm=alarm), tally, done_at


def test_counts():
    account = Account(["ok", "defect"])
    account.add([entry(0.1), entry(0.1, tally=("defect", "scratch"), alarm=True)])
    account.add([entry(0.1, "dropped", "overflow"), entry(0.1, "failed", "not decoded")])
    account.add([entry(0.1, "dropped", "stopped"), entry(0.1, "dropped", "overflow")])
    counts = account.counts()
    assert (counts.inspected, counts.alarms, counts.total) == (2, 1, 6)
    assert counts.dropped == {"overflow": 2, "stopped": 1}
    assert counts.failed == {"not decoded": 1}
    assert counts.verdicts == {"ok": 1, "defect": 1, "scratch": 1}


@pytest.mark.parametrize("spread", [0.1, 1.0, 2.5])
def test_quantiles_of_all_verdicts_from_a_histogram(spread):
    seconds = np.random.default_rng(0).lognormal(-5, spread, 5000)
    account = Account()
    account.add([entry(value) for value in seconds.tolist()])
    latency = account.latency()
    for found, share in ((latency.median, 0.5), (latency.p99, 0.99)):
        true = np.quantile(seconds, share, method="inverted_cdf")
        assert true <= found <= 1.051 * true
    assert latency.longest == seconds.max()
    histogram, total = account.histogram()
    assert [count for _, count in histogram] == [int((seconds <= edge).sum()) for edge in (*SHOWN, np.inf)]
    assert total == pytest.approx(seconds.sum())


def test_an_hour_is_no_overflow():
    account = Account()
    account.add([entry(3600.0)])
    assert account.latency().p99 == 3600.0


def test_the_figures_of_the_moment_are_of_the_last_verdicts(monkeypatch):
    monkeypatch.setattr("inspection.stream.account.time.perf_counter", lambda: 0.0)
    account = Account()
    monkeypatch.setattr("inspection.stream.account.time.perf_counter", lambda: 1000.0)
    account.add([entry(9.0, done_at=number / 100) for number in range(5000)])
    account.add(
        [entry(0.01, done_at=990 + number / 100) for number in range(WINDOW)]
    )  # one in 10 ms, up to now
    rate, latency = account.lately()
    assert rate == pytest.approx(100, rel=0.01)
    assert (latency.median, latency.p99, latency.longest) == (0.01, 0.01, 0.01)
    monkeypatch.setattr("inspection.stream.account.time.perf_counter", lambda: 1010.0)
    assert account.lately()[0] == 0.0  # nothing for seconds


@pytest.mark.parametrize(("after", "rate"), [(0.1, 10.0), (1.0, 10.0), (5.0, 10.0), (60.0, 10.0)])
def test_the_rate_is_right_from_the_start_on(monkeypatch, after, rate):
    """A verdict every 100 ms: the first one after 100 ms."""
    now = [100.0]
    monkeypatch.setattr("inspection.stream.account.time.perf_counter", lambda: now[0])
    account = Account()
    now[0] = 700.0  # opening takes its time
    account.start()
    account.add([entry(0.01, done_at=700 + number / 10) for number in range(1, round(10 * after) + 1)])
    now[0] = 700.0 + after
    assert account.lately()[0] == pytest.approx(rate, rel=0.021)


def test_the_rate_of_batches_that_fill_the_window(monkeypatch):
    """100 at once every 100 ms: only the last second of them is known."""
    monkeypatch.setattr("inspection.stream.account.time.perf_counter", lambda: 0.0)
    account = Account()
    account.add([entry(0.01, done_at=number // 100 / 10) for number in range(100 * 100)])
    monkeypatch.setattr("inspection.stream.account.time.perf_counter", lambda: 9.9)
    assert account.lately()[0] == pytest.approx(1000)


def test_of_nothing_nothing_is_said():
    account = Account()
    assert account.lately()[1].median is None
    assert account.latency().p99 is None
    assert account.histogram()[0][-1] == (float("inf"), 0)
