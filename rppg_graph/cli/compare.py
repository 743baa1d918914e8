"""``run.py compare``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from tqdm import tqdm

from rppg_graph.config import CropConfig, Section
from rppg_graph.errors import InputError
from rppg_graph.experiments.own_process import in_own_process
from rppg_graph.experiments.plan import Experiments, Run, load_experiments, planned_runs
from rppg_graph.experiments.result_table import ACCURACY, COST, markdown, uncertainty_columns, write_csv
from rppg_graph.experiments.run import accuracy, cost_of, evaluate, finish, recordings_to_test, stamp
from rppg_graph.files import keep_apart, writable, write_text, write_whole
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.evaluate import mean_predictor
from rppg_graph.inference.methods import SKIN_CROP, ClassicalMethod, MonteCarlo, Reading
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.uncertainty import assess
from rppg_graph.registry import choose
from rppg_graph.synthetic.mix import write_mix

EXAMPLES = """\
  run.py compare configs/compare.yaml
  run.py compare configs/compare.yaml --runs runs/again --out again

A run that is done is not done again, one that was stopped goes on: the same command after a stop ends the table."""
CALIBRATIONS = ("quality", "mc")  # of what the table shows
RESULTS = Path("benchmarks/results")
NOTES = """\
MAE, RMSE, r, SNR: over the 10-second windows of subjects that no network saw, mean ± sd over the seeds.
MMAC: millions of multiply-accumulates of convolutions and dense products; search and mean of neighbours not counted.
Training: median seconds of a step. Inference: median of ten passes over one clip, batch of one.
Peak memory: the largest resident set of the training process, with Python and torch in it.
Certainty by `mc`: sd of the heart rate over the samples; by `quality`: 1 − the signal quality. Area: under the
risk-coverage curve, beside that of the oracle (windows ordered by their error) and of a random order. Inside 95 %:
share of errors in ± 1.96·sd, and with the temperature from the validation subjects. Refused: share of the windows that
validation says would be guesses, and the MAE of the rest."""


class MonteCarloConfig(Section):
    """Monte-Carlo dropout, as ``--mc`` and ``--mc-rate``."""

    samples: int = 30
    rate: float | str = "half"


class Plan(Experiments):
    """What a comparison shows beside its trained variants."""

    untrained: tuple[str, ...] = Field((), description="variants to show untrained as well")
    classical: tuple[str, ...] = Field(("pos",), description="classical methods to show")
    monte_carlo: MonteCarloConfig = MonteCarloConfig()


def load_plan(path: Path) -> Plan:
    """Read a plan; InputError for what ``load_experiments`` refuses, unknown variants, impossible samples."""
    plan = load_experiments(path, Plan)
    names = [variant.name for variant in plan.variants]
    for name in names:
        if Path(name).name != name or name == "..":
            near = Path(name).name.strip(".") or "variant"
            raise InputError(f"{path}: the variant {name!r} is a path, and is to name one folder, such as {near!r}")
    for name in plan.untrained:
        choose(f"variant under untrained in {path}", names, name)
    MonteCarlo(plan.monte_carlo.samples, plan.monte_carlo.rate)
    return plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a plan: base experiment, variants, seeds (configs/compare.yaml)")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="of the runs (default: runs/<config>)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write FILE.md, .csv and .json (default: benchmarks/results/<config>)"
    )


def run(args: argparse.Namespace) -> None:
    plan = load_plan(args.config)
    out = args.out or RESULTS / args.config.stem
    writable(out)
    runs = planned_runs(plan, args.runs or Path("runs") / args.config.stem)
    keep_apart(out, runs[0].config.data.root)
    for name in plan.classical:
        choose("classical method", CLASSICAL, name)
    write_mix(runs[0].config.data.root, plan.synthetic)
    mc = MonteCarlo(plan.monte_carlo.samples, plan.monte_carlo.rate)
    entries: dict[str, list[dict[str, Any]]] = {variant.name: [] for variant in plan.variants}
    for planned in tqdm(runs, desc="runs", unit="run"):
        found = in_own_process(finish, planned, partial(measured, mc=mc), "measured.json", CALIBRATIONS)
        entries[planned.variant].append(found)
    baselines = untrained(plan, runs) | without_training(plan, runs[0])
    text = report(plan, entries, baselines)
    print(text)
    write(out, text, plan, entries, baselines)


def measured(run: Run, checkpoint: Checkpoint, mc: MonteCarlo) -> dict[str, Any]:
    """The figures of a trained run on its test subjects."""
    recordings = recordings_to_test(run.config, run.folder)
    evaluation = evaluate(Reading().of(checkpoint), recordings)
    sampled = evaluate(Reading(mc=mc).of(checkpoint), recordings)
    return {
        "variant": run.variant,
        "seed": run.seed,
        "accuracy": accuracy(evaluation),
        "accuracy_mc": accuracy(sampled),
        "cost": cost_of(run, checkpoint),
        "uncertainty": {
            "quality": assess(evaluation.windows, calibration_for(checkpoint, Reading())),
            "mc": assess(sampled.windows, calibration_for(checkpoint, Reading(mc=mc))),
        },
    }


def untrained(plan: Plan, runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """The named variants as they were before training, with every seed."""
    found: dict[str, list[dict[str, Any]]] = {f"{name}, untrained": [] for name in plan.untrained}
    for planned in runs:
        if planned.variant in plan.untrained:
            method = Reading().of(_fresh(load(planned.folder / "best.pt"), planned.seed))
            evaluation = evaluate(method, recordings_to_test(planned.config, planned.folder))
            found[f"{planned.variant}, untrained"].append({"seed": planned.seed, "accuracy": accuracy(evaluation)})
    return found


def _fresh(checkpoint: Checkpoint, seed: int) -> Checkpoint:
    torch.manual_seed(seed)
    model = checkpoint.config["model"]
    return checkpoint._replace(model=MODELS[model["name"]](**model["options"]).eval())


def without_training(plan: Plan, first: Run) -> dict[str, list[dict[str, Any]]]:
    """Classical methods on crops of their usual size, and the mean heart rate of the training recordings."""
    config = first.config.model_copy(
        update={"data": first.config.data.model_copy(update={"crop": CropConfig(size=SKIN_CROP), "cache": None})}
    )
    recordings = recordings_to_test(config, first.folder)
    evaluations = {name.upper(): evaluate(ClassicalMethod(name), recordings) for name in plan.classical}
    mean_bpm = load(first.folder / "best.pt").mean_bpm
    base = next(iter(evaluations.values()), None) or evaluate(ClassicalMethod(), recordings)
    evaluations["mean of training"] = mean_predictor(base, mean_bpm)
    return {name: [{"accuracy": accuracy(evaluation)}] for name, evaluation in evaluations.items()}


def report(
    plan: Plan, entries: Mapping[str, Sequence[Mapping[str, Any]]], baselines: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """The result as Markdown: accuracy, cost, uncertainty, and how to read them."""
    about, mc = stamp(), plan.monte_carlo
    versions = ", ".join(f"{name} {about['packages'][name]}" for name in ("torch", "torch-geometric", "numpy"))
    machine = about["machine"]
    return "\n\n".join(
        (
            "# Networks under one budget",
            f"Seeds {', '.join(map(str, plan.seeds))}; commit {about['commit']}; {versions}; {machine['system']}, "
            f"{machine['cores']} cores, {about['threads']} threads, GPUs: {machine['GPUs']}.",
            "## Accuracy",
            markdown({**entries, **baselines}, ACCURACY),
            "## Cost",
            markdown(entries, COST),
            f"## Uncertainty by Monte-Carlo dropout, {mc.samples} samples, rate {mc.rate}",
            markdown(entries, uncertainty_columns("mc")),
            "## Uncertainty by signal quality, without samples",
            markdown(entries, uncertainty_columns("quality")),
            NOTES,
        )
    )


def write(
    out: Path,
    text: str,
    plan: Plan,
    entries: Mapping[str, Sequence[Mapping[str, Any]]],
    baselines: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """FILE.md, FILE.csv and FILE.json; the last holds every run, the plan and the stamp."""
    write_text(out.with_name(f"{out.name}.md"), text + "\n")
    columns = {"_".join(column.keys): column for column in (*ACCURACY, *COST)}
    for source in ("mc", "quality"):
        columns |= {"_".join(column.keys): column for column in uncertainty_columns(source)}
    rows = {**entries, **baselines}
    write_whole(out.with_name(f"{out.name}.csv"), lambda part: write_csv(part, rows, columns))
    content = {"stamp": stamp(), "plan": plan.model_dump(mode="json"), "entries": entries, "baselines": baselines}
    json_file = out.with_name(f"{out.name}.json")
    write_text(json_file, json.dumps(content, indent=2, allow_nan=False) + "\n")
    print(f"\n{json_file.with_suffix('')}: .md, .csv and .json")
