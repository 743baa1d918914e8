"""Many experiments under one plan: variants of a base experiment, each with every seed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import Field

from rppg_graph.config import SYNTHETIC, Config, Section, SyntheticConfig, apply_override, read_mapping, validate
from rppg_graph.errors import InputError
from rppg_graph.experiments.train_run import checked
from rppg_graph.models.checkpoint import best_of

PLAN = "with base and variants"


class Variant(Section):
    """One line of the table."""

    name: str = Field(description="of the line, and of its runs")
    overrides: tuple[str, ...] = Field((), description="of the base, as on the command line: key.path=value")
    more_seeds: tuple[int, ...] = Field((), description="beside those of the plan, where its results spread widely")


class Experiments(Section):
    """Variants × seeds on one base experiment."""

    base: dict[str, Any] = Field(description="an experiment, as in a config of run.py train")
    variants: tuple[Variant, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((1, 2, 3), min_length=1)
    synthetic: tuple[SyntheticConfig, ...] = SYNTHETIC

    @property
    def every_seed(self) -> tuple[int, ...]:
        """The seeds of the plan, then those that some variants have beside them."""
        return tuple(dict.fromkeys((*self.seeds, *(seed for each in self.variants for seed in each.more_seeds))))

    @property
    def pairs(self) -> list[tuple[Variant, int]]:
        """Every variant with each of its seeds, one seed after the other."""
        return [
            (variant, seed)
            for seed in self.every_seed
            for variant in self.variants
            if seed in (*self.seeds, *variant.more_seeds)
        ]

    def config(self, variant: Variant, seed: int) -> Config:
        """The experiment of a variant with a seed, checked."""
        tree = copy.deepcopy(self.base)
        for override in (*variant.overrides, f"seed={seed}"):
            apply_override(tree, override)
        config = validate(Config, tree, f"variant {variant.name}")
        if config.train.steps == 0:
            raise InputError(f"variant {variant.name}: train.steps = 0 trains nothing to compare; name 1 step or more")
        return checked(config)


class Run(NamedTuple):
    """One variant with one seed."""

    variant: str
    seed: int
    config: Config
    folder: Path

    @property
    def best(self) -> Path:
        """The checkpoint of the lowest validation loss."""
        return best_of(self.folder)


Plan = TypeVar("Plan", bound=Experiments)


def load_experiments(path: Path, schema: type[Plan]) -> Plan:
    """Read experiments from YAML.

    Raises:
        InputError: what ``config.read_mapping`` or the schema refuses, or two variants of one name or two equal seeds.
    """
    plan = validate(schema, read_mapping(path, PLAN), str(path))
    names = [variant.name for variant in plan.variants]
    for kind, values in (("variants are named", names), ("seeds are", plan.seeds)):
        if len(set(values)) < len(values):
            raise InputError(f"{path}: two {kind} {next(v for v in values if values.count(v) > 1)!r}")
    return plan


def planned_runs(plan: Experiments, folder: Path) -> list[Run]:
    """Every variant with every seed, one seed after the other, all checked before the first is trained."""
    return [
        Run(variant.name, seed, plan.config(variant, seed), folder / f"{variant.name}-seed{seed}")
        for variant, seed in plan.pairs
    ]
