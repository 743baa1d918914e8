"""Who answers less, errs less: the error of the windows that are kept, by what decides which are kept.

    python benchmarks/risk_coverage.py ../shared/data/ubfc_rppg_mp4 --people 30

On ROOT (real recordings, a window each second) and on generated people of each preset (a window each five seconds), as
`predict` reads them with no option. A window is kept by POS's signal-to-noise ratio at its rate, as the old quality had
it; by the agreement of the methods alone; or by the judgement.

Writes results/risk_coverage.json: for each set and each of the three the area under the risk-coverage curve in bpm,
beside an oracle that knows the errors, and what the judgement answers at levels of trust; draws the curves to
docs/risk-coverage-light.png and -dark.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from faces import generated_people, real_people
from kept import DOCS, RESULTS, environment, show

from rppg_graph.experiments.people import SEEDS, Person
from rppg_graph.files import write_json
from rppg_graph.inference.ensemble import Ensemble, default_ensemble
from rppg_graph.inference.ensemble_stream import read_traces
from rppg_graph.inference.ensemble_windows import FPS, FRAMES, STRIDE
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import CONTACT, WINDOW_SECONDS
from rppg_graph.pulse.judgement import shipped
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.uncertainty import area_under, risk_coverage
from rppg_graph.report.plots import BLUE, GREY, ORANGE, THEMES, figure

REAL = "six real people"
CLOSE_BPM, LEVELS = 5.0, (0.3, 0.5, 0.7, 0.9)
DECIDES = {"clarity of the formulas": GREY, "agreement": ORANGE, "judgement": BLUE}
CAPTION = (
    "Mean absolute error of the windows that are kept, over the share that is kept. Each line is another way to decide "
    "which\nwindows are kept; dotted: an oracle that knows the errors. Lower is better."
)


def windows(method: Ensemble, people: list[Person], stride: int) -> np.ndarray:
    """(n, 5) of every judged window whose true rate is known: error in bpm, what each of DECIDES says, and half the
    width of the interval in bpm, NaN where it is refused."""
    return np.array([row for person in people for row in _windows_of(method, person, stride)], float).reshape(-1, 5)


def _windows_of(method: Ensemble, person: Person, stride: int) -> Iterator[tuple[float, ...]]:
    recording = person.recording
    for window in read_traces(method, person.traces, stride).windows:
        inside = (recording.seconds >= window.start) & (recording.seconds < window.start + WINDOW_SECONDS)
        if window.judgement is None or not np.isfinite(recording.pulse[inside]).all():
            continue
        _, pulse = resample(recording.seconds[inside], recording.pulse[inside], FPS)
        true_bpm = CONTACT.heart_rate(prepare_native(pulse, FPS), FPS).bpm
        if true_bpm is not None:
            judged = window.judgement
            decide = judged.evidence["formulas"], window.agreement, judged.probability
            yield abs(judged.bpm - true_bpm), *decide, judged.interval_bpm


def table_of(name: str, found: np.ndarray) -> dict[str, float | str | int]:
    """Areas under the curves, what is answered, and right, at each level of trust, and what the interval holds."""
    error, probability, width = found[:, 0], found[:, 3], found[:, 4]
    row: dict[str, float | str | int] = {"set": name, "windows": len(found)}
    for place, decides in enumerate(DECIDES, 1):
        row[decides] = area_under(risk_coverage(-found[:, place], error))
    row["oracle"] = area_under(risk_coverage(error, error))
    for level in (*LEVELS, shipped().trust):
        kept = probability >= level
        row[f"answered at {level:g}"] = float(kept.mean())
        row[f"right at {level:g}"] = float((error[kept] <= CLOSE_BPM).mean()) if kept.any() else None
    answered = np.isfinite(width)
    row["in the interval"] = float((error <= width)[answered].mean()) if answered.any() else None
    row["median half-width"] = float(np.median(width[answered])) if answered.any() else None
    return row


def draw(path: Path, sets: dict[str, np.ndarray], theme: str) -> None:
    """The curves of real people and of all presets together."""
    with figure(path, 1, CAPTION, theme, height=3.2, columns=len(sets)) as axes:
        for axis, (name, found) in zip(axes, sets.items(), strict=True):
            error, coverage = found[:, 0], np.arange(1, len(found) + 1) / len(found)
            for place, (decides, colour) in enumerate(DECIDES.items(), 1):
                axis.plot(100 * coverage, risk_coverage(-found[:, place], error), color=colour, label=decides)
            axis.plot(100 * coverage, risk_coverage(error, error), color=GREY, linestyle=":", label="oracle")
            axis.set(title=f"{name}, {len(found)} windows", xlabel="windows kept (%)", ylabel="MAE (bpm)")
            axis.set_ylim(0, None)
        axes[0].legend(loc="upper left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, help="ROOT of recordings with references")
    parser.add_argument("--people", type=int, default=30, help="generated ones of each preset")
    options = parser.parse_args()
    method = default_ensemble()
    found = {REAL: windows(method, real_people(options.real), STRIDE)}
    found |= {name: windows(method, people, FRAMES // 2) for name, people in generated_people(options.people)}
    rows = [table_of(name, each) for name, each in found.items()]
    show(rows, ["set", "windows", *DECIDES, "oracle", "answered at 0.7", "right at 0.7"])
    write_json(RESULTS / "risk_coverage.json", {"stamp": environment(), "trust": method.judge.trust, "rows": rows})
    generated = np.concatenate([found[preset] for preset in SEEDS])
    for theme in THEMES:
        draw(DOCS / f"risk-coverage-{theme}.png", {REAL: found[REAL], "generated people": generated}, theme)


if __name__ == "__main__":
    main()
