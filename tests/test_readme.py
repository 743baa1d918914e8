"""What README.md and docs/ say is so: links lead somewhere, commands and Python lines run, numbers are the files'."""

import json
import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

from rppg_graph import cli
from rppg_graph.config import load_config
from rppg_graph.models.weights import SHIPPED
from rppg_graph.synthetic import write_dataset

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = [
    "data.crop.size=16", "data.clip_frames=32", "data.stride=32", "model.options.stages=[[1, 4, 2]]", "train.steps=2",
    "train.batch=2", "train.validate_every=2", "train.workers=0",
]  # fmt: skip
# Of a page that readers in a second language did not understand.
UNCLEAR = ("By what it is read", "each counted by", "comes later, and is better alone", "halves the error of",
           "of two times three trainings", "what is missing of a study", "comes trained",
           "mix the network's wave", "without enough of a face", "None where there is none")  # fmt: skip
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code(page: Path, language: str) -> list[str]:
    """The code blocks of a page in a language; "" for those of the shell."""
    blocks = re.findall(r"^```([^\n]*)\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)
    return [content for name, content in blocks if name == language]


def commands(page: Path) -> list[list[str]]:
    """Every `python run.py …` and `python benchmarks/….py …` of a page's code blocks, from its script on."""
    lines = [line.split("#")[0].strip() for block in code(page, "") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("python ")]


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.fixture(scope="module")
def readme_script():
    """benchmarks/readme.py as a module."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield import_module("readme")
    sys.path.remove(str(ROOT / "benchmarks"))


@every_page
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(page)) + re.findall(r"(?:src|srcset)=\"([^\"]+)\"", text_of(page))
    for link in links:
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_every_command_has_its_options(page, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    for script, *words in commands(page):
        assert (ROOT / script).exists(), script
        if script != "run.py":
            text = text_of(ROOT / script)
            assert all(word in text or word in text_of(ROOT / "benchmarks" / "harness.py")
                       for word in words if word.startswith("--")), words  # fmt: skip
            continue
        taken = []
        module = import_module(f"rppg_graph.cli.{words[0].replace('-', '_')}")
        monkeypatch.setattr(module, "run", taken.append)
        assert cli.main(words) == 0, words
        if words[0] in ("train", "preprocess") and "--resume" not in words:
            load_config(taken[0].config, taken[0].overrides)


@every_page
def test_make_targets_exist(page):
    for target in re.findall(r"(?:^|`)make (\w+)", text_of(page), re.MULTILINE):
        assert re.search(rf"^{target}:", text_of(ROOT / "Makefile"), re.MULTILINE), target


@every_page
def test_a_page_says_it_plainly(page):
    assert [phrase for phrase in UNCLEAR if phrase in text_of(page)] == []


def test_a_newcomer_finishes_the_readme():
    assert len(text_of(README).splitlines()) <= 150
    assert len(text_of(README).encode()) <= 10 * 1024
    assert len(text_of(PAGES[1]).splitlines()) <= 150


@every_page
def test_numbers_of_a_block_are_those_of_its_source(page, readme_script):
    def numbers(text: str) -> list[str]:
        return re.findall(r"\d[\d.,]*", text)

    blocks = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", text_of(page), re.DOTALL)
    assert len(blocks) == len(re.findall(r"<!-- (?!/)", text_of(page)))
    for name, content in blocks:
        assert numbers(content) == numbers(readme_script.BLOCKS[name]()), name


def test_every_network_of_the_package_is_on_its_page():
    shown = re.findall(r"^\| `([\w-]+)` \| .*\[card\]", text_of(ROOT / "docs" / "weights.md"), re.MULTILINE)
    assert sorted(shown) == sorted(SHIPPED)


def test_every_block_has_one_place_and_the_short_tables_six_rows(readme_script):
    found = [name for page in PAGES for name in re.findall(r"<!-- (\w+) -->", text_of(page))]
    assert sorted(found) == sorted(readme_script.BLOCKS)
    for name in ("accuracy", "speed"):
        rows = [line for line in readme_script.BLOCKS[name]().splitlines() if line.startswith("|")]
        assert len(rows) == 2 + 6, name


def test_a_page_without_results_says_so_and_an_unknown_block_is_refused(readme_script, monkeypatch, tmp_path):
    monkeypatch.setattr(import_module("kept"), "RESULTS", tmp_path)
    assert readme_script.filled("<!-- setup -->\n1\n<!-- /setup -->") == (
        "<!-- setup -->\nNot measured yet: `python benchmarks/setup_times.py`.\n<!-- /setup -->"
    )
    assert readme_script.BLOCKS["accuracy"]().count("not measured yet") == 4
    with pytest.raises(SystemExit, match="no block is named 'spead'"):
        readme_script.filled("<!-- spead -->\n<!-- /spead -->")


def test_what_the_judgement_is_worth_becomes_tables(readme_script, monkeypatch, tmp_path):
    from disturbed import rows_of  # beside readme.py

    video = {"method": "no option", "kind": "lamp", "interval_bpm": 3.0}
    videos = [video | {"truth_bpm": truth, "bpm": bpm} for truth, bpm in ((None, None), (None, 96.0), (70.0, 71.0))]
    about = {"commit": "0", "device": "a CPU", "date": "today"}
    document = {"bench": "disturbed", "environment": about, "rows": list(rows_of(videos))}
    (tmp_path / "disturbed_cpu.json").write_text(json.dumps(document))
    summary = {"windows": 8, "answered": 0.5, "of these right": 1.0, "answered and wrong": 0.0}
    summary |= {"no pulse, answered": None}
    report = {"trust": 0.84, "all": summary, "kinds": {}, "reliability": [{"said": 0.9, "right": 0.88, "windows": 50}]}
    report["levels"] = {"0.3": summary | {"answered": 0.75}}
    (tmp_path / "judgement.json").write_text(json.dumps(report))
    monkeypatch.setattr(import_module("kept"), "RESULTS", tmp_path)
    assert "| no option | lamp | 50% [" in readme_script.BLOCKS["disturbed"]()
    assert "| 100% [" in readme_script.BLOCKS["disturbed"]()
    assert "| 90% | 88% | 50 |" in readme_script.BLOCKS["judgement"]()
    assert "| 0.3 | 75.0% | 100.0% |" in readme_script.BLOCKS["judgement"]()
    assert "| all | 8 | 50.0% | 100.0% | 0.0% | – |" in readme_script.BLOCKS["judgement"]()


@every_page
def test_python_lines_run(page, face_video, monkeypatch, capsys):
    monkeypatch.chdir(face_video[0].parent)
    for block in code(page, "python"):
        exec(compile(block, str(page), "exec"), {})
        assert capsys.readouterr().out or page.name == "live.md"


def test_what_the_readme_shows_is_what_predict_prints(face_video, capsys):
    assert cli.main(["predict", str(face_video[0])]) == 0
    names = [line[2:18].strip() for line in capsys.readouterr().out.splitlines()[1:]]
    (shown,) = code(README, "text")
    assert [line[2:18].strip() for line in shown.splitlines()[1:]] == names


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """Small generated stand-ins for what a user has, by the README's name for it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "configs", folder / "configs")
    for layout, subjects in (("ubfc-rppg", 5), ("pure", 3)):
        write_dataset(folder / layout, layout=layout, preset="easy", subjects=subjects, seed=1, seconds=12, fps=15)
    return {
        "": str(folder),
        "face.mp4": str(folder / "ubfc-rppg" / "subject1" / "vid.mp4"),
        "/data/UBFC-rPPG/DATASET_2": str(folder / "ubfc-rppg"),
        "/data/PURE": str(folder / "pure"),
    }


@pytest.mark.slow
def test_every_command_of_the_readme_runs(places, monkeypatch, capfd):
    monkeypatch.chdir(places[""])
    served = ["live", "--page"]  # until Ctrl-C, see tests/web
    ran = [words for _, *words in commands(README) if words != served]
    assert {words[0] for words in ran} >= {"predict", "live", "check-data", "train", "eval"}
    for words in ran:
        arguments = [_placed(word, places) for word in words]
        if words[0] == "train" and "--resume" not in words:
            arguments += SMALL
        if words[0] == "live":
            arguments += ["--seconds", "3"]  # it takes as long as it shows
        assert cli.main(arguments) == 0, f"{words}: {capfd.readouterr().err}"


def _placed(word: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        if name and (word == name or word.endswith(f"={name}")):
            return word.replace(name, place)
    return word
