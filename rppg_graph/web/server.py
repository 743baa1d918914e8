"""The live page's server: bound to this machine, for whoever holds its token; it writes nothing to the disk."""

from __future__ import annotations

import json
import secrets
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rppg_graph.errors import InputError
from rppg_graph.inference.methods import BY_NAME, Method
from rppg_graph.inference.named import named
from rppg_graph.inference.stream import warm_up
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.report.prediction import csv_of, report_of
from rppg_graph.web.session import FPS, Session

HERE = Path(__file__).parent
FILES = {
    "/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript"),
}  # fmt: skip
MOST_BYTES = 16 << 20  # of a request: a group of frames
MOST_REQUESTS = 60  # a second
DEFAULT_PORT = 8477  # always the same, so that a browser remembers that the page may use the camera
QUIET_SECONDS = 5.0  # after which another tab may take over
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Chosen = tuple[Method, dict[str, Any], Calibration | None]


def serve(name: str, chosen: Chosen, port: int | None = None, browse: bool = True) -> None:
    """Serve the page until Ctrl-C.

    Args:
        name, chosen: the method that the page begins with.
        port: None for ``DEFAULT_PORT``, 0 for a free one.
        browse: open it in the browser.

    Raises:
        InputError: the port cannot be had.
    """
    from rppg_graph.models.weights import SHIPPED  # brings PyG

    def choose(other: str) -> Chosen:
        if other == name:
            return chosen
        method, calibration = named(other)
        return method, {}, calibration

    names = dict.fromkeys([name, *BY_NAME, *SHIPPED])
    with LiveServer(choose, list(names), DEFAULT_PORT if port is None else port) as server, suppress(KeyboardInterrupt):
        print(f"{server.url}\nOpen this address in a browser on this computer; Ctrl-C ends.", flush=True)
        if browse:
            webbrowser.open(server.url)
        server.serve_forever()


class LiveServer(ThreadingHTTPServer):
    """Serves the live page on 127.0.0.1; one camera session at a time.

    Args:
        choose: a method's name → the method, how faces are found for it, and its calibration.
        names: of the methods that the page offers, the first one first.
        port: 0 for a free one.

    Raises:
        InputError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, choose: Callable[[str], Chosen], names: Sequence[str], port: int = 0) -> None:
        self.lock, self.computing, self.session = threading.Lock(), threading.Lock(), None
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            cure = "take another with --port N, or --port 0 for a free one"
            raise InputError(f"port {port}: {getattr(error, 'strerror', None) or error}; {cure}") from None
        self._choose, self.names = choose, list(names)
        self.token = secrets.token_urlsafe(16)
        self._allowed, self._counted = float(MOST_REQUESTS), time.monotonic()

    @property
    def url(self) -> str:
        """What the browser opens."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def server_close(self) -> None:
        """Close, once nothing is being computed: a thread that ends in the middle of a network takes all with it."""
        super().server_close()
        self.computing.acquire()  # for good

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""

    def is_within_rate(self) -> bool:
        """Count a request; False where there were more than ``MOST_REQUESTS`` in a second."""
        with self.lock:
            now = time.monotonic()
            passed, self._counted = now - self._counted, now
            self._allowed = min(MOST_REQUESTS, self._allowed + MOST_REQUESTS * passed) - 1
            self._allowed = max(self._allowed, -1.0)
            return self._allowed >= 0

    def start(self, name: str, method: str) -> Session:
        """Begin a session in place of the one before.

        Raises:
            _Refused: another tab is measuring.
            InputError: the method cannot be had.
        """
        if method not in self.names:
            raise InputError(f"no method is named {method!r}; choose one of {', '.join(self.names)}")
        session = Session(name, *self._chosen(method))
        with self.lock:
            old = self.session
            if old is not None and old.name != name and time.monotonic() - old.active < QUIET_SECONDS:
                session.close()
                raise _Refused(HTTPStatus.CONFLICT, "Another tab is measuring: stop it or close it, then start here.")
            self.session = session
        if old is not None:
            old.close()
        return session

    @cache  # noqa: B019, one server a process
    def _chosen(self, method: str) -> Chosen:
        """The method, ready to keep up with a camera."""
        chosen = self._choose(method)
        warm_up(chosen[0])
        return chosen

    def current(self, name: str) -> Session:
        """The session of that name.

        Raises:
            _Refused: it ended, or another tab took its place.
        """
        session = self.session
        if session is None or session.name != name:
            raise _Refused(HTTPStatus.GONE, "This measurement has ended: press Start to begin anew.")
        return session

    def end(self, name: str) -> None:
        """End the session of that name, if it is the current one."""
        with self.lock:
            old = self.session
            if old is None or old.name != name:
                return
            self.session = None
        old.close()


class _Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: LiveServer

    def log_message(self, *_: Any) -> None:
        """The screen stays quiet."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, route: Callable[[str, dict[str, str]], tuple[str, bytes]]) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        status = HTTPStatus.OK
        try:
            self._check(url.path, query.get("token", ""))
            kind, content = route(url.path, query)
        except _Refused as refused:
            status, kind, content = refused.status, "application/json", _json({"error": str(refused)})
            self.close_connection = True  # the body may lie there unread
        except InputError as error:
            status, kind, content = HTTPStatus.BAD_REQUEST, "application/json", _json({"error": str(error)})
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _check(self, path: str, token: str) -> None:
        """Refuse whoever is not our page in a browser on this machine."""
        hosts = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in hosts:
            raise _Refused(HTTPStatus.FORBIDDEN, f"This page is at http://{hosts[0]}/ alone.")
        if origin not in [f"http://{host}" for host in hosts] + [None] * (self.command == "GET"):
            raise _Refused(HTTPStatus.FORBIDDEN, "Another page may not use this one.")
        if path in ("/page.css", "/page.js"):
            return
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "Open the address that the program printed, with its whole token.")
        if not self.server.is_within_rate():
            raise _Refused(HTTPStatus.TOO_MANY_REQUESTS, f"Over {MOST_REQUESTS} requests a second: some are left out.")

    def _get(self, path: str, query: dict[str, str]) -> tuple[str, bytes]:
        if path in FILES:
            name, kind = FILES[path]
            return kind, (HERE / name).read_bytes()
        if path == "/about":
            return "application/json", _json({"methods": self.server.names})
        if path in ("/pulse.csv", "/report.html"):
            with self.server.computing:
                prediction = self.server.current(query.get("session", "")).prediction()
            if path == "/pulse.csv":
                return "text/csv", csv_of(prediction).encode()
            return "text/html", report_of("Live measurement", prediction).encode()
        raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {path} here.")

    def _post(self, path: str, query: dict[str, str]) -> tuple[str, bytes]:
        body, name = self._body(), query.get("session", "")
        if path == "/start":
            with self.server.computing:
                self.server.start(name, query.get("method", ""))
            return "application/json", _json({"fps": FPS})
        if path == "/frames":
            with self.server.computing:
                told = self.server.current(name).push(body, _number(query.get("waiting", "0")))
            return "application/json", _json(told)
        if path == "/end":
            self.server.end(name)
            return "application/json", _json({})
        raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {path} here.")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "A request says how long it is.")
        if int(length) > MOST_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request has at most {MOST_BYTES >> 20} MiB.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Refused(HTTPStatus.BAD_REQUEST, f"The request is cut off: {len(body)} of {length} bytes came.")
        return body


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{text!r} is no number") from None


def _json(content: object) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
