"""A study: variants × seeds of one base, what each is measured on, and which of its runs this process is to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from rppg_graph.config import Section
from rppg_graph.errors import InputError
from rppg_graph.experiments.people import SEEDS
from rppg_graph.experiments.plan import Experiments, Run, Variant, load_experiments, planned_runs
from rppg_graph.registry import choose


class EvaluationConfig(Section):
    """What every trained variant is measured on, beside the test subjects of its own data: ``people.people_to_try``."""

    presets: tuple[str, ...] = Field(tuple(SEEDS), description="names of experiments.people.SEEDS, a set of each")
    subjects: int = Field(6, gt=0, description="of each set")
    seconds: float = Field(11.0, gt=0, description="of each recording")
    graph_clips: int = Field(4, gt=0, description="clips of each set on which the graph is looked at")


class Study(Experiments):
    """One question, put to several variants."""

    question: str = Field(description="what the study is to answer, in a sentence")
    reference: str | None = Field(None, description="the variant that the others are compared with; the first if null")
    start: Variant | None = Field(
        None, description="trained once, with the first seed; all runs go on from its weights, which must fit theirs"
    )
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def base_variant(self) -> str:
        """The variant that the others are compared with."""
        return self.reference or self.variants[0].name


def load_study(path: Path) -> Study:
    """Read a study; InputError for what ``load_experiments`` refuses, an unknown reference or preset."""
    study = load_experiments(path, Study)
    names = {variant.name: variant for variant in study.variants}
    choose("reference (a variant of the study)", names, study.base_variant)
    for preset in study.evaluation.presets:
        choose("synthetic preset", SEEDS, preset)
    return study


def study_runs(study: Study, folder: Path) -> list[Run]:
    """Every run of the study, in a folder named by its config: studies that ask for the same run share it."""
    start, runs = start_run(study, folder), []
    for run in planned_runs(study, folder):
        config, further = run.config, []
        if start is not None:
            config = config.model_copy(update={"model": config.model.model_copy(update={"start": start.best})})
            further = [start.folder.name]
        runs.append(run._replace(config=config, folder=folder / fingerprint(run.config, *further)))
    return runs


def start_run(study: Study, folder: Path) -> Run | None:
    """The run whose weights all others start from, None where each starts from chance."""
    if study.start is None:
        return None
    config = study.config(study.start, study.seeds[0])
    return Run(study.start.name, study.seeds[0], config, folder / fingerprint(config))


def chosen_runs(runs: Sequence[Run], only: Sequence[str] | None, shard: str | None) -> list[Run]:
    """The runs of the variants named, and of these every n-th from the i-th on for a shard ``i/n``.

    Raises:
        InputError: an unknown variant, or a shard that is not ``i/n`` with 1 ≤ i ≤ n.
    """
    names = {run.variant: run for run in runs}
    for name in only or ():
        choose("variant", names, name)
    wanted = [run for run in runs if only is None or run.variant in only]
    if shard is None:
        return wanted
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InputError(f"--shard {shard}: give i/n, the i-th of n parts, counted from 1, for example 1/4")
    return wanted[int(part) - 1 :: int(parts)]


def fingerprint(section: Section, *further: str) -> str:
    """Twelve letters that stand for a config: equal ones have equal fingerprints."""
    text = json.dumps([section.model_dump(mode="json"), *further], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
