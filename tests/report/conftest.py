"""Evaluations with known waves, and a browser that says what is wrong with a page."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from rppg_graph.inference.evaluate import mean_predictor
from rppg_graph.pulse.evaluation import evaluate_waves
from rppg_graph.pulse.measure import Wave

FPS = 30.0


@pytest.fixture(scope="session")
def make_wave():
    """A noisy pulse of ``bpm`` beside a clean one of ``reference_bpm``."""

    def make(name, reference_bpm, bpm, seconds=30.0, noise=0.3, subject=None):
        t = np.arange(int(seconds * FPS)) / FPS
        rng = np.random.default_rng(len(name))
        pulse = np.sin(2 * np.pi * bpm / 60 * t) + noise * rng.standard_normal(len(t))
        return Wave(name, subject or name, pulse, np.sin(2 * np.pi * reference_bpm / 60 * t), FPS)

    return make


@pytest.fixture(scope="session")
def three_methods(make_wave):
    """(evaluations, waves) of two methods on five recordings, one of which fails, and of a predictor without waves."""
    rates = {"a": 60.0, "b": 75.0, "c <&\"'> d": 90.0, "e": 110.0}
    waves = {
        "good": [make_wave(name, bpm, bpm + 0.5) for name, bpm in rates.items()],
        "bad <&>": [
            make_wave(name, bpm, bpm + error) for (name, bpm), error in zip(rates.items(), (3, -25, 8, 1), strict=True)
        ],
    }
    for method in waves:
        flat = make_wave("flat", 80.0, 80.0)
        waves[method].append(Wave("flat", "flat", np.zeros_like(flat.prediction), flat.label, FPS))
    evaluations = {name: evaluate_waves(part, "native", 10.0) for name, part in waves.items()}
    evaluations["mean of training"] = mean_predictor(evaluations["good"], 80.0)
    return evaluations, waves


class _Tables(HTMLParser):
    """The text of every cell, by the table's id; a cell's small print after a bar."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] | None = None
        self.in_cell = False

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.rows = self.tables.setdefault(dict(attrs)["id"], [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True
        elif tag == "small":
            self.rows[-1][-1] += "|"

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.in_cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="session")
def tables_of():
    """The tables of a page: id → rows of cells."""

    def read(path):
        parser = _Tables()
        parser.feed(path.read_text(encoding="utf-8"))
        return parser.tables

    return read


# Run by the browser after the page, from a copy of it without its policy against scripts.
CHECK = """<script>
const seen = [...document.querySelectorAll('svg[role=img], img, image')];
const hidden = seen.filter(e => { const b = e.getBoundingClientRect();
  return !(b.width > 5 && b.height > 5) || (e.tagName === 'IMG' && !e.naturalWidth); });
const hollow = [...document.querySelectorAll('svg svg')].filter(s =>
  ![...s.children].some(e => { const b = e.getBoundingClientRect(); return b.width > 0 || b.height > 0; }));
const style = getComputedStyle(document.body);
document.body.dataset.checked = JSON.stringify({ images: seen.length,
  hidden: hidden.map(e => (e.closest('[aria-label]') || e).getAttribute('aria-label')),
  empty: hollow.length, wide: document.documentElement.scrollWidth > window.innerWidth + 1,
  bare: [...document.querySelectorAll('figure')].filter(f => !f.querySelector('figcaption')?.textContent).length,
  paper: style.backgroundColor, ink: style.color });
</script>"""


@pytest.fixture(scope="session")
def browse(tmp_path_factory):
    """Open a page in headless Chromium: (what CHECK found, lines of its console)."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")

    consoles: dict[str, list[str]] = {}  # by page: what it says does not depend on the window

    def open_page(path, *flags, width=1280):
        folder = tmp_path_factory.mktemp("browser")
        page = path.read_text(encoding="utf-8")
        checked = folder / "checked.html"
        checked.write_text(re.sub("<meta http-equiv=.*?>", "", page).replace("</body>", CHECK + "</body>"), "utf-8")

        def run(file, profile):
            done = subprocess.run(
                [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={folder / profile}", f"--window-size={width},900", "--enable-logging=stderr",
                 *flags, "--dump-dom", file.as_uri()],
                capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
            return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

        if page not in consoles:
            consoles[page] = run(path, "plain")[1]
        dom, _ = run(checked, "checked")
        found = re.search(r'data-checked="([^"]*)"', dom)
        assert found, f"the check did not run on {path}"
        return json.loads(html.unescape(found[1])), consoles[page]

    return open_page
