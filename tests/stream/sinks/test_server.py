"""A web server that only shows, asked by hand over sockets."""

import contextlib
import socket
import sys
import threading
import time
import urllib.request

import pytest

from inspection.errors import InputError
from inspection.stream.sinks import server
from inspection.stream.sinks.server import Answer, ReadOnlyServer
from tests.stream.conftest import PATIENCE, settled

pytestmark = pytest.mark.slow  # waits for slow clients


@pytest.fixture
def patient(monkeypatch):
    """Clients may be slow: the machine may be busy."""
    monkeypatch.setattr(server._Handler, "timeout", 10 * PATIENCE)
    monkeypatch.setattr(server, "SPARE_PATIENCE", 10 * PATIENCE)


@pytest.fixture
def site():
    """Serves one page, and one that is large."""
    pages = {"/": Answer(b"hello", "text/html"), "/large": Answer(b"x" * 30_000_000, "text/plain")}

    def found(asked):
        if asked.path == "/broken":
            raise KeyError("secret")
        return pages.get(asked.path)

    served = ReadOnlyServer(found, "127.0.0.1", 0, ["line3.plant.example"], "sinks.web")
    yield served
    served.close()


def port(served):
    return int(served.url.rstrip("/").rpartition(":")[2])


def connected(served):
    return socket.create_connection(("127.0.0.1", port(served)), timeout=PATIENCE)


def asked(served, raw):
    """The answer to bytes: status, headers, body."""
    with connected(served) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body


def get(path="/", host="127.0.0.1", method="GET"):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def test_a_page(site):
    status, headers, body = asked(site, get())
    assert (status, body) == (200, b"hello")
    assert headers["Content-Length"] == "5"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert "Access-Control-Allow-Origin" not in headers
    assert "Python" not in headers["Server"]
    assert urllib.request.urlopen(site.url).read() == b"hello"


def test_head_has_no_body(site):
    status, headers, body = asked(site, get(method="HEAD"))
    assert (status, headers["Content-Length"], body) == (200, "5", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_nothing_can_be_written(site, method):
    status, headers, _ = asked(site, get(method=method))
    assert (status, headers["Allow"], headers["Connection"]) == (405, "GET, HEAD", "close")


@pytest.mark.parametrize("path", [
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/live.css/../../server.py", "/%00",
    "/pictures", "/page/live.html", "http://127.0.0.1/", "*",
])  # fmt: skip
def test_there_is_nothing_else(site, path):
    assert asked(site, get(path))[0] == 404


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "localhost",
        "LOCALHOST.:80",
        "[::1]:8080",
        "192.168.3.4",
        "line3.plant.example:80",
    ],
)
def test_own_names(site, host):
    assert asked(site, get(host=host))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_a_name_that_was_made_to_point_here_reads_nothing(site, host):
    status, headers, body = asked(site, get(host=host))
    assert status == 421
    assert b"hello" not in body
    assert "Content-Security-Policy" in headers


def test_no_host_and_two_hosts(site):
    assert asked(site, b"GET / HTTP/1.1\r\n\r\n")[0] == 421
    assert asked(site, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")[0] == 421


@pytest.mark.parametrize(
    "raw",
    [b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
     b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
     b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % number for number in range(200)) + b"\r\n"],
)  # fmt: skip
def test_what_is_no_request_harms_nobody(site, raw):
    with connected(site) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"nonsense" not in answer
    assert (b"Content-Security-Policy" in answer) == bool(answer)
    assert asked(site, get())[0] == 200


def test_a_body_is_not_read_as_the_next_request(site):
    inner = get("/large")
    raw = b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner
    status, headers, body = asked(site, raw)
    assert (status, headers["Connection"]) == (400, "close")
    assert b"HTTP/1.1" not in body


def test_trouble_is_told_without_details(site, capfd):
    status, _, body = asked(site, get("/broken"))
    assert status == 500
    assert b"secret" not in body
    assert capfd.readouterr() == ("", "")


def test_who_does_not_take_the_answer_holds_nobody_up(site, patient):
    slow = connected(site)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(get("/large"))
    assert slow.recv(1) == b"H"
    for _ in range(20):
        assert asked(site, get())[0] == 200
    assert settled(lambda: len(site._server._held) == 1)  # is still being answered, and the others are not
    slow.close()


def test_who_says_nothing_is_sent_away(monkeypatch):
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    served = ReadOnlyServer(lambda _: None, "127.0.0.1", 0, [], "sinks.web")
    with connected(served) as silent, contextlib.suppress(ConnectionError):  # not a `TimeoutError`
        silent.sendall(b"GET / HT")
        assert silent.recv(100) == b""
    served.close()


def test_who_asks_byte_by_byte_is_sent_away(monkeypatch):
    monkeypatch.setattr(server._Handler, "timeout", 0.5)
    served = ReadOnlyServer(lambda _: None, "127.0.0.1", 0, [], "sinks.web")

    def drip(connection):
        for _ in range(300):
            connection.send(b"G")
            time.sleep(0.1)

    with connected(served) as slow, pytest.raises(OSError, match=r"reset|pipe|abort"):
        drip(slow)
    served.close()


@pytest.fixture
def crowded(monkeypatch, patient):
    """A server whose places are all taken by one address, and the connections that hold them."""
    monkeypatch.setattr(server, "OF_ONE", 3)
    monkeypatch.setattr(server, "SPARE", 2)
    served = ReadOnlyServer(
        lambda asked: Answer(asked.path.encode(), "text/plain"), "127.0.0.1", 0, [], "sinks.web", ["/healthz"]
    )
    held = [connected(served) for _ in range(3)]
    assert settled(lambda: len(served._server._held) == 3)
    yield served, held
    for each in held:
        each.close()
    served.close()


def test_too_many_are_told_to_come_later(crowded):
    served, held = crowded
    status, headers, _ = asked(served, get())
    assert (status, headers["Retry-After"], headers["Connection"]) == (503, "5", "close")
    assert settled(lambda: not served._server._spare)
    with connected(served), connected(served):
        assert settled(lambda: len(served._server._spare) == 2)
        with connected(served) as one_more:
            assert one_more.recv(1000).startswith(b"HTTP/1.1 503 ")
    for each in held:
        each.close()
    assert settled(lambda: not served._server._held)
    assert asked(served, get())[0] == 200


def test_a_supervisor_is_answered_while_all_places_are_taken(crowded):
    served, _ = crowded
    for _ in range(5):
        assert asked(served, get("/healthz"))[::2] == (200, b"/healthz")
        assert settled(lambda: not served._server._spare)


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is not an address everywhere")
def test_one_address_does_not_take_all_places(crowded):
    served, _ = crowded
    with socket.create_connection(("127.0.0.1", port(served)), PATIENCE, ("127.0.0.2", 0)) as other:
        other.sendall(get())
        assert other.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_many_at_once(site, monkeypatch):
    monkeypatch.setattr(server, "OF_ONE", 200)  # a place is free some time after its answer was taken
    monkeypatch.setattr(server, "MOST", 200)
    failed = []

    def ask():
        for _ in range(10):
            if asked(site, get())[::2] != (200, b"hello"):
                failed.append(1)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_port_in_use_is_named(site):
    with pytest.raises(InputError, match=rf"sinks.web.port={port(site)}: something listens at 127.0.0.1:"):
        ReadOnlyServer(lambda _: None, "127.0.0.1", port(site), [], "sinks.web")


@pytest.mark.parametrize(("host", "number", "words"), [
    ("127.0.0.1", 70000, "expected 0 to 65535"),
    ("203.0.113.7", 0, "no address of this machine"),
    ("nowhere.invalid", 0, "no address of this machine"),
])  # fmt: skip
def test_what_cannot_be_listened_at(host, number, words):
    with pytest.raises(InputError, match=words):
        ReadOnlyServer(lambda _: None, host, number, [], "sinks.web")


def test_after_the_end_there_is_nobody(site):
    site.close()
    with pytest.raises(OSError, match="refused"):
        connected(site)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_the_other_addresses():
    try:
        served = ReadOnlyServer(lambda _: Answer(b"six", "text/plain"), "::1", 0, [], "sinks.web")
    except InputError:
        pytest.skip("no IPv6 on this machine")
    assert urllib.request.urlopen(served.url).read() == b"six"
    served.close()
    everywhere = ReadOnlyServer(lambda _: Answer(b"all", "text/plain"), "0.0.0.0", 0, [], "sinks.web")
    assert urllib.request.urlopen(everywhere.url).read() == b"all"
    everywhere.close()
