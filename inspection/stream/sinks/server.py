"""A small web server that only shows: fixed paths, reading methods, and nothing that another site could use."""

import contextlib
import errno
import io
import ipaddress
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from inspection.errors import InputError

PATIENCE = 10.0
"""Seconds in which a client has to have asked, byte by byte or at once, and to have taken the answer."""
MOST, OF_ONE = 48, 24
"""Connections at a time, and of one address; further ones are told to come later."""
SPARE, SPARE_PATIENCE = 8, 1.0
"""Places for what is always answered, while the others are taken; and the seconds for asking and for taking it."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_TEXT = "text/plain; charset=utf-8"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Answer(NamedTuple):
    """What a path gives."""

    content: bytes
    kind: str
    status: int = 200


class Asked(NamedTuple):
    """A path, decoded by nobody, and what stands behind its question mark."""

    path: str
    query: str


Site = Callable[[Asked], Answer | None]
"""From what is asked for to the answer; None: there is no such thing. Called in the thread of the client."""


class ReadOnlyServer:
    """Serves a site in threads of its own.

    Only requests by an address, by `localhost` or by one of `names` are answered: a page elsewhere whose name was
    made to point here (DNS rebinding) reads nothing.

    Args:
        site: What there is.
        host: Address to listen at; `0.0.0.0` or `::` for all of this machine's.
        port: 0 for any that is free.
        names: Host names by which it may be asked.
        key: Of the config, for messages.
        always: Paths that are answered also while there is no place: those of a supervisor.

    Attributes:
        url: Where it is.

    Raises:
        InputError: The address or the port can't be had.
    """

    def __init__(
        self, site: Site, host: str, port: int, names: Sequence[str], key: str, always: Collection[str] = ()
    ) -> None:
        if not 0 <= port <= 65535:
            raise InputError(f"{key}.port={port}: expected 0 to 65535")
        own = {name.lower().rstrip(".") for name in names} | {"localhost"}
        handler = type("Handler", (_Handler,), {"site": staticmethod(site), "names": own, "always": always})
        try:
            self._server = _Server(host, port, handler)
        except (OSError, UnicodeError) as error:
            raise InputError(_unavailable(error, host, port, key)) from None
        real = self._server.server_address[1]
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(
            host, f"[{host}]" if ":" in host else host
        )
        self.url = f"http://{shown}:{real}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name=key, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Listen no more; who is being answered may finish, and is not waited for."""
        self._server.closed = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(
    socketserver.ThreadingTCPServer
):  # `HTTPServer` asks the network for this machine's name: seconds
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    allow_reuse_address = sys.platform != "win32"  # there it lets two servers have one port

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.closed = False
        self._lock = threading.Lock()
        self._held: dict[Any, str] = {}  # connections, by the address of the other side
        self._spare: set[Any] = set()
        super().__init__((host, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, if there are not too many."""
        if self._has_place(request, client_address[0]):
            try:
                super().process_request(request, client_address)
            except BaseException:  # no thread could be started
                self._leave(request)
                raise
            return
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(_FULL)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """And one more may come then."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave(request)

    def is_spare(self, request: Any) -> bool:
        """Whether a connection has a place only for what is always answered."""
        return request in self._spare

    def _has_place(self, request: Any, address: str) -> bool:
        with self._lock:
            if len(self._held) < MOST and list(self._held.values()).count(address) < OF_ONE:
                self._held[request] = address
                return True
            if len(self._spare) < SPARE:
                self._spare.add(request)
                return True
            return False

    def _leave(self, request: Any) -> None:
        with self._lock:
            self._held.pop(request, None)
            self._spare.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle are no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Incoming(io.RawIOBase):
    """What comes in, until a moment: a time limit of the socket begins anew with every byte."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    server: _Server
    site: Site
    names: Collection[str]
    always: Collection[str]

    def setup(self) -> None:
        """Nobody holds a place by being slow."""
        super().setup()
        self.rfile.close()
        self._spare = self.server.is_spare(self.connection)
        self._patience = SPARE_PATIENCE if self._spare else self.timeout
        self._incoming = _Incoming(self.connection)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        """The whole head in time."""
        self._incoming.until = time.monotonic() + self._patience
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer with a body."""
        try:
            self._answer(self._found())
        except TimeoutError:  # a client that does not take its answer
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _refuse(self) -> None:
        self.close_connection = True  # of what may follow as a body nothing is read
        self._answer(Answer(b"This page can be read only.\n", _TEXT, 405), {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815

    def _found(self) -> Answer:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return Answer(b"A request without a body is expected.\n", _TEXT, 400)
        if not _is_own(self.headers.get_all("Host", []), self.names):
            words = "This page is not known by that name; it can be told in the key names of the sink web.\n"
            return Answer(words.encode(), _TEXT, 421)
        path, _, query = self.path.partition("?")
        if self._spare and path not in self.always:
            return Answer(b"Too many look at this page; it can be had later.\n", _TEXT, 503)
        try:
            found = self.site(Asked(path, query))
        except Exception as error:  # the page's own trouble; the console belongs to the stream
            return Answer(f"This could not be made: {type(error).__name__}\n".encode(), _TEXT, 500)
        return found or Answer(b"There is no such page.\n", _TEXT, 404)

    def _answer(self, answer: Answer, further: Mapping[str, str] | None = None) -> None:
        self.connection.settimeout(self._patience)
        if self.server.closed or self._spare:
            self.close_connection = True
        self.send_response(answer.status)
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content)), **_HEADERS}
        if self._spare and answer.status == 503:
            headers["Retry-After"] = "5"
        for name, value in (headers | dict(further or {})).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Of requests that are none: nothing of them comes back."""
        self.close_connection, self.request_version = True, self.protocol_version  # not known so far
        self._answer(Answer(f"{HTTPStatus(code).phrase}\n".encode(), _TEXT, code))

    def version_string(self) -> str:
        """Nothing that helps to attack."""
        return "inspection"

    def log_message(self, format: str, *args: Any) -> None:
        """The console belongs to the stream."""


def _is_own(hosts: Sequence[str], names: Collection[str]) -> bool:
    """Whether the one host name of a request is ours: an address can't be made to point elsewhere."""
    if len(hosts) != 1:
        return False
    name = hosts[0].strip()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return name.lower().rstrip(".") in names


def _unavailable(error: OSError | UnicodeError, host: str, port: int, key: str) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE or getattr(error, "winerror", None) == 10048:
        return (
            f"{key}.port={port}: something listens at {host}:{port} already, another stream perhaps; "
            f"take another port, or 0 for any that is free"
        )
    if number in (errno.EACCES, errno.EPERM):
        return f"{key}.port={port}: this port needs more rights; take one from 1024 on, or 0 for any that is free"
    return (
        f"{key}.host={host}: no address of this machine ({error}); "
        f"127.0.0.1 is for it alone, 0.0.0.0 for its network"
    )
