"""Does a pulse read from dark skin err more than one from light skin? The same people, filmed with each skin tone.

    python benchmarks/skin_tones.py

Sixteen people of the preset office, each as a video with four tones of the Monk scale and everything else alike:
heart, light, motion, camera, codec. `run.py eval` reads them all as weights.py does. Writes
results/skin_tones_windows.csv (one row a window) and results/skin_tones.json (stamp); prints the mean absolute errors.
"""

from __future__ import annotations

from harness import RESULTS
from weights import WORK, windows_of, write_windows
from windows import accuracy, errors

from rppg_graph.synthetic import write_dataset

TONES = (1, 4, 7, 10)  # of the Monk scale
PRESET, SUBJECTS, SECONDS, SEED = "office", 16, 11.0, 950


def main() -> None:
    roots = {f"tone {tone}": WORK / "tones" / f"tone {tone}" for tone in TONES}
    for tone, root in zip(TONES, roots.values(), strict=True):
        if not root.exists():
            write_dataset(root, preset=PRESET, subjects=SUBJECTS, seconds=SECONDS, seed=SEED, skin_tone=tone)
    write_windows("skin_tones", windows_of(roots))
    for (method, name), rows in errors(RESULTS, "skin_tones").items():
        print(f"{method:30s}  {name:7s}  {' bpm, within 5 bpm '.join(accuracy(rows))}")


if __name__ == "__main__":
    main()
