"""The live page in a real browser, whose camera plays a generated face of 72 bpm."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from live_page import serving, write_y4m

from rppg_graph.data.video_writer import write_video

pytestmark = pytest.mark.slow  # a heart rate takes ten seconds of camera

START = "document.getElementById('toggle').click()"


@pytest.fixture
def server():
    with serving() as server:
        yield server


def measured(page, seconds: float = 40.0) -> float:
    return float(page.wait("/\\d/.test($('bpm').textContent) && $('bpm').textContent", seconds))


def test_a_camera_is_measured_by_keyboard_on_every_width(server, browser, face_y4m, tmp_path):
    page = browser(camera=face_y4m)
    page.open(server.url)
    page.run("document.getElementById('toggle').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", windowsVirtualKeyCode=32, text=" ")
    assert measured(page) == pytest.approx(72, abs=2)
    assert "frames a second, delay" in page.text("pace")
    assert page.run("still.height") <= 360
    assert page.run("box.every((v) => v >= 0 && v <= 1)")
    for width, dark in ((1280, False), (390, False), (390, True)):
        page.picture(tmp_path / "page.png", width, 1600, dark)
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        paper = page.run("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
    assert page.run("fetch(address('/pulse.csv')).then((r) => r.text())").startswith("seconds,bvp,bpm")
    assert "beats a minute" in page.run("fetch(address('/report.html')).then((r) => r.text())")
    page.run(START)
    assert page.wait("$('toggle').textContent") == "Start"
    assert not page.run("$('csv').disabled")


def test_a_screen_reader_finds_a_name_for_everything(server, browser):
    page = browser()
    page.open(server.url)
    nodes = [node for node in page.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    parts = {"button", "combobox", "checkbox", "image", "img", "Canvas", "meter", "region", "Video"}
    named = {node["role"]["value"]: node["name"]["value"] for node in nodes if node["role"]["value"] in parts}
    assert named.keys() >= {"button", "combobox", "meter", "region"}
    assert all(named.values()), named


def test_a_network_shows_where_it_looks(server, browser, face_y4m):
    page = browser(camera=face_y4m)
    page.open(server.url)
    page.run("$('method').value = 'stgnet-small-synth'; " + START)
    assert measured(page) == pytest.approx(72, abs=3)
    assert page.wait("attention && attention.length") == 16
    assert page.run("Math.max(...attention.flat())") == 1


def test_a_video_file_is_measured(server, browser, face_frames, tmp_path):
    page = browser()
    page.open(server.url)
    video = write_video(tmp_path / "face.mp4", face_frames, 30, crf=8)
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    place = page.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    page.call("DOM.setFileInputFiles", files=[str(video)], nodeId=place)
    assert measured(page) == pytest.approx(72, abs=2)
    page.wait("$('status').textContent.startsWith('The video has ended')", 30)
    other = tmp_path / "notes.mp4"
    other.write_text("no video")
    page.call("DOM.setFileInputFiles", files=[str(other)], nodeId=place)
    page.wait("$('status').textContent.includes('notes.mp4 cannot be played')")


def test_without_a_face_there_is_no_number(server, browser, tmp_path):
    black = [np.full((120, 160, 3), 90 + i % 3, np.uint8) for i in range(60)]
    page = browser(camera=write_y4m(tmp_path / "black.y4m", black))
    page.open(server.url)
    page.run(START)
    page.wait("$('reason').textContent.startsWith('no face has been in view yet')")
    time.sleep(2)
    assert page.text("bpm") == "–"
    page.run("fetch(address('/pulse.csv')).then((r) => r.json()).then((told) => { window.refused = told.error; })")
    page.wait("(window.refused || '').startsWith('nothing was read yet')")


def test_what_goes_wrong_with_a_camera_is_said(server, browser, face_y4m):
    page = browser()
    page.open(server.url)
    page.run(START)
    page.wait("$('status').textContent.startsWith('There is no camera')")
    refused = browser(camera=face_y4m, allowed=False)
    refused.open(server.url)
    refused.run(START)
    refused.wait("$('status').textContent.startsWith('The camera is not allowed')")


def test_a_camera_that_goes_and_a_tab_that_goes(server, browser, face_y4m):
    page = browser(camera=face_y4m)
    page.open(server.url)
    page.run(START)
    page.wait("fps > 5")
    page.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
             "document.dispatchEvent(new Event('visibilitychange'))")  # fmt: skip
    page.wait("$('status').textContent.startsWith('This tab is in the background')")
    page.run("delete document.hidden")
    page.wait("$('status').textContent.startsWith('Measuring')")
    page.run("stream.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    page.wait("$('status').textContent.startsWith('The camera was unplugged')")
    page.run(START)
    page.wait("$('status').textContent.startsWith('Measuring') && fps > 5")
    assert server.session is not None
    page.call("Page.navigate", url="about:blank")
    until = time.monotonic() + 10
    while server.session is not None:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_command_serves_it_until_ctrl_c(browser, face_y4m, repository):
    page = browser(camera=face_y4m)
    command = [sys.executable, "run.py", "live", "--page", "--no-browser", "--port", "0", "--method", "pos"]
    program = subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)
    try:
        url = program.stdout.readline().strip()
        page.call("Page.navigate", url=re.sub("token=.*", "token=guessed", url))
        time.sleep(1)
        assert "Open the address that the program printed" in page.run("document.body.textContent")
        page.open(url)
        page.run(START)
        page.wait("fps > 5")
    finally:
        program.send_signal(signal.SIGINT)
        try:
            assert program.wait(20) == 0
        finally:
            program.kill()
    page.wait("$('status').textContent.startsWith('The program that reads the pulse does not answer')")
