"""The model cards say what the result files and the networks say."""

from __future__ import annotations

import json

from rppg_graph.models.weights import SHIPPED


def test_cards_are_made_from_the_result_files(load_bench):
    cards = load_bench("model_cards")
    rows = cards.read_windows(cards.RESULTS)
    stamp = json.loads((cards.RESULTS / "weights.json").read_text(encoding="utf-8"))
    for name, path in SHIPPED.items():
        assert path.with_suffix(".md").read_text(encoding="utf-8") == cards.card(name, path, rows, stamp)


def test_bands_hold_every_window_once(load_bench):
    cards = load_bench("model_cards")
    errors = {"45": "1", "60": "2", "79.9": "3", "200": "-9"}
    rows = [{"method": "net", "reference_bpm": bpm, "error_bpm": error} for bpm, error in errors.items()]
    lines = cards.by_band("net", "reference_bpm", [*rows, {**rows[0], "method": "pos"}]).splitlines()[2:]
    assert lines == [
        "| 40 to 60 | 1 | 1.00 | 100% |", "| 60 to 80 | 2 | 2.50 | 100% |", "| 110 and more | 1 | 9.00 | 0% |",
    ]  # fmt: skip
