"""The live page's server: whom it answers, what it refuses and with which sentence, and what it reads."""

import json
import struct
from http.client import HTTPConnection

import numpy as np
import pytest
from live_page import choose, person, serving

from rppg_graph.errors import InputError
from rppg_graph.web.server import LiveServer


class Tab:
    """What a browser's tab would send."""

    def __init__(self, server: LiveServer, name: str = "tab") -> None:
        self.server, self.name, self.home = server, name, f"127.0.0.1:{server.server_port}"

    def ask(self, method: str, path: str, body: bytes | None = None, token: str | None = None, **headers):
        """Status, and what was answered; a header of None is left out, `_` stands for `-`."""
        sent = {"Host": self.home, "Origin": f"http://{self.home}", **headers}
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        mark = "&" if "?" in path else "?"
        token = self.server.token if token is None else token
        connection.putrequest(method, f"{path}{mark}token={token}&session={self.name}", skip_host=True)
        for name, value in {"Content-Length": len(body or b""), **sent}.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), str(value))
        connection.endheaders(body)
        response = connection.getresponse()
        content, kind = response.read(), response.headers["Content-Type"]
        connection.close()
        return response.status, json.loads(content) if "json" in kind else content.decode()

    def start(self, method: str = "pos"):
        return self.ask("POST", f"/start?method={method}")

    def send(self, frames, begin: float = 0.0, fps: float = 30.0):
        return self.ask("POST", "/frames", packed(frames, begin, fps))


def packed(frames, begin: float = 0.0, fps: float = 30.0) -> bytes:
    body = b""
    for number, rgb in enumerate(frames):
        rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
        body += struct.pack("<dII", begin + number / fps, rgb.shape[1], rgb.shape[0]) + rgba.tobytes()
    return body


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


@pytest.fixture
def tab(server):
    tab = Tab(server)
    assert tab.start() == (200, {"fps": 30.0})
    yield tab
    tab.ask("POST", "/end")


BLACK = np.zeros((12, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("path", "said"), [("/", "<title>Pulse, live</title>"), ("/page.js", '"use strict"'), ("/page.css", ":root"),
                       ("/about", {"methods": ["pos", "ensemble", "stgnet-small-synth"]})],
)  # fmt: skip
def test_the_page_is_served_to_who_holds_the_token(server, path, said):
    status, content = Tab(server).ask("GET", path)
    assert status == 200
    assert said == content if isinstance(said, dict) else said in content


def test_nothing_is_fetched_from_elsewhere(server):
    for path in ("/", "/page.js", "/page.css"):
        assert "//" not in Tab(server).ask("GET", path)[1].replace("// ", "").replace("http://127.0.0.1", "")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"token": "guessed"}, "Open the address that the program printed"),
        ({"token": ""}, "Open the address that the program printed"),
        ({"Host": "example.org"}, "This page is at http://127.0.0.1"),
        ({"Host": "127.0.0.1:1"}, "This page is at http://127.0.0.1"),
        ({"Origin": "http://example.org"}, "Another page may not use this one"),
        ({"Origin": "null"}, "Another page may not use this one"),
        ({"Origin": None}, "Another page may not use this one"),
    ],
)
def test_a_stranger_is_refused(server, tab, what, sentence):
    status, told = tab.ask("POST", "/frames", packed([BLACK]), **what)
    assert status == 403
    assert sentence in told["error"]
    assert server.session._stream.frames == 0


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (packed([BLACK])[:-1], "cut off: 767 of 768 bytes came"),
        (packed([BLACK])[:9], "cut off in its head"),
        (packed([BLACK]) + b"more", "frame 1 of the group is cut off in its head"),
        (struct.pack("<dII", 0, 0, 7), "has 0×7 pixels"),
        (struct.pack("<dII", 0, 3840, 2160), "has 3840×2160 pixels"),
        (struct.pack("<dII", float("nan"), 16, 12) + bytes(768), "its time is nan s"),
        (packed([BLACK, BLACK], fps=-30.0), "rise from frame to frame"),
    ],
)
def test_a_bad_frame_is_a_sentence_and_the_session_lives_on(tab, body, sentence):
    status, told = tab.ask("POST", "/frames", body)
    assert status == 400
    assert sentence in told["error"]
    status, told = tab.send([BLACK], begin=1.0)
    assert (status, told["box"]) == (200, None)


def test_a_request_is_not_too_long_and_says_how_long_it_is(tab):
    assert tab.ask("POST", "/frames", **{"Content-Length": 1 << 40})[0] == 413
    assert tab.ask("POST", "/frames", **{"Content-Length": None})[0] == 411
    assert tab.ask("POST", "/frames", **{"Content-Length": "-5"})[0] == 411


def test_one_camera_a_token(server, tab, monkeypatch):
    other = Tab(server, "other")
    assert other.start() == (409, {"error": "Another tab is measuring: stop it or close it, then start here."})
    assert other.send([BLACK])[0] == 410
    assert tab.send([BLACK])[0] == 200
    monkeypatch.setattr("rppg_graph.web.server.QUIET_SECONDS", 0.0)  # that passed since the frame
    assert other.start()[0] == 200
    status, told = tab.send([BLACK], begin=1.0)
    assert (status, told["error"]) == (410, "This measurement has ended: press Start to begin anew.")
    other.ask("POST", "/end")
    assert server.session is None


def test_an_unknown_method_and_an_unknown_place_are_refused(server):
    tab = Tab(server)
    status, told = tab.start("poss")
    assert (status, "choose one of pos, ensemble" in told["error"]) == (400, True)
    assert tab.ask("GET", "/../session.py")[0] == 404
    assert tab.ask("POST", "/nowhere", b"")[0] == 404


def test_too_many_requests_are_refused_for_a_while():
    with serving() as server:
        found = [Tab(server).ask("GET", "/about")[0] for _ in range(300)]
    assert found[0] == 200
    assert found.count(429) > 100


def test_a_port_that_is_taken_is_said(server):
    with pytest.raises(InputError, match=rf"port {server.server_port}: .*--port 0 for a free one"):
        LiveServer(choose, ["pos"], server.server_port)
    with pytest.raises(InputError, match="port 70000"):
        LiveServer(choose, ["pos"], 70000)


def test_a_slow_camera_is_remarked_on(tab):
    told = tab.send([np.full((12, 16, 3), i, np.uint8) for i in range(8)], fps=5.0)[1]
    assert told["fps"] == pytest.approx(5.0)
    assert "5 frames a second: a heart faster than" in told["remarks"][-1]


@pytest.mark.slow  # 50 s of four people
def test_four_people_one_at_a_time(server, tab):
    """No number while the camera is covered, a right one 12 s after the next face; then it is all saved."""
    fps, begin = 15.0, 0.0
    for seed, bpm in enumerate((72.0, 95.0, 60.0, 84.0)):
        covered = [np.zeros((120, 160, 3), np.uint8)] * 30
        for frames, truth in ((person(seed + 20, bpm, 12.5, fps), bpm), (covered, None)):
            told = []
            for i in range(0, len(frames), 5):
                status, answer = tab.send(frames[i : i + 5], begin + i / fps, fps)
                assert status == 200, answer
                told += [(answer["update"]["bpm"], i / fps)] if answer["update"] else []
            begin += len(frames) / fps
            if truth is None:
                assert [rate for rate, at in told if at > 0.7] == [None] * len([at for _, at in told if at > 0.7])
            else:
                assert told[-1][0] == pytest.approx(truth, abs=2)
                assert [rate for rate, at in told if rate is not None and abs(rate - truth) > 3] == []
    rows = tab.ask("GET", "/pulse.csv")[1].splitlines()
    assert rows[0].startswith("seconds,bvp,bpm")
    assert len(rows) > 1000
    assert "beats a minute" in tab.ask("GET", "/report.html")[1]
