"""Methods against reference pulses: who takes part, on which recordings, and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from rppg_graph.config import Config, CropConfig, DataConfig, validate
from rppg_graph.data.cache import CachedRecording
from rppg_graph.data.clip_dataset import clip_tensor
from rppg_graph.data.clips import cut_clips
from rppg_graph.data.pool import do_all
from rppg_graph.data.prepared import cached_recordings, subjects_of, wrong_references
from rppg_graph.errors import InputError
from rppg_graph.files import keep_apart
from rppg_graph.inference import evaluate as results
from rppg_graph.inference.calibration import calibration_for
from rppg_graph.inference.methods import BY_NAME, InferenceOptions, Method, network_of
from rppg_graph.inference.predict import face_frames, recording_wave
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.models.weights import load_weights
from rppg_graph.pulse.evaluation import Evaluation, evaluate_waves
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.protocols import PROTOCOLS
from rppg_graph.pulse.uncertainty import Calibration, assess
from rppg_graph.registry import choose
from rppg_graph.report.graph_view import NetworkView, view_network
from rppg_graph.report.html import write_evaluation_report


class Contestant(NamedTuple):
    """A method with the face crops it wants and, if it was trained, what is known from that.

    ``mean_bpm``: mean heart rate of the training recordings; ``calibration``: of its uncertainty.
    """

    name: str
    method: Method
    crop: CropConfig
    mean_bpm: float | None = None
    calibration: Calibration | None = None


class Measured(NamedTuple):
    """What an evaluation found, each by the name of the method.

    ``assessed``: what the uncertainty of a network is worth; ``left_out``: recording → what is wrong with its
    reference; ``about``: data, subjects, protocol and options, for the files.
    """

    evaluations: dict[str, Evaluation]
    waves: dict[str, list[Wave]]
    assessed: dict[str, dict[str, Any]]
    left_out: dict[str, str]
    about: dict[str, Any]


def evaluate(
    checkpoints: Sequence[Path] = (), weights: Sequence[str] = (), methods: Sequence[str] = (), *,
    data: Path | None = None, layout: str | None = None, subjects: str | None = None, leave_out: Sequence[str] = (),
    reading: InferenceOptions | None = None, face_policy: str | None = None, every_reference: bool = False,
    protocol: str = "native", window_seconds: float = 10.0, out: Path | None = None,
) -> Measured:  # fmt: skip
    """Measure networks and methods without training on the same recordings.

    Args:
        checkpoints: files of networks that ``run.py train`` wrote.
        weights: names of networks of the package; they need ``data``.
        methods: names of ``inference.methods.BY_NAME``.
        data: folder of recordings; None for those of the first checkpoint.
        layout: of ``data``, None to recognise it.
        subjects: ``train``, ``validation`` or ``test`` of the first checkpoint's split, or ``all``; None for ``test``,
            and for ``all`` with ``data``.
        leave_out: names of recordings.
        reading: how networks are read; with a classical method beside them, they take part alone as well.
        face_policy: of ``data.face.POLICIES``; None for each method's own.
        every_reference: measure recordings whose reference is wrong, too, as a run does whose config says so.
        protocol: of ``pulse.protocols.PROTOCOLS``.
        window_seconds: length of the windows.
        out: folder for ``report.html``, ``results.json``, ``recordings.csv`` and the waves; None for no files.

    Raises:
        InputError: an unknown name, no recording or no method, or a recording without a reference or a wave.
    """
    choose("protocol", PROTOCOLS, protocol)
    reading = reading or InferenceOptions()
    contestants, config = _contestants(checkpoints, weights, methods, reading)
    if face_policy:
        contestants = [c._replace(crop=c.crop.model_copy(update={"policy": face_policy})) for c in contestants]
    side = subjects or ("all" if data else "test")
    source, people = _measured_on(checkpoints, config, side, data and DataConfig(root=data, layout=layout))
    source = source.model_copy(update={"leave_out": (*source.leave_out, *leave_out)})
    if out:
        keep_apart(out, source.root)
    recordings = {c.name: _recordings(c, source, people) for c in contestants}
    left_out = {} if every_reference or source.every_reference else _take_out_unbelievable(recordings)
    waves = _waves(contestants, recordings)
    evaluations = {name: evaluate_waves(found, protocol, window_seconds) for name, found in waves.items()}
    worth = {c.name: assess(evaluations[c.name].windows, c.calibration) for c in contestants}
    assessed = {name: found for name, found in worth.items() if found is not None}
    mean_bpm = next((c.mean_bpm for c in contestants if c.mean_bpm is not None), None)
    if mean_bpm is not None:
        evaluations["mean of training"] = results.mean_predictor(evaluations[contestants[0].name], mean_bpm)
    about = {"data": str(source.root), "subjects": side, "views": reading.crop_views, "beside": reading.ensemble_with}
    about |= {"protocol": protocol, "window_seconds": window_seconds, "left_out": left_out}
    found = Measured(evaluations, waves, assessed, left_out, about)
    if out:
        _write(out, found, {c.name: (c.method, recordings[c.name]) for c in contestants})
    return found


def text(found: Measured) -> str:
    """What the screen shows of an evaluation."""
    evaluations, about = found.evaluations, found.about
    lines = [f"protocol {about['protocol']}, whole recordings (± standard error)\n{results.table(evaluations)}"]
    if any(evaluation.windows for evaluation in evaluations.values()):
        lines.append(f"\nwindows of {about['window_seconds']:g} s\n{results.table(evaluations, windows=True)}")
    for name, evaluation in evaluations.items():
        lines += [f"{name}: {row.name} has no error: {row.reason}" for row in evaluation.failed]
    if len(evaluations) > 1:
        head = "\npaired differences of the absolute error; below zero, the first one is better"
        lines += [head, *results.comparison_lines(results.comparisons(evaluations))]
    if found.assessed:
        lines.append("\nuncertainty of the windows: area under the risk-coverage curve")
        lines.append(results.uncertainty_table(found.assessed))
    return "\n".join(lines)


def left_out_lines(left_out: Mapping[str, str]) -> list[str]:
    """Which recordings were left out for their reference, one line each."""
    return [f"{name} is left out: the reference is wrong: {fault}" for name, fault in left_out.items()]


def _contestants(
    checkpoints: Sequence[Path], weights: Sequence[str], methods: Sequence[str], reading: InferenceOptions
) -> tuple[list[Contestant], Config | None]:
    """Who takes part, and the config of the first checkpoint."""
    contestants, first = [], None
    for path in checkpoints:
        checkpoint = load(path)
        config = validate(Config, checkpoint.config, str(path))
        first = first or config
        told = f" ({path.parent.name})" * (len(checkpoints) > 1)
        contestants += _trained(f"{config.model.name}{told}", checkpoint, reading)
    for name in weights:
        contestants += _trained(name, load_weights(name), reading)
    for name in methods:
        method = choose("method", BY_NAME, name)()
        contestants.append(Contestant(name, method, CropConfig(size=method.crop_size)))
    names = [contestant.name for contestant in contestants]
    if not names or len(set(names)) < len(names):
        raise InputError("name at least one CHECKPOINT, --weights or --method, and none twice")
    return contestants, first


def _trained(name: str, checkpoint: Checkpoint, reading: InferenceOptions) -> Iterator[Contestant]:
    """A network alone and, if that is asked for, with a classical method beside it."""
    crop = validate(Config, checkpoint.config, name).data.crop
    alone = replace(reading, ensemble_with=None)
    network = alone.of(checkpoint)
    for read in dict.fromkeys((alone, reading)):
        called = f"{name} and {read.ensemble_with}" if read.ensemble_with else name
        known = calibration_for(checkpoint, read)
        yield Contestant(called, read.around(network), crop, checkpoint.mean_bpm, known)


def _measured_on(
    checkpoints: Sequence[Path], config: Config | None, side: str, data: DataConfig | None
) -> tuple[DataConfig, tuple[str, ...] | None]:
    """The data, of the first checkpoint if none is named, and the subjects of a side of its split; None for all."""
    if data is None and config is None:
        raise InputError("only a checkpoint knows recordings of its own: name some with --data ROOT")
    if side != "all" and config is None:
        raise InputError(f"--subjects {side} needs a checkpoint, whose split says who they are")
    data = data or config.data
    return data, None if side == "all" else subjects_of(checkpoints, data, side, config)


def _recordings(contestant: Contestant, data: DataConfig, subjects: Sequence[str] | None) -> list[CachedRecording]:
    recordings = cached_recordings(data.model_copy(update={"crop": contestant.crop, "cache": None}))
    if subjects is not None:
        recordings = [recording for recording in recordings if recording.subject in subjects]
        if not recordings:
            names = ", ".join(subjects)
            raise InputError(f"{data.root} holds no recording of subject {names}; choose others with --subjects")
    without = [recording.name for recording in recordings if recording.pulse is None and recording.bpm is None]
    if without:
        raise InputError(f"{', '.join(without)}: no reference pulse to measure against; name them with --leave-out")
    return recordings


def _take_out_unbelievable(recordings: dict[str, list[CachedRecording]]) -> dict[str, str]:
    """Take out, for every method alike, what has a wrong reference by one's crops: name → why."""
    wrong = wrong_references(chain.from_iterable(recordings.values()))
    for found in recordings.values():
        found[:] = [cached for cached in found if cached.name not in wrong]
    if not all(recordings.values()):
        cure = "no recording is left; mend the references, or count them with --every-reference"
        raise InputError("\n".join([*left_out_lines(wrong), cure]))
    return wrong


def _waves(contestants: list[Contestant], recordings: dict[str, list[CachedRecording]]) -> dict[str, list[Wave]]:
    """Every method's waves, recording by recording; one that has none is named together with all such."""
    beside = list(zip(*recordings.values(), strict=True))  # of a recording, the crops of each method
    work = partial(_waves_of, [contestant.method for contestant in contestants])
    done = do_all(work, beside, workers=1)
    found = dict(tqdm(done, total=len(beside), desc="reading", unit="recording"))
    for place, contestant in enumerate(contestants):
        without = [crops[place].name for number, crops in enumerate(beside) if found[number][place] is None]
        if without:
            cure = " ".join(f"--leave-out {name}" for name in without)
            raise InputError(
                f"{len(without)} of {len(beside)} recordings have no stretch with both a wave by {contestant.name} and "
                f"a reference; look at their face crops with run.py preprocess, or do without them: {cure}"
            )
    return {c.name: [found[number][place] for number in range(len(beside))] for place, c in enumerate(contestants)}


def _waves_of(methods: Sequence[Method], crops: Sequence[CachedRecording]) -> list[Wave | None]:
    """One recording's wave by each method, None where there is none; networks run once."""
    waves, known = [], {}
    for recording, method in zip(crops, methods, strict=True):
        try:
            waves.append(recording_wave(recording, method, known))
        except InputError:
            waves.append(None)
    return waves


def _write(out: Path, found: Measured, readings: Mapping[str, tuple[Method, list[CachedRecording]]]) -> None:
    """The files of an evaluation; the report looks inside each network on the first clip there is."""
    results.write_results(out, found.evaluations, found.waves, found.about | {"uncertainty": found.assessed})
    views: dict[str, NetworkView] = {}
    for name, (method, recordings) in readings.items():
        if (network := network_of(method)) is not None:
            length = network.clip_frames
            clips = ((clip, r.fps) for r in recordings for clip in cut_clips(face_frames(r), r.fps, length, length))
            clip, fps = next(clips, (None, 0.0))
            if clip is not None:
                views[name] = view_network(network.model, clip_tensor(clip.video)[None], fps)
    said = {name: found.about[name] for name in ("data", "subjects")}  # the rest is stamped on the results themselves
    write_evaluation_report(out / "report.html", found.evaluations, found.waves, said, views)
