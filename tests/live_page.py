"""A headless Chromium that is told what to do over a pipe (DevTools protocol), with a file as its camera."""

import base64
import json
import os
import select
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from rppg_graph.inference.named import named
from rppg_graph.synthetic import generate
from rppg_graph.web.server import LiveServer


def write_y4m(path: Path, frames, fps: int = 30) -> Path:
    """Raw video that Chromium plays as a camera, again and again."""
    with path.open("wb") as file:
        for number, rgb in enumerate(frames):
            if number == 0:
                file.write(f"YUV4MPEG2 W{rgb.shape[1]} H{rgb.shape[0]} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
            file.write(b"FRAME\n" + cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def person(seed: int, bpm: float, seconds: float, fps: float) -> list[np.ndarray]:
    """A generated face, near the camera so that 160 × 120 pixels are enough."""
    options = {"bpm": bpm, "drift_bpm": 0.0, "face_size": 0.3, "face_x": 0.5, "face_y": 0.5}
    return list(generate("easy", seed, seconds=seconds, fps=fps, size=(120, 160), **options).camera_frames())


def choose(name):
    method, calibration = named(name)
    return method, {}, calibration


@contextmanager
def serving(names=("pos", "ensemble", "stgnet-small-synth")):
    """A server of the page, and its address."""
    with LiveServer(choose, names) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


class Browser:
    """One page in a headless Chromium.

    Args:
        camera: a .y4m file that is the camera; None: there is none.
        allowed: whether the page may use it.
    """

    def __init__(self, folder: Path, camera: Path | None = None, allowed: bool = True) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if program is None:
            pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--window-size=1280,900",
                 "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={folder / 'profile'}"]  # fmt: skip
        if camera is not None:
            flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
            flags += ["--use-fake-ui-for-media-stream"] * allowed
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()

        def as_3_and_4() -> None:  # where Chromium expects them
            high = [os.dup2(number, 100 + number) for number in (to_read, to_write)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, *flags], preexec_fn=as_3_and_4, close_fds=False, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest, self.page = 0, b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.page = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, seconds: float = 60.0, **params):
        """A command of the DevTools protocol, and what it answers within so many seconds."""
        until = time.monotonic() + seconds
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.page is not None:
            message["sessionId"] = self.page
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                if not select.select([self._from], [], [], max(0.0, until - time.monotonic()))[0]:
                    pytest.fail(f"Chromium does not answer {method} {params}")
                self._rest += os.read(self._from, 1 << 20) or pytest.fail("Chromium has gone")
            line, self._rest = self._rest.split(b"\0", 1)
            told = json.loads(line)
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def run(self, script: str):
        """The value of a line of JavaScript on the page."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && document.querySelectorAll('#method option').length > 0")

    def wait(self, script: str, seconds: float = 20.0):
        """Wait until a line of JavaScript is true, and give its value."""
        until = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < until, f"{script}; the page says: {self.text('status')} {self.text('reason')}"
            time.sleep(0.1)
        return value

    def text(self, identity: str) -> str:
        return self.run(f"document.getElementById('{identity}')?.textContent ?? ''")

    def picture(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> Path:
        """A screenshot (PNG) of the page at that size."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        time.sleep(1.2)  # of the next update
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    def close(self) -> None:
        os.close(self._to)
        os.close(self._from)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
