"""How many people and seeds a difference between two variants needs, to be seen in four of five repetitions.

    python benchmarks/power.py benchmarks/results/ablation_neighbours/rows.jsonl

Of every variant against the study's reference, on the same seeds and recordings, the paired differences of a figure
have a part that belongs to the seed, one that belongs to the recording and a rest:

    var(mean difference) = seeds' / S + recordings' / R + rest / (S · R)

A two-sided test at 5 % sees a difference δ in 80 % of repetitions if δ ≥ 2.8 · sqrt(var). The parts are estimated by
the mean squares of a two-way table (no negative ones) and pooled over the variants.

Writes results/power.json: for each figure the parts, the least δ that the study sees, and the recordings that the
wanted δ needs with 3, 5 and 10 seeds (null: no number of recordings is enough).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from kept import RESULTS, show

from rppg_graph.experiments.rows import finished, read_rows
from rppg_graph.experiments.run import stamp
from rppg_graph.files import write_json

SEEN = 1.960 + 0.842  # standard errors: 5 % two-sided, 80 %
WANTED = {"errors": 1.0, "close": 0.03, "snr": 0.5}  # bpm, share within 5 bpm, dB
SEEDS = (3, 5, 10)


def parts(table: np.ndarray) -> np.ndarray:
    """Variances (seeds', recordings', rest) of paired differences (S, R)."""
    seeds, recordings = table.shape
    mean, by_seed, by_recording = table.mean(), table.mean(axis=1), table.mean(axis=0)
    rest = np.square(table - by_seed[:, None] - by_recording + mean).sum() / ((seeds - 1) * (recordings - 1))
    of_seeds = recordings * np.square(by_seed - mean).sum() / (seeds - 1)
    of_recordings = seeds * np.square(by_recording - mean).sum() / (recordings - 1)
    return np.array([max(0.0, of_seeds - rest) / recordings, max(0.0, of_recordings - rest) / seeds, rest])


def seen(variances: np.ndarray, seeds: int, recordings: int) -> float:
    """The least difference that shows in 80 % of repetitions."""
    return SEEN * math.sqrt(float(variances @ [1 / seeds, 1 / recordings, 1 / (seeds * recordings)]))


def recordings_for(variances: np.ndarray, seeds: int, wanted: float) -> int | None:
    """How many recordings the wanted difference needs; None where the seeds alone are too few."""
    left = (wanted / SEEN) ** 2 - variances[0] / seeds
    return math.ceil((variances[1] + variances[2] / seeds) / left) if left > 0 else None


def differences(rows: list[dict], reference: str, figure: str) -> list[np.ndarray]:
    """Tables (S, R) of every variant's differences to the reference."""
    named: dict[str, dict[int, dict[str, float]]] = {}
    for row in rows:
        values = {f"{name}/{who}": v for name, found in row.get(figure, {}).items() for who, v in found.items()}
        named.setdefault(row["variant"], {})[row["seed"]] = values
    found = []
    for variant, seeds in named.items():
        both = sorted(set(seeds) & set(named[reference]))
        if variant == reference or len(both) < 2:
            continue
        pairs = [(seeds[seed], named[reference][seed]) for seed in both]
        shared = sorted(set.intersection(*(set(one) & set(other) for one, other in pairs)))
        if len(shared) > 1:
            found.append(np.array([[one[who] - other[who] for who in shared] for one, other in pairs]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, help="rows.jsonl of a study")
    parser.add_argument("--reference", default="k=16", help="the variant that the others are compared with")
    parser.add_argument("--out", type=Path, default=RESULTS / "power.json")
    options = parser.parse_args()
    rows, table = list(finished(read_rows(options.rows)).values()), []
    for figure, wanted in WANTED.items():
        tables = differences(rows, options.reference, figure)
        if not tables:
            continue
        variances, (seeds, recordings) = np.mean([parts(each) for each in tables], axis=0), tables[0].shape
        needed = {f"recordings_with_{count}_seeds": recordings_for(variances, count, wanted) for count in SEEDS}
        shares = dict(zip(("of_seeds", "of_recordings", "rest"), variances.tolist(), strict=True))
        row = {"figure": figure, "variants": len(tables), "seeds": seeds, "recordings": recordings, **shares}
        table.append(row | {"sees": seen(variances, seeds, recordings), "wanted": wanted, **needed})
    show(table, ["figure", "seeds", "recordings", "sees", "wanted", *(f"recordings_with_{n}_seeds" for n in SEEDS)])
    write_json(options.out, {"rows": options.rows.as_posix(), "stamp": stamp(), "figures": table})


if __name__ == "__main__":
    main()
