"""The schema of an experiment: every key, its default and what it means, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    create_model,
    model_validator,
)

from rppg_graph.errors import InputError
from rppg_graph.files import parse_yaml, read_yaml
from rppg_graph.registry import nearest


def later(default: Any, description: str) -> Any:
    """A key that older configs do without: at its default it is not written, so that they keep their fingerprints."""
    return Field(default, description=description, exclude_if=lambda value: value == default)


class Section(BaseModel):
    """A mapping of the YAML file: no key that is not named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CropConfig(Section):
    """How a face is cut out; a change rebuilds the cache."""

    size: int = Field(64, ge=8, le=512, description="pixels, height = width, of the crop")
    detector: str = Field("ultra-light", description="a name of data.face.FACE_DETECTORS")
    policy: Literal["fail", "skip", "full-frame"] = Field("fail", description="what to do if few frames show a face")


class DataConfig(Section):
    """Which recordings, and how clips are cut from them."""

    root: Path | None = Field(None, description="folder of the recordings; null where people are simulated")
    layout: str | None = Field(None, description="a name of data.recordings.RECORDINGS; recognised if null")
    cache: Path | None = Field(None, description="folder of the face crops; one under cache/ if null")
    crop: CropConfig = CropConfig()
    split: str = Field("modulo5", description="a name of data.splits.SPLITS, or a YAML file that names the subjects")
    fold: int = Field(0, ge=0, description="which fold of the split")
    validation_share: float = Field(0.2, gt=0, lt=1, description="of the training subjects, if the split names none")
    leave_out: tuple[str, ...] = Field((), description="recordings to do without, by name")
    every_reference: bool = later(False, "whether recordings count whose reference check-data calls wrong")
    clip_frames: PositiveInt = Field(160, description="frames of a clip, T")
    stride: PositiveInt = Field(60, description="frames from one training clip to the next")


class AugmentConfig(Section):
    """Augmentations of a training clip, STGNet's recipe by default (arguments of data.augment.Augment)."""

    speed: tuple[PositiveFloat, PositiveFloat] = Field((0.8, 1.25), description="range of the speed factor; (1, 1) off")
    crop_area: tuple[PositiveFloat, PositiveFloat] = Field((0.5, 1.0), description="share of the area; (1, 1) off")
    flip_probability: float = Field(0.5, ge=0, le=1, description="of a horizontal flip")
    illumination: float = Field(10.0, ge=0, description="sd of a clip's brightness offset, in 1/255")
    noise: float = Field(2.0, ge=0, description="sd of the pixel noise, in 1/255")


class ModelConfig(Section):
    """Which network, and its constructor's keyword arguments."""

    name: str = Field("stgnet_paper", description="a name of models.MODELS")
    options: dict[str, Any] = Field({}, description="keyword arguments of the network")
    start: Path | tuple[Path, ...] | None = Field(
        None, description="a checkpoint whose weights it starts from, for a pair one for each; chance if null"
    )


class TrainConfig(Section):
    """How to fit it."""

    steps: NonNegativeInt = Field(10_000, description="optimiser steps; 0 keeps what the network starts from")
    batch: PositiveInt = Field(4, description="clips of a step, of all processes together")
    parts: PositiveInt = later(1, "of a process's share of a batch, computed one after the other: less memory")
    loss: str | None = Field(None, description="a name of losses.LOSSES; the network's own if null")
    learning_rate: PositiveFloat = 1e-4
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "one_cycle"] = "constant"
    clip_gradient: PositiveFloat | None = Field(None, description="largest norm of a step's gradient; null: any")
    skip_steps: NonNegativeInt = later(0, "steps without a finite loss or gradient to pass over before training ends")
    freeze_batch_norm: bool = later(False, "batch norm keeps its statistics: a batch in parts is then as one in whole")
    validate_every: PositiveInt = Field(200, description="steps between validations, which also write a checkpoint")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the convolutions and products of a step; weights and losses stay in float32"
    )
    workers: int = Field(1, ge=0, description="processes that load clips; 0 loads in the training process")
    compile: bool = Field(False, description="whether torch.compile makes the step: minutes at first, then faster")
    augment: AugmentConfig | None = Field(AugmentConfig(), description="null trains on the clips as they are")


class PeopleConfig(Section):
    """People to generate, of one preset."""

    preset: str = Field(description="a name of data.synthetic.PRESETS")
    subjects: int = Field(gt=0)
    seconds: float = Field(20.0, gt=0)
    seed: int = 1
    size: tuple[int, int] = Field((240, 320), description="height and width of the frames in pixels")
    skin_tone: float | None = Field(None, ge=1, le=10, description="Monk scale, in place of what the preset draws")


class RenderedConfig(PeopleConfig):
    """As face crops, without a video."""

    coded: bool = Field(False, description="whether the preset's codec codes the part of the frame with the face")


class SimulatedConfig(Section):
    """As maps of colour traces, drawn anew for every step: no picture, no recording; for networks that read a map."""

    validation_people: PositiveInt = Field(256, description="drawn once, to measure the network on")
    no_pulse: float = Field(0.0, ge=0, lt=1, description="share of training people that have no pulse")
    rendered_share: float = Field(0.0, ge=0, le=1, description="of each step that are clips of the rendered people")


class SyntheticConfig(PeopleConfig):
    """As videos."""

    kbit_per_second: PositiveFloat | None = Field(None, description="of the videos, in place of what the preset draws")


SYNTHETIC = Field((), description="written to data.root, one after the other, if it is missing")


class Config(Section):
    """One experiment."""

    seed: int = Field(1, ge=0)
    data: DataConfig = DataConfig()
    synthetic: tuple[SyntheticConfig, ...] = SYNTHETIC
    rendered: tuple[RenderedConfig, ...] = Field((), description="further people to train on: no video, no detector")
    simulated: SimulatedConfig | None = Field(None, description="simulated people in place of recordings")
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def has_people(self) -> Config:
        if self.data.root is None and self.simulated is None:
            raise ValueError("data.root is missing: name the folder of the recordings, or simulate people")
        return self


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read an experiment from YAML and apply ``key.path=value`` overrides (values are YAML as well).

    Raises:
        InputError: no such file, not YAML, an override without ``=``, or keys and values that the schema refuses, each
            with its path, its value and, for an unknown key, the nearest valid one.
    """
    tree = read_mapping(path, "such as `data: {root: …}`")
    for override in overrides:
        apply_override(tree, override)
    return validate(Config, tree, str(path))


def read_mapping(path: Path, example: str, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a YAML file holds; ``extends`` names a file beside it whose keys it has where it says nothing else.

    Raises:
        InputError: no such file, not YAML, files that extend each other, or no mapping, which ``example`` describes.
    """
    if path.resolve() in extending:
        raise InputError(f"{path} extends itself, by way of {len(extending)} files; take one `extends` out")
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise InputError(f"{path} must hold a mapping {example}, it holds {str(tree)[:200]!r}")
    if "extends" not in tree:
        return tree
    base = path.parent / str(tree.pop("extends"))
    return _merged(read_mapping(base, example, (*extending, path.resolve())), tree)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with what ``changes`` says otherwise, down to single keys; lists are taken whole."""
    merged = {**base, **changes}
    for key in base.keys() & changes.keys():
        if isinstance(base[key], dict) and isinstance(changes[key], dict):
            merged[key] = _merged(base[key], changes[key])
    return merged


def validate(schema: type[Section], tree: dict[str, Any], where: str) -> Any:
    """Check a tree against a schema; ``where`` names its origin in the message of the InputError."""
    try:
        return schema.model_validate(tree)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            path, reason = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
            told = f"{path} = {problem['input']!r}: {reason[0].lower()}{reason[1:]}" if path else reason
            if problem["type"] == "extra_forbidden":
                told = f"unknown key {path} (value {problem['input']!r}){nearest(path, describe(schema))}"
            elif problem["type"] == "missing":
                told = f"{path} is missing: {describe(schema).get(path, '')}"
            lines.append(f"{where}: {told}")
        raise InputError("\n".join(lines)) from error


def validate_options(constructor: type, options: dict[str, Any], where: str) -> dict[str, Any]:
    """Check keyword arguments against a constructor's own signature: names, types, and what its annotations allow."""
    hints = get_type_hints(constructor.__init__)
    parameters = inspect.signature(constructor).parameters
    fields = {name: (hints[name], parameter.default) for name, parameter in parameters.items()}
    checked = validate(create_model(constructor.__name__, __base__=Section, **fields), options, where)
    return {name: getattr(checked, name) for name in options}


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set ``key.path=value`` in a tree, the value read as YAML; InputError where it does not read so."""
    path, separator, value = override.partition("=")
    if not separator or not path:
        raise InputError(f"override {override!r} must read key.path=value, for example train.steps=200")
    *parents, last = path.split(".")
    for depth, key in enumerate(parents):
        tree[key] = {} if tree.get(key) is None else tree[key]
        if not isinstance(tree[key], dict):
            raise InputError(f"override {override!r}: {'.'.join(parents[: depth + 1])} is a value, not a section")
        tree = tree[key]
    try:
        tree[last] = parse_yaml(value)
    except yaml.YAMLError as error:
        raise InputError(f"override {override!r}: {value!r} is not a YAML value") from error


def describe(schema: type[Section], prefix: str = "") -> dict[str, str]:
    """Every key of the schema, ``section.key``, with its description."""
    table: dict[str, str] = {}
    for name, field in schema.model_fields.items():
        table[prefix + name] = field.description or ""
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, Section):
                table |= describe(kind, f"{prefix}{name}.")
    return table
