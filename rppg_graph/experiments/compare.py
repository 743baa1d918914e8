"""Networks under one budget: their accuracy, cost and uncertainty in one table, baselines beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import Field

from rppg_graph.config import CropConfig, Section
from rppg_graph.errors import InputError
from rppg_graph.experiments.engine import Outcome, outcomes
from rppg_graph.experiments.plan import Experiments, Run, load_experiments, planned_runs
from rppg_graph.experiments.result_table import ACCURACY, COST, markdown, uncertainty_columns, write_tables
from rppg_graph.experiments.rows import of_runs
from rppg_graph.experiments.run import accuracy, cost_of, evaluated, recordings_to_test, stamp
from rppg_graph.experiments.study import fingerprint
from rppg_graph.files import keep_apart, writable, write_json
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.evaluate import mean_predictor
from rppg_graph.inference.methods import SKIN_CROP, ClassicalMethod, InferenceOptions, MonteCarlo
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.uncertainty import assess
from rppg_graph.registry import choose
from rppg_graph.synthetic.mix import write_mix

Rows = Mapping[str, Sequence[Mapping[str, Any]]]  # by variant, a row a seed
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


class Compared(NamedTuple):
    """What a comparison found: its tables as Markdown, where they were written, and the runs that failed."""

    text: str
    out: Path
    failed: list[Outcome]


def compare(file: Path, *, runs: Path | None = None, out: Path | None = None) -> Compared:
    """Train what is missing of a plan, measure it, and write the tables of all its variants.

    Args:
        file: of the plan, see `Plan`.
        runs: folder of the runs; None for ``runs/<plan>``.
        out: of the results, without ``.md``, ``.csv`` and ``.json``; None for ``benchmarks/results/<plan>``.

    Raises:
        InputError: what ``load_plan`` refuses, an output that cannot be written, or no run that did not fail.
    """
    plan = load_plan(file)
    out = out or RESULTS / file.stem
    writable(out)
    planned = planned_runs(plan, runs or Path("runs") / file.stem)
    keep_apart(out, planned[0].config.data.root)
    for name in plan.classical:
        choose("classical method", CLASSICAL, name)
    write_mix(planned[0].config.data.root, plan.synthetic)
    evaluation = fingerprint(plan.monte_carlo)
    mc = MonteCarlo(plan.monte_carlo.samples, plan.monte_carlo.rate)
    found = []
    for outcome in outcomes(planned, partial(measured, mc=mc), evaluation, CALIBRATIONS):
        found.append(outcome)
        print(outcome, flush=True)
    failed = [outcome for outcome in found if outcome.failed]
    done = [outcome.run for outcome in found if outcome.row]
    if not done:
        raise InputError(f"{file}: every run failed, the first with {failed[0].failed['failed']}")
    entries = of_runs([outcome.row for outcome in found if outcome.row], planned, evaluation)
    baselines = untrained(plan, done) | without_training(plan, done[0])
    about = stamp()
    text = "\n\n".join([page(plan, entries, baselines, about), *(str(outcome) for outcome in failed), NOTES])
    columns = (*ACCURACY, *COST, *uncertainty_columns("mc"), *uncertainty_columns("quality"))
    write_tables(out, text, {**entries, **baselines}, columns)
    content = {"stamp": about, "plan": plan.model_dump(mode="json"), "entries": entries, "baselines": baselines}
    write_json(out.with_name(f"{out.name}.json"), content)
    return Compared(text, out, failed)


def measured(run: Run, checkpoint: Checkpoint, mc: MonteCarlo) -> dict[str, Any]:
    """The row of a trained run, on its test subjects."""
    started = time.perf_counter()
    recordings = recordings_to_test(run.config, run.folder)
    evaluation = evaluated(InferenceOptions().of(checkpoint), recordings)
    sampled = evaluated(InferenceOptions(mc=mc).of(checkpoint), recordings)
    row = {
        "accuracy": accuracy(evaluation),
        "accuracy_mc": accuracy(sampled),
        "uncertainty": {
            "quality": assess(evaluation.windows, calibration_for(checkpoint, InferenceOptions())),
            "mc": assess(sampled.windows, calibration_for(checkpoint, InferenceOptions(mc=mc))),
        },
    }
    cost = cost_of(run, checkpoint) | {"measuring_seconds": time.perf_counter() - started}
    return {"row": row | {"cost": cost}}


def untrained(plan: Plan, runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """The named variants as they were before training, with every seed."""
    found: dict[str, list[dict[str, Any]]] = {f"{name}, untrained": [] for name in plan.untrained}
    for planned in runs:
        if planned.variant in plan.untrained:
            trained, model = load(planned.best), planned.config.model
            torch.manual_seed(planned.seed)
            method = InferenceOptions().of(trained._replace(model=MODELS[model.name](**model.options).eval()))
            evaluation = evaluated(method, recordings_to_test(planned.config, planned.folder))
            found[f"{planned.variant}, untrained"].append({"seed": planned.seed, "accuracy": accuracy(evaluation)})
    return found


def without_training(plan: Plan, first: Run) -> dict[str, list[dict[str, Any]]]:
    """Classical methods on crops of their usual size, and the mean heart rate of the training recordings."""
    config = first.config.model_copy(
        update={"data": first.config.data.model_copy(update={"crop": CropConfig(size=SKIN_CROP), "cache": None})}
    )
    recordings = recordings_to_test(config, first.folder)
    evaluations = {name.upper(): evaluated(ClassicalMethod(name), recordings) for name in plan.classical}
    mean_bpm = load(first.best).mean_bpm
    base = next(iter(evaluations.values()), None) or evaluated(ClassicalMethod(), recordings)
    evaluations["mean of training"] = mean_predictor(base, mean_bpm)
    return {name: [{"accuracy": accuracy(evaluation)}] for name, evaluation in evaluations.items()}


def page(plan: Plan, entries: Rows, baselines: Rows, about: Mapping[str, Any]) -> str:
    """The tables as Markdown: accuracy, cost, uncertainty."""
    mc, machine = plan.monte_carlo, about["machine"]
    versions = ", ".join(f"{name} {about['packages'][name]}" for name in ("torch", "torch-geometric", "numpy"))
    return "\n\n".join(
        (
            "# Networks under one budget",
            f"Seeds {', '.join(map(str, plan.every_seed))}; commit {about['commit']}; {versions}; {machine['system']}, "
            f"{machine['cores']} cores, {about['threads']} threads, GPUs: {machine['GPUs']}.",
            "## Accuracy",
            markdown({**entries, **baselines}, ACCURACY),
            "## Cost",
            markdown(entries, COST),
            f"## Uncertainty by Monte-Carlo dropout, {mc.samples} samples, rate {mc.rate}",
            markdown(entries, uncertainty_columns("mc")),
            "## Uncertainty by signal quality, without samples",
            markdown(entries, uncertainty_columns("quality")),
        )
    )
