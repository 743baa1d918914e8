"""How a request of the live page is answered, and who is refused."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from rppg_graph.errors import InputError
from rppg_graph.report.prediction import csv_of, report_of
from rppg_graph.web.session import FPS

if TYPE_CHECKING:
    from rppg_graph.web.server import LiveServer

HERE = Path(__file__).parent
FILES = {
    "/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript"),
}  # fmt: skip
MOST_BYTES = 16 << 20  # of a request: a group of frames
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of our page in a browser on this machine, and refuses all others."""

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
        except Refused as refused:
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
            raise Refused(HTTPStatus.FORBIDDEN, f"This page is at http://{hosts[0]}/ alone.")
        if origin not in [f"http://{host}" for host in hosts] + [None] * (self.command == "GET"):
            raise Refused(HTTPStatus.FORBIDDEN, "Another page may not use this one.")
        if path in ("/page.css", "/page.js"):
            return
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "Open the address that the program printed, with its whole token.")
        if not self.server.is_within_rate():
            told = f"Over {self.server.most_requests} requests a second: some are left out."
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, told)

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
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no {path} here.")

    def _post(self, path: str, query: dict[str, str]) -> tuple[str, bytes]:
        length, name = self.headers.get("Content-Length", ""), query.get("session", "")
        if not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "A request says how long it is.")
        if int(length) > MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request has at most {MOST_BYTES >> 20} MiB.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, f"The request is cut off: {len(body)} of {length} bytes came.")
        if path == "/start":
            with self.server.computing:
                self.server.start(name, query.get("method", ""))
            return "application/json", _json({"fps": FPS})
        if path == "/frames":
            try:
                waiting = float(query.get("waiting", "0"))
            except ValueError as error:
                raise InputError(f"waiting: {error}") from None
            with self.server.computing:
                told = self.server.current(name).push(body, waiting)
            return "application/json", _json(told)
        if path == "/end":
            self.server.end(name)
            return "application/json", _json({})
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no {path} here.")


def _json(content: object) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
