"""Coverage-guided fuzzing of what reads files from strangers: `python tests/soak/fuzz.py TARGET SECONDS`.

Needs atheris (`pip install atheris`), which has no wheel for every Python. A crash, an exception that is no
InputError, a hang of over 5 s or over 1 GB more memory ends it with exit code 77 and leaves the bytes behind.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["rppg_graph", "fuzz_targets", "yaml", "json"]):
    from fuzz_targets import SECONDS, TARGETS, seeds


def main(name: str, seconds: str) -> None:
    name = name.replace("_", " ")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, content in enumerate(seeds(Path(folder))[name]):
            (corpus / str(number)).write_bytes(content)
        limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS:.0f}", "-rss_limit_mb=2048", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], lambda content: TARGETS[name](content, corpus.parent))
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(*sys.argv[1:])
    else:
        print("\n".join(name.replace(" ", "_") for name in TARGETS))
