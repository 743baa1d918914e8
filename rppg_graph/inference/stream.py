"""The pulse while it is being filmed: frames in, heart rate, quality and wave of the last seconds out."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace

import numpy as np

from rppg_graph.data.clips import MAX_GAP_SECONDS
from rppg_graph.data.face import DEFAULT_DETECTOR, Box, FaceCropper, FaceFrame
from rppg_graph.data.picture import Picture
from rppg_graph.errors import InputError
from rppg_graph.inference.heart_rate_of import filtered, heart_rate_of
from rppg_graph.inference.methods import Method
from rppg_graph.inference.update import Update
from rppg_graph.pulse.filters import check_fps, finite_runs, frames_in
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS, HeartRate
from rppg_graph.pulse.hrv import beat_to_beat
from rppg_graph.pulse.judgement import Judgement
from rppg_graph.pulse.overlap_add import OverlapAdd
from rppg_graph.pulse.uncertainty import Calibration

CONTEXT_SECONDS = 2.0  # of wave kept before the window: a filter's edge, and that of POS, lies there
BEATS_EVERY_SECONDS = 10.0
WARM_FPS = 30.0
KEPT_SECONDS = 300.0  # of wave that is kept for the beats
PATIENCE = 1.25  # steps without a new stretch of wave after which an update comes all the same
BEHIND_PATIENCE = 2.0  # the same where computing is behind


class Stream:
    """Follows the pulse of a face: push frames as they come, and get an update about once a step.

    Memory is bounded by the window. A number comes once a face was in view for the window, and follows a change of the
    heart rate, within a step and the quarter of a second that the face crop waits for. Where the face is lost for more
    than ``MAX_GAP_SECONDS``, or frames are, the window begins anew; a picture that repeats the one before is no frame.

    Args:
        method: a classical method, or a network, which runs on one clip a step.
        fps: frame rate of the wave, about that of the frames (a network's own where that differs).
        detector, policy, face: how the face is found, see ``data.face.FaceCropper``; "fail" fails nothing here.
        window_seconds: None for ten seconds, or for the length of a network's clip where that is longer.
        step_seconds: from one heart rate to the next.
        calibration: of the network without Monte-Carlo dropout: no number where it would be a guess.
        real_time: leave out steps where computing is more than half a step behind the frames' timestamps, so that
            frames need not wait; False computes every step, however long it takes.

    Raises:
        InputError: a window shorter than the method needs, or a rate or step that is not above zero.
    """

    def __init__(
        self,
        method: Method,
        fps: float = 30.0,
        *,
        detector: str = DEFAULT_DETECTOR,
        policy: str = "fail",
        face: int | None = None,
        window_seconds: float | None = None,
        step_seconds: float = 1.0,
        calibration: Calibration | None = None,
        real_time: bool = True,
    ) -> None:
        least = method.least_seconds
        self.window_seconds = max(WINDOW_SECONDS, least) if window_seconds is None else window_seconds
        if self.window_seconds < least:
            raise InputError(f"window_seconds={window_seconds:g}: {method.name} needs a window of {least:g} s or more")
        if not step_seconds > 0:
            raise InputError(f"step_seconds={step_seconds:g}: must be above zero")
        self.method, self.fps, self.step_seconds = method, check_fps(fps), step_seconds
        self.calibration, self.real_time = calibration, real_time
        self.frames = self.skipped_steps = 0
        self._cropper = FaceCropper(method.crop_size, detector, policy, face)
        self._faces, self._costs = deque(), deque()  # of the frames of the last window, each with its seconds
        self._seconds = self._updated = -math.inf  # of the newest frame, of the latest update
        self._behind_seconds = 0.0
        self._seen: float | None = None  # when there was a face last
        self.box: Box | None = None  # of the face in the newest frame that was searched
        self._long = OverlapAdd()  # of the windows' waves
        self._beats_seconds, self._beat_to_beat = -math.inf, {}
        self._picture, self._stands_still = np.empty(0), False
        self._wave_fps = self.fps
        self._restart(0.0)

    def remarks(self) -> list[str]:
        """What is worth knowing about the faces so far, see ``data.face.FaceCropper.remarks``."""
        return self._cropper.remarks()

    def push(self, seconds: float, frame: np.ndarray | Picture, waiting_seconds: float = 0.0) -> Update | None:
        """Take a frame, and give an update where one is due.

        Args:
            seconds: the frame's time, 0 or more, on any clock.
            frame: RGB uint8 (H, W, 3), or a picture of `data.video.read_pictures`, which `predict` cuts faces from.
            waiting_seconds: of frames that wait where this one comes from; they count as computing that is behind.

        Raises:
            InputError: a time that is not after that of the frame before, or a picture of another kind.
        """
        rgb = frame.rgb if isinstance(frame, Picture) else frame
        if not (0 <= seconds < math.inf and seconds > self._seconds):
            before = f", after {self._seconds:.4f} s of the frame before" if self.frames else ""
            raise InputError(
                f"frame {self.frames}: its time is {seconds:.4f} s{before}; times are finite, at least 0, and rise "
                "from frame to frame, so leave out what a camera delivers twice or late"
            )
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise InputError(f"frame {self.frames} is {rgb.dtype} {rgb.shape}; RGB, uint8 (H, W, 3), is needed")
        passed, self._seconds = seconds - self._seconds, seconds
        self._started = time.perf_counter()
        self._behind = self.real_time and max(self._behind_seconds, waiting_seconds) > self.step_seconds / 2
        self.frames += 1
        picture = rgb[::4, ::4].copy()  # enough to tell a camera that hangs and repeats itself: sensors have noise
        self._stands_still, self._picture = np.array_equal(picture, self._picture), picture
        if self._stands_still:
            return self._update(seconds) if self._is_due(seconds) else None
        update = None
        for face in self._cropper.push(seconds, frame):
            update = self._take(face) or update
        cost = time.perf_counter() - self._started
        self._recent(self._costs, seconds, cost)
        self._behind_seconds = max(0.0, self._behind_seconds + cost - passed)
        return update

    def _take(self, face: FaceFrame) -> Update | None:
        self._recent(self._faces, face.seconds, face.detected)
        self.box = face.box
        stepped = False
        if face.crop is not None:
            if self._seen is None or face.seconds - self._seen > MAX_GAP_SECONDS:
                self._restart(face.seconds)
            self._seen = face.seconds
            stepped = self._wave.push(face, skip=self._behind)
            self.skipped_steps += stepped and self._behind
            stepped = stepped and not self._behind
        return self._update(face.seconds) if stepped or self._is_due(face.seconds) else None

    def _recent(self, values: deque[tuple[float, float]], seconds: float, value: float) -> None:
        """Add a frame's value, and forget those from before the window."""
        values.append((seconds, value))
        while seconds - values[0][0] > self.window_seconds:
            values.popleft()

    def _is_due(self, seconds: float) -> bool:
        return seconds - self._updated >= (BEHIND_PATIENCE if self._behind else PATIENCE) * self.step_seconds

    def _restart(self, seconds: float) -> None:
        """Begin a wave: nothing before belongs to it."""
        self._wave = self.method.stream(self.fps, self.step_seconds)
        self._wave.forget(seconds)
        self._since = seconds

    def _update(self, now: float) -> Update:
        self._updated = now
        wave, wave_seconds, rate, judgement = self._read(now)
        refusal = interval = None
        if rate.bpm is not None and judgement is not None:
            rate, interval = replace(rate, bpm=judgement.bpm), judgement.interval_bpm
            if not judgement.answered:
                refusal = f"{judgement.bpm:.0f} bpm is not certain enough ({judgement.probability:.2f})"
                refusal += f": {judgement.reason}" if judgement.reason else ""
        elif rate.bpm is not None and self.calibration is not None:
            refusal = self.calibration.refusal(rate.quality, None)
            interval = None if refusal else self.calibration.interval_bpm(rate.quality, None)
        answered = rate.bpm is not None and not refusal
        if answered and now - self._beats_seconds >= BEATS_EVERY_SECONDS:
            self._beats_seconds, self._beat_to_beat = now, beat_to_beat(*self.long_wave())
        spent = time.perf_counter() - self._started  # on the newest frame, so far
        span = self._costs[-1][0] - self._costs[0][0] if self._costs else 0.0
        return Update(
            seconds=now,
            bpm=None if refusal else rate.bpm,
            quality=rate.quality,
            reason=refusal or rate.reason,
            at_band_edge=rate.at_band_edge,
            interval_bpm=interval,
            probability=judgement and judgement.probability,
            wave=wave,
            wave_seconds=wave_seconds,
            lag_seconds=self._seconds + self._behind_seconds + spent - float(wave_seconds[-1]) if len(wave) else None,
            face_share=sum(found for _, found in self._faces) / len(self._faces),
            speed=span / (sum(cost for _, cost in self._costs) + spent),
            skipped_steps=self.skipped_steps,
            beat_to_beat=self._beat_to_beat if answered else None,
        )

    def _read(self, now: float) -> tuple[np.ndarray, np.ndarray, HeartRate, Judgement | None]:
        """The window's filtered wave (T,), its times (T,), its heart rate and what is judged of it.

        The wave is empty where there is none, and the reason in the heart rate.
        """
        nothing = np.empty(0), np.empty(0)
        obstacle = f": {self._cropper.obstacle}" if self._cropper.obstacle else ""
        if self._seen is None:
            return *nothing, HeartRate(None, reason=f"no face has been in view yet{obstacle}"), None
        if now - self._seen > MAX_GAP_SECONDS:
            lost = f"no {'new picture' if self._stands_still else 'face'} for {now - self._seen:.1f} s"
            return *nothing, HeartRate(None, reason=f"{lost}; the window begins anew{obstacle}"), None
        try:
            raw = self._wave.result()
            length = frames_in(self.window_seconds, raw.fps)
            run = (finite_runs(raw.bvp) or [slice(0, 0)])[-1]
            self._wave.forget((raw.start + run.stop) / raw.fps - self.window_seconds - CONTEXT_SECONDS)
            if run.stop - run.start < length:
                seen, wanted = now - self._since, self.window_seconds
                behind = f"computing is slower than the frames come: {self.skipped_steps} steps were left out"
                early = seen < wanted + 2 * self.step_seconds
                reason = f"a face for {seen:.1f} of {wanted:.4g} s so far" if early else behind
                return *nothing, HeartRate(None, reason=reason), None
            wave, first = filtered(raw.bvp[run], raw.fps)[-length:], raw.start + run.stop - length
            seconds = (first + np.arange(length)) / raw.fps
            self._wave_fps = raw.fps
            self._long.forget(first + length - round(KEPT_SECONDS * raw.fps))
            self._long.add(first, wave)
            if raw.spectra is not None:
                judged = raw.windows[-1].judgement if raw.windows else None
                return wave, seconds, raw.spectra.heart_rate(seconds[0], seconds[-1]), judged
            return wave, seconds, heart_rate_of(wave, raw.fps, raw.reader), None
        except InputError as error:  # such as a colour of zero, which would stay in the way as long as it is kept
            self._restart(now)
            return *nothing, HeartRate(None, reason=f"{error}; the window begins anew"), None

    def long_wave(self) -> tuple[np.ndarray, float]:
        """The waves (T,) of the last ``KEPT_SECONDS`` in one, NaN where there is none, and their rate."""
        return self._long.result(), self._wave_fps


def warm_up(method: Method) -> None:
    """Read noise once: what compiles and loads at the first step would keep a camera waiting for seconds."""
    wave, rng = method.stream(WARM_FPS, 1.0), np.random.default_rng(0)
    crop = rng.integers(60, 200, (method.crop_size, method.crop_size, 3), np.uint8)
    for number in range(round(WARM_FPS * max(method.least_seconds, WINDOW_SECONDS)) + 2):
        wave.push(FaceFrame(number / WARM_FPS, crop + np.uint8(rng.integers(0, 20)), (0.0, 0.0, 1.0, 1.0), True))
    beat_to_beat(filtered(wave.result().bvp, WARM_FPS), WARM_FPS)
