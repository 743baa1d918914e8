"""Draw a synthetic recording from a preset and a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from rppg_graph.errors import InputError
from rppg_graph.synthetic.backdrop import backdrop
from rppg_graph.synthetic.cardiac import simulate_heart
from rppg_graph.synthetic.head import Head, hand_over_cheek, lit_in_part, printed
from rppg_graph.synthetic.parameters import Parameters, draw_parameters
from rppg_graph.synthetic.photo import photo_head
from rppg_graph.synthetic.procedural import procedural_head
from rppg_graph.synthetic.recording import SyntheticRecording
from rppg_graph.synthetic.scene import build_scene, face_boxes

HEART = {"bpm", "drift_bpm", "recovery_bpm", "sinus_arrhythmia_bpm", "breaths_per_minute", "ectopic_per_minute", "age"}


def generate(
    preset: str, seed: int, *, person: int | None = None, seconds: float = 30.0, fps: float = 30.0,
    size: tuple[int, int] = (240, 320), **overrides: Any,
) -> SyntheticRecording:  # fmt: skip
    """Draw one recording: a person, a heart, a scene and a camera.

    Args:
        preset: a key of PRESETS.
        seed: every draw follows from it: same seed, same bytes.
        person: seed of who is in it, for several recordings of one person; None: each seed is another person.
        seconds: length.
        fps: nominal frame rate, 15–120.
        size: height and width of the frame in pixels, even.
        **overrides: fields of Parameters, in place of what the preset draws.

    Raises:
        InputError: unknown preset or parameter, a value outside its limits, a portrait without a face.
    """
    person = seed if person is None else person
    _check(seconds, fps, size, seed=seed, person=person)
    draw, heart_seed, scene_seed, timing, noise = np.random.SeedSequence(seed).spawn(5)
    person_draw, person_seed = np.random.SeedSequence([person, 1]).spawn(2)
    p = draw_parameters(preset, np.random.default_rng(draw), np.random.default_rng(person_draw), overrides)
    times = _frame_times(p, seconds, fps, np.random.default_rng(timing))
    heart = simulate_heart(seconds, rng=np.random.default_rng(heart_seed), **p.model_dump(include=HEART))
    head = _head(p, person_seed, person)
    scene = build_scene(p, times, fps, size, heart, head.face_albedo(), scene_seed)
    asked = {"preset": preset, "seed": seed, "person": person}
    asked |= {"duration_seconds": seconds, "fps": fps, "size": list(size)}
    return SyntheticRecording(
        parameters=asked | p.model_dump(),
        seconds=times,
        pulse=heart.pulse(times),
        bpm=heart.bpm(times),
        boxes=face_boxes(scene.pose),
        _settings=p,
        _size=size,
        _head=head,
        _background=backdrop(size, np.random.default_rng(noise.spawn(1)[0])),
        _scene=scene,
        _heart=heart,
        _noise_key=int(noise.generate_state(1, np.uint64)[0]),
    )


def _check(seconds: float, fps: float, size: tuple[int, int], **seeds: int) -> None:
    if not 0 < seconds <= 3600:
        raise InputError(f"synthetic recording: seconds = {seconds!r}; it is above 0 and at most 3600")
    if not 15 <= fps <= 120:
        raise InputError(f"synthetic recording: fps = {fps!r}; it is 15 to 120")
    height, width = size
    if min(size) < 32 or max(size) > 4096 or height % 2 or width % 2:
        raise InputError(
            f"synthetic recording: size = {size!r}; height and width are even numbers of pixels from 32 to 4096"
        )
    for name, value in seeds.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"synthetic recording: {name} = {value!r}; it is a whole number from 0")


def _head(p: Parameters, drawn_from: np.random.SeedSequence, person: int) -> Head:
    """The head of a person, and what is laid over it: printed on a card, behind a hand, under a lamp of its own."""
    build = procedural_head if p.head == "procedural" else photo_head
    head = build(p, np.random.default_rng(drawn_from))
    for wanted, change in ((p.printed, printed), (p.hand, hand_over_cheek)):
        if wanted:
            head = change(head, np.random.default_rng([person, 2]))
    return lit_in_part(head, p.spot_on) if p.spot else head


def _frame_times(p: Parameters, seconds: float, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Times of the frames that arrive, with jitter that keeps their order, from 0."""
    count = max(round(seconds * fps), 2)
    jitter = np.clip(p.frame_jitter * rng.standard_normal(count), -0.45, 0.45)
    kept = rng.random(count) >= p.dropped
    kept[0] = True
    times = (np.arange(count) + jitter)[kept] / fps
    return times - times[0]
