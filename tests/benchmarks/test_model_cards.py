"""The model cards say what the result files and the networks say."""

import numpy as np
import pytest

from rppg_graph.models.weights import SHIPPED


def test_cards_are_made_from_the_result_files(load_bench):
    cards = load_bench("model_cards")
    rows, stamp = cards.read_windows(), cards.json_of("weights.json")
    for name, path in SHIPPED.items():
        assert path.with_suffix(".md").read_text(encoding="utf-8") == cards.card(name, path, rows, stamp)


def test_bands_hold_every_window_once(load_bench):
    cards = load_bench("model_cards")
    errors = {"45": "1", "60": "2", "79.9": "3", "200": "-9"}
    rows = [
        {"set": "s", "name": "a", "method": "net", "reference_bpm": bpm, "error_bpm": error}
        for bpm, error in errors.items()
    ]
    lines = cards.by_band("net", "reference_bpm", [*rows, {**rows[0], "method": "pos"}]).splitlines()[2:]
    assert lines == [
        "| 40 to 60 | 1 | 1.00 | 100% |", "| 60 to 80 | 2 | 2.50 | 100% |", "| 110 and more | 1 | 9.00 | 0% |",
    ]  # fmt: skip


def test_intervals_are_over_people_and_say_what_is_told_apart(load_bench):
    windows = load_bench("windows")
    rng = np.random.default_rng(0)

    def rows(error: float) -> list[dict[str, str]]:
        """Three windows of ten people, alike for each person."""
        sizes = np.repeat(error * rng.uniform(0.5, 1.5, 10), 3)
        return [{"set": "s", "name": f"p{i // 3}", "reference_bpm": f"{60 + i}", "error_bpm": str(size)}
                for i, size in enumerate(sizes)]  # fmt: skip

    found = {("pos", "s"): rows(4.0), ("better", "s"): rows(1.0), ("like it", "s"): rows(4.0)}
    whole = windows.mae(found["pos", "s"])
    people = np.array([float(row["error_bpm"]) for row in found["pos", "s"]][::3])
    assert whole.value == pytest.approx(people.mean())
    assert whole.high - whole.low == pytest.approx(2 * 1.96 * people.std() / np.sqrt(10), rel=0.15)
    said = windows.told_apart(found, "pos")
    assert "better: less on s; like it: nowhere." in said
