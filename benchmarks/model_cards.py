"""Write the model cards of the networks that come with the package, all figures from the result files.

python benchmarks/model_cards.py
"""

from __future__ import annotations

import itertools
from pathlib import Path

from kept import ROOT, json_of, where
from weights import BESIDE, EXAMPLE, SUBJECTS, WORK, curve, recipes
from windows import CLOSE_BPM, Row, in_words, read_windows

from rppg_graph.config import read_mapping
from rppg_graph.models.checkpoint import load
from rppg_graph.models.weights import SHIPPED

TEMPLATE = Path(__file__).with_name("model_card.md")
ACCURACY = f"MAE (bpm) [95 %] | within {CLOSE_BPM:g} bpm"
# What the generator drew (of the heart rate, what the reference says), and where its range is cut in bands.
BANDS = {
    "reference_bpm": ("heart rate (bpm)", (40.0, 60.0, 80.0, 110.0, 180.0)),
    "skin_tone": ("skin tone (Monk scale)", (1.0, 4.0, 7.0, 10.0)),
    "exposure": ("brightness of the face (levels of 255)", (0.0, 85.0, 130.0, 255.0)),
    "sway": ("head motion (share of the frame's height)", (0.0, 0.02, 0.06, 1.0)),
    "kbit_per_second": ("bit rate of the video (kbit/s)", (0.0, 500.0, 3000.0, 1e9)),
}


def card(name: str, path: Path, rows: list[Row], stamp: dict) -> str:
    """One model card."""
    checkpoint = load(path)
    config, configs = checkpoint.config, recipes(name)
    people = ["| config | preset | people | seconds each | as |", "|---|---|---:|---:|---|"]
    people += [line for path in configs for line in _people(path)]
    commands = [f"python run.py train {path.relative_to(ROOT)} --out {WORK / path.stem}" for path in configs]
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=name,
        network=config["model"]["name"],
        parameters=sum(value.numel() for value in checkpoint.model.parameters()),
        frames=config["data"]["clip_frames"],
        size=config["data"]["crop"]["size"],
        fps=checkpoint.fps,
        people="\n".join(people),
        commands="\n".join(commands),
        curves=", ".join(f"benchmarks/results/{path.name}" for path in map(curve, configs) if path.exists()),
        about=_about(configs[-1]),
        subjects=SUBJECTS,
        tables="\n\n".join([by_set(name, rows), *(by_band(name, key, rows) for key in BANDS)]),
        trained_at=json_of(f"training_{name}.json")["commit"],
        stamp=f"Commit {stamp['commit']}, {stamp['versions'].split()[0]}, {stamp['device']}, {stamp['date']}.",
        last=_last(config["train"]),
    )


def _last(train: dict) -> str:
    """How the network was trained by its last config."""
    if not train["steps"]:
        return "The last one makes no step: it keeps what the two networks before it have learnt."
    made = f"{train['steps']:,} steps of {train['batch']} clips, {train['precision']}, {train['schedule']}"
    return (
        f"The last one: {made} up to a learning rate of {train['learning_rate']:g}; the\n"
        "checkpoint with the lowest loss on generated validation people."
    )


def _people(path: Path) -> list[str]:
    """A line for each of the sets of people that a config trains on."""
    config = read_mapping(path, EXAMPLE)
    if config["train"]["steps"] == 0:
        return []
    if "simulated" in config:
        people = config["train"]["steps"] * config["train"]["batch"]
        return [f"| {path.stem} | all ranges of synthetic/traces.py | {people:,} | 10 | simulated colour traces |"]
    return [
        f"| {path.stem} | {_preset(part)} | {part['subjects']} | {part['seconds']:g} | {coded}{how} |"
        for key, how in (("synthetic", "videos"), ("rendered", "crops"))
        for part in config.get(key, [])
        for coded in ["coded " if part.get("coded") else ""]
    ]


def _preset(part: dict) -> str:
    return part["preset"] + (f", skin tone {part['skin_tone']:g}" if "skin_tone" in part else "")


def _about(path: Path) -> str:
    """What a config says of itself: the comment that it begins with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines))


def by_set(name: str, rows: list[Row]) -> str:
    """A line a set: the network, the network with POS beside it, and POS."""
    if not any(row["method"] == name for row in rows):
        return "Measured alone and in the default reading: docs/accuracy.md, benchmarks/results/readings_*.csv."
    lines = [f"| set | windows | {ACCURACY} | with POS: {ACCURACY} | POS: {ACCURACY} |", "|---|" + "---:|" * 7]
    for found in dict.fromkeys(row["set"] for row in rows):
        own, both, pos = (where(rows, set=found, method=each) for each in (name, f"{name} and {BESIDE}", BESIDE))
        lines.append(f"| {found} | {len(own)} | {' | '.join(in_words(own) + in_words(both) + in_words(pos))} |")
    return "\n".join(lines)


def by_band(name: str, key: str, rows: list[Row]) -> str:
    """A line a band of what the generator drew, over all sets that have it."""
    title, edges = BANDS[key]
    lines = [f"| {title} | windows | {ACCURACY} |", "|---|---:|---:|---:|"]
    own = [row for row in rows if row["method"] == name and row[key]]
    if not own:
        return f"By {title}: see the same files."
    for low, high in itertools.pairwise(edges):
        last = high == edges[-1]
        found = [row for row in own if low <= float(row[key]) and (last or float(row[key]) < high)]
        if found:
            band = f"{low:g} and more" if last else f"{low:g} to {high:g}"
            lines.append(f"| {band} | {len(found)} | {' | '.join(in_words(found))} |")
    return "\n".join(lines)


def main() -> None:
    rows, stamp = read_windows(), json_of("weights.json")
    for name, path in SHIPPED.items():
        path.with_suffix(".md").write_text(card(name, path, rows, stamp), encoding="utf-8")


if __name__ == "__main__":
    main()
