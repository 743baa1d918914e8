"""Coverage-guided fuzzing of what reads files from strangers: `python tests/soak/fuzz.py TARGET SECONDS`.

Needs atheris (`pip install atheris`), which has no wheel for every Python. A crash, an exception that is no
InputError, a hang or over 2 GB of memory ends it with an exit code and leaves the bytes behind.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed (pip install atheris): the coverage-guided part is left out")

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
        hang = f"-timeout={6 * SECONDS:.0f}"  # by the clock on the wall, and code that is watched is slower
        limits = [f"-max_total_time={seconds}", hang, "-rss_limit_mb=2048", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], lambda content: TARGETS[name](content, corpus.parent))
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(*sys.argv[1:])
    else:
        print("\n".join(name.replace(" ", "_") for name in TARGETS))
