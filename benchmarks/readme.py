"""Fill the tables of README.md, docs/ and benchmarks/README.md from the result files: no figure is typed by hand.

    python benchmarks/readme.py           draw the plots, write the tables
    python benchmarks/readme.py --check   exit code 1 if a page and the result files disagree

A page names a table by `<!-- NAME -->` and `<!-- /NAME -->`. Without its result file a table says so.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import partial
from pathlib import Path

import accuracy_blocks  # noqa: F401 - each adds its blocks
import graph_answers  # noqa: F401
import trust_blocks  # noqa: F401
from kept import BLOCKS, DOCS, RESULTS, ROOT, block, crossed, measured, missing, share_of, stamp_of, table
from report import BENCHES, bench_block, documents, draw_all, studies, targets_table

# README's speed table: bench, name of the target, what it says.
SPEED = (
    ("predict", "video 640×480 → bpm, STGNet, everything included, against real time",
     "a 640×480 video → heart rate by STGNet, against real time"),
    ("predict", "video 640×480 → bpm, no option, everything included, against real time",
     "the same with no option: formulas, network and judgement"),
    ("model", "STGNet inference, batch 1", "STGNet on one clip, against plain PyTorch"),
    ("model", "STGNet training step, batch 4, float32", "a training step, against plain PyTorch"),
    ("knn", "exact KNN N=2,560 k=64 against the released formula", "neighbours of 2,560 patches, against `topk`"),
    ("graph_conv", "average-relative aggregation N=2,560 k=64, forward and backward, against gather",
     "the mean over neighbours, against gathering"),
)  # fmt: skip

PROCESSES = (
    ("processes", "preprocess: two processes against one", "`preprocess`, its start included"),
    ("processes", "train: two processes against one", "clips a second of a training"),
)


@measured("python benchmarks/setup_times.py")
def setup(found: dict) -> str:
    """What the two commands take on a bare machine, and what they end with."""
    rows = [
        [f"`{step['command']}`", step["what"], f"{step['seconds'] / 60:.1f} min", f"`{step['end']}`"]
        for step in found["steps"]
    ]
    heads = ["command", "does", "took", "ends with"]
    return f"{table(heads, rows)}\n\n{stamp_of(found['environment'])}; a fresh clone, nothing in pip's cache."


@block
def time_of_a_video() -> str:
    """Milliseconds a frame of each stage of a prediction on one core, a column a method and size of video."""
    spent: dict[tuple[str, str], float] = {}
    for _, found in documents(RESULTS, "predict"):
        for row in found["rows"]:
            if row["method"] in ("ensemble", "pos") and "seconds" in row and "share" in row:
                method = "no option" if row["method"] == "ensemble" else "POS"
                about = f"{method}, {row['size']}, {found['environment']['device']}"
                spent[row["stage"], about] = 1e3 / row["frames_per_second"]
    if not spent:
        return missing("python benchmarks/bench_predict.py")
    cells = {key: f"{value:.2f}" for key, value in spent.items()}
    for _, about in spent:
        together = sum(value for (_, column), value in spent.items() if column == about)
        cells["**together**", about] = f"**{together:.2f}**"
    return crossed("ms a frame", cells)


@measured("python benchmarks/approximations.py ../shared/data/ubfc_rppg_mp4")
def approximations(found: dict) -> str:
    """What each shortcut gains on one clip, and what it costs on real and on generated people."""
    gained = {
        target["name"]: f"{target['value']:.3g}{target['unit']}"
        for _, document in documents(RESULTS, "model")
        for target in document["targets"]
        if document["environment"]["device"] == found["environment"]["device"]
    }
    rows = []
    for row in found["rows"]:
        difference = f"{row['difference_bpm']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
        times = gained.get(f"STGNet inference, batch 1, {row['shortcut']}", "–")
        same, furthest = share_of(row["same_rate"]), f"{row['furthest_bpm']:.1f}"
        rows.append([row["shortcut"], times, row["set"], row["windows"], difference, same, furthest])
    heads = ["shortcut", "against plain", "on", "windows", "MAE more (bpm)", "same heart rate", "furthest (bpm)"]
    none = gained.get("STGNet inference, batch 1", "–")
    return f"{table(heads, rows)}\n\nWithout a shortcut: {none}. {stamp_of(found['environment'])}."


@block
def reproduced() -> str:
    """The first training of each network that was repeated: its last repeated point, on file and again."""
    rows = []
    for path, found in documents(RESULTS, "reproduced"):
        points = found["on file and again"]
        cells = [" / ".join(f"{value:.4f}" for value in points[-1][loss]) for loss in ("loss", "validation_loss")]
        network = path.stem.removeprefix("reproduced_")
        rows.append([f"`{network}`", f"`{found['config']}`", len(points), points[-1]["step"], *cells])
    heads = ["network", "config", "points", "the last one, at step", "loss, on file / again", "of validation"]
    return table(heads, rows)


@block
def processes() -> str:
    """What a second process brings to preprocessing and to training."""
    if not documents(RESULTS, "processes"):
        return missing("python benchmarks/bench_processes.py")
    return targets_table(RESULTS, PROCESSES)


@block
def networks() -> str:
    """Every network of MODELS: its parameters as it is built without options."""
    from rppg_graph.models import MODELS

    rows = []
    for name, build in MODELS.items():
        count = sum(parameter.numel() for parameter in build().parameters())
        rows.append([f"`{name}`", (build.__doc__ or "").strip().split("\n")[0], f"{count:,}"])
    return table(["name", "what it is", "parameters"], rows)


@block
def layouts() -> str:
    """Every layout of RECORDINGS, and how its files lie."""
    from rppg_graph.data.recordings import RECORDINGS

    return table(["layout", "how it lies on disk"], [[f"`{name}`", layout.form] for name, layout in RECORDINGS.items()])


@block
def faults() -> str:
    """Every fault that a test lets happen, and what the test sees hold, by the markers of the tests."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(test, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                    fault, holds = (argument.value for argument in mark.args)
                    place = path.relative_to(ROOT).as_posix()
                    found.setdefault((fault, holds), []).append(f"[`{test.name}`](../{place})")
    return table(["fault", "what holds", "test"], [[*row, "<br>".join(tests)] for row, tests in sorted(found.items())])


BLOCKS |= {bench: partial(bench_block, RESULTS, bench) for bench in BENCHES}
BLOCKS |= {"speed": partial(targets_table, RESULTS, SPEED), "ablations": partial(studies, RESULTS)}


def filled(text: str) -> str:
    """A page's text with every block between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""

    def anew(match: re.Match) -> str:
        if match[1] not in BLOCKS:
            raise SystemExit(f"no block is named {match[1]!r}: one of {', '.join(BLOCKS)}")
        return f"<!-- {match[1]} -->\n{BLOCKS[match[1]]()}\n<!-- /{match[1]} -->"

    return re.sub(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", anew, text, flags=re.DOTALL)


def main() -> int:
    check, changed = "--check" in sys.argv, False
    if not check:
        draw_all(RESULTS)
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")), Path(__file__).with_name("README.md")):
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        changed |= before != after
        if not check:
            page.write_text(after, encoding="utf-8")
    return int(check and changed)


if __name__ == "__main__":
    raise SystemExit(main())
