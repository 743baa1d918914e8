"""Mean colours of a face over time: what formulas, the map network and the evidence beside a wave read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rppg_graph.data.masks import MASKS
from rppg_graph.data.skin import skin_or_all
from rppg_graph.files import write_whole
from rppg_graph.pulse.filters import MAX_GAP_SECONDS, runs_in_time

if TYPE_CHECKING:
    from rppg_graph.data.face import FaceFrame

GRID = 8  # patches along a side of the crop; a grid of four is the mean of two by two of these


_OPTIONAL = ("background", "boxes", "key_frames")


@dataclass(frozen=True)
class FaceTraces:
    """Mean colours of the F frames that have a face; RGB of 0 to 255, float32.

    Args:
        seconds: (F,) times of the frames, rising.
        masks: (F, 3) by name of the mask that says which pixels of the crop count; all of them
            where too few are skin.
        patches: (F, GRID², 3) of the crop's patches, row by row from the top left.
        background: (F, Q, 3) of blocks of the frame, NaN where the face is in or near one, see `face.background`;
            None where only crops are there.
        boxes: (F, 4) x, y, width and height of the face's square in pixels of the upright frame; None likewise.
        key_frames: (F,) whether the codec coded the frame by itself; None where that is not known.
    """

    seconds: np.ndarray
    masks: Mapping[str, np.ndarray]
    patches: np.ndarray
    background: np.ndarray | None = None
    boxes: np.ndarray | None = None
    key_frames: np.ndarray | None = None

    def between(self, first: float, last: float) -> FaceTraces:
        """The frames from one time to another, both included."""
        return self.part(slice(*np.searchsorted(self.seconds, (first, np.nextafter(last, np.inf)))))

    def part(self, part: slice) -> FaceTraces:
        """Some of the frames."""
        optional = (None if v is None else v[part] for v in (self.background, self.boxes, self.key_frames))
        masks = {name: colours[part] for name, colours in self.masks.items()}
        return FaceTraces(self.seconds[part], masks, self.patches[part], *optional)

    def write(self, path: Path) -> None:
        """Keep them in an .npz file: a key a field, and ``mask_NAME`` for a mask; a field that is None has none."""
        fields = {name: getattr(self, name) for name in ("seconds", "patches", *_OPTIONAL)}
        arrays = {name: values for name, values in fields.items() if values is not None}
        arrays |= {f"mask_{name}": colours for name, colours in self.masks.items()}
        write_whole(path, lambda part: np.savez(part, **arrays))

    @classmethod
    def read(cls, path: Path) -> FaceTraces:
        """Those of a file that ``write`` made; what else it holds is not looked at."""
        with np.load(path) as file:
            masks = {name.removeprefix("mask_"): file[name] for name in file if name.startswith("mask_")}
            optional = {name: file[name] for name in _OPTIONAL if name in file}
            return cls(file["seconds"], masks, file["patches"], **optional)

    def runs(self) -> list[slice]:
        """Stretches of frames without a hole of more than ``MAX_GAP_SECONDS``."""
        return runs_in_time(self.seconds)


class TraceReader:
    """Reads the mean colours of face frames as they come; what is not forgotten is kept, about a kilobyte a frame."""

    def __init__(self) -> None:
        self._masks = {name: make() for name, make in MASKS.items()}
        self._colours: dict[str, list[np.ndarray]] = {name: [] for name in MASKS}  # shorter where frames wait
        self._frames: list[FaceFrame] = []  # without their crops
        self._patches: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: FaceFrame) -> None:
        """Take the next frame; one without a crop is passed over."""
        if frame.crop is None:
            return
        if self._frames and frame.seconds - self._frames[-1].seconds > MAX_GAP_SECONDS:
            for name, mask in self._masks.items():
                self._colours[name] += mask.finish()
        skin = skin_or_all(frame.crop)
        for name, mask in self._masks.items():
            self._colours[name] += mask.push(frame.seconds, frame.crop, skin)
        self._patches.append(patch_colours(frame.crop))
        self._frames.append(replace(frame, crop=None))

    def result(self) -> FaceTraces:
        """What is known so far: the newest frames' steady colours are by the masks that there are."""
        frames = self._frames
        colours = {name: self._colours[name] + self._masks[name].waiting() for name in MASKS}
        return FaceTraces(
            np.array([frame.seconds for frame in frames], np.float64),
            {name: np.array(rows, np.float32).reshape(len(rows), 3) for name, rows in colours.items()},
            np.array(self._patches, np.float32).reshape(len(frames), GRID**2, 3),
            _known([frame.background for frame in frames]),
            _known([frame.box for frame in frames]),
            _known([frame.key_frame for frame in frames]),
        )

    def forget(self, before_seconds: float) -> None:
        """Give up the frames before a time, but for those whose colours are not certain yet."""
        old = next((i for i, frame in enumerate(self._frames) if frame.seconds >= before_seconds), len(self._frames))
        old = min(old, *(len(colours) for colours in self._colours.values()))
        for values in (*self._colours.values(), self._frames, self._patches):
            del values[:old]


def face_traces(face_frames: Iterable[FaceFrame]) -> FaceTraces:
    """The traces of all frames."""
    reader = TraceReader()
    for frame in face_frames:
        reader.push(frame)
    return reader.result()


def patch_colours(crop: np.ndarray) -> np.ndarray:
    """Mean colours (GRID², 3) float32 of the patches of a crop (S, S, 3) uint8."""
    return cv2.resize(crop.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA).reshape(-1, 3)


def _known(values: list) -> np.ndarray | None:
    """The values of all frames as one array; None where one of them is not known."""
    return None if not values or any(value is None for value in values) else np.array(values)
