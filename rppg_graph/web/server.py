"""The live page's server: bound to this machine, for whoever holds its token; it writes nothing to the disk."""

from __future__ import annotations

import secrets
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from rppg_graph.errors import InputError
from rppg_graph.inference.methods import BY_NAME, Method
from rppg_graph.inference.named import named
from rppg_graph.inference.stream import warm_up
from rppg_graph.pulse.uncertainty import Calibration
from rppg_graph.web.requests import Handler, Refused
from rppg_graph.web.session import Session

DEFAULT_PORT = 8477  # always the same, so that a browser remembers that the page may use the camera
QUIET_SECONDS = 5.0  # after which another tab may take over

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

    daemon_threads, most_requests = True, 60  # a second

    def __init__(self, choose: Callable[[str], Chosen], names: Sequence[str], port: int = 0) -> None:
        self.lock, self.computing, self.session = threading.Lock(), threading.Lock(), None
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            cure = "take another with --port N, or --port 0 for a free one"
            raise InputError(f"port {port}: {getattr(error, 'strerror', None) or error}; {cure}") from None
        self._choose, self.names = choose, list(names)
        self.token = secrets.token_urlsafe(16)
        self._allowed, self._counted = float(self.most_requests), time.monotonic()

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
        """Count a request; False where there were more than ``most_requests`` in a second."""
        with self.lock:
            now = time.monotonic()
            passed, self._counted = now - self._counted, now
            allowed = min(self.most_requests, self._allowed + self.most_requests * passed) - 1
            self._allowed = max(allowed, -1.0)
            return self._allowed >= 0

    def start(self, name: str, method: str) -> Session:
        """Begin a session in place of the one before.

        Raises:
            Refused: another tab is measuring.
            InputError: the method cannot be had.
        """
        if method not in self.names:
            raise InputError(f"no method is named {method!r}; choose one of {', '.join(self.names)}")
        session = Session(name, *self._chosen(method))
        with self.lock:
            old = self.session
            if old is not None and old.name != name and time.monotonic() - old.active < QUIET_SECONDS:
                session.close()
                raise Refused(HTTPStatus.CONFLICT, "Another tab is measuring: stop it or close it, then start here.")
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
            Refused: it ended, or another tab took its place.
        """
        session = self.session
        if session is None or session.name != name:
            raise Refused(HTTPStatus.GONE, "This measurement has ended: press Start to begin anew.")
        return session

    def end(self, name: str) -> None:
        """End the session of that name, if it is the current one."""
        with self.lock:
            old = self.session
            if old is None or old.name != name:
                return
            self.session = None
        old.close()
