"""One upright frame of a video, of which only what is looked at is turned to RGB."""

from __future__ import annotations

import math
import re
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    import av

Box = tuple[float, float, float, float]

MOST_OVERSAMPLING = 8
PLANAR = re.compile(r"yuvj?(420|422|444)p(9|10|12|14|16)?(le)?")  # luma and two planes of colour, 8 bits or more
# A box of fewer pixels for one of the crop shows single samples of colour, which FFmpeg repeats and does not blend.
FINE = 1.5
# Means of fewer pixels are taken of the RGB: FFmpeg rounds each, and that is enough to move a detector's box.
COARSE = 9
SWATCH, SWATCHES = 16, 16  # pixels along a side of one, and how many along a side of the card


class Picture:
    """A frame that is RGB uint8 (H, W, 3) already: the general form, and the reference of :class:`PlanarPicture`."""

    def __init__(self, rgb: np.ndarray) -> None:
        self.rgb = rgb

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, 3) of the upright frame."""
        return self.rgb.shape

    def cut(self, box: Box, size: int) -> np.ndarray:
        """The square box as (size, size, 3) uint8, see ``crop_square``."""
        return crop_square(self.rgb, box, size)

    def shrunk(self, size: tuple[int, int], rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """The frame, or some rows and columns of it, as uint8 of this width and height: each pixel a mean."""
        return cv2.resize(self.rgb[rows, columns], size, interpolation=cv2.INTER_AREA)

    def blocks(self, columns: int, rows: int, step: int) -> np.ndarray:
        """Mean colours (rows, columns, 3) float32 of blocks of the frame, by one pixel in step × step."""
        few = _few(self.rgb, self.shape, step).astype(np.float32)
        return cv2.resize(few, (columns, rows), interpolation=cv2.INTER_AREA)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.rgb, dtype, copy=copy)


class PlanarPicture(Picture):
    """A frame as the codec leaves it, luma and colour apart and on their side perhaps: cut first, turned to RGB then.

    What it gives is that of :class:`Picture` to a level: means are taken before the change to RGB, which is a matrix,
    and not after it. Nothing is rounded between.

    Args:
        frame: of a format that ``PLANAR`` describes.
        turn: how it is shown.

    Raises:
        ValueError: planes that are not laid out as the format says.
    """

    def __init__(self, frame: av.VideoFrame, turn: Turn) -> None:
        self._frame, self._turn = frame, turn
        self._planes = [_plane(frame, number) for number in range(3)]
        self._shape = turn.shape(self._planes[0].shape)
        odd = (length % 2 for length in self._planes[0].shape[::-1])
        self._to_rgb = matrix_of(frame.format.name, int(frame.colorspace), int(frame.color_range), *odd)
        self._fewer = [(2**-x, 2**-y) for x, y in ((0, 0), *[_halvings(frame.format.name)] * 2)]  # samples, of luma's

    @cached_property
    def rgb(self) -> np.ndarray:
        return self._turn(rgb_of(self._frame))

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self._shape, 3)

    def cut(self, box: Box, size: int) -> np.ndarray:
        x, y, width, height = self._turn.back(box, self._shape)
        parts = []
        for plane, (across, down) in zip(self._planes, self._fewer, strict=True):
            left, top = max(0, math.floor(x * across) - 2), max(0, math.floor(y * down) - 2)
            near = plane[top : math.ceil((y + height) * down) + 2, left : math.ceil((x + width) * across) + 2]
            near = near.astype(np.float32)
            if width < FINE * size:
                near = cv2.resize(near, None, fx=1 / across, fy=1 / down, interpolation=cv2.INTER_NEAREST)
                own = (x - left / across, y - top / down, width, height)
            else:
                own = (x * across - left, y * down - top, width * across, height * down)
            parts.append(crop_square(near, own, size))
        return self._turn(self._uint8(parts))

    def shrunk(self, size: tuple[int, int], rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        top, bottom, _ = rows.indices(self._shape[0])
        left, right, _ = columns.indices(self._shape[1])
        if (right - left) * (bottom - top) < COARSE * size[0] * size[1]:
            return super().shrunk(size, rows, columns)
        x, y, width, height = self._turn.back((left, top, right - left, bottom - top), self._shape)
        size = size[::-1] if self._turn.transposed else size
        parts = []
        for plane, (across, down) in zip(self._planes, self._fewer, strict=True):
            left, top = int(x * across), int(y * down)
            part = plane[top : max(top + 1, math.ceil((y + height) * down)),
                         left : max(left + 1, math.ceil((x + width) * across))]  # fmt: skip
            parts.append(cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA))
        return self._turn(self._uint8(parts))

    def blocks(self, columns: int, rows: int, step: int) -> np.ndarray:
        size = (rows, columns) if self._turn.transposed else (columns, rows)
        few = cv2.merge([_few(plane, self._planes[0].shape, step) for plane in self._planes]).astype(np.float32)
        return self._turn(cv2.transform(cv2.resize(few, size, interpolation=cv2.INTER_AREA), self._to_rgb))

    def _uint8(self, parts: list[np.ndarray]) -> np.ndarray:
        """RGB uint8 of luma and colour of one size."""
        rgb = cv2.transform(cv2.merge(parts), self._to_rgb)
        return cv2.add(rgb, 0.0, dtype=cv2.CV_8U)  # rounded and clipped


class Turn(NamedTuple):
    """How a stored picture is shown: transposed first, then its rows and its columns from the other end.

    Called with a picture (H, W, 3), gives it upright.
    """

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Turn:
        """That which a frame's metadata asks for, by quarter turns and mirrors."""
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        # The pixel (x, y) is shown at (a·x + c·y, b·x + d·y), in 16.16 fixed point.
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
        transposed = abs(a) + abs(d) < abs(b) + abs(c)
        a, d = (c, b) if transposed else (a, d)
        return cls(transposed, d < 0, a < 0)

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        shown = stored.transpose(1, 0, 2) if self.transposed else stored
        return np.ascontiguousarray(shown[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1])

    def shape(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the upright picture by those of the stored one."""
        return stored[::-1] if self.transposed else stored

    def back(self, box: Box, shape: tuple[int, int]) -> Box:
        """A box of the upright picture of this height and width, in the stored one."""
        x, y, width, height = box
        x = shape[1] - x - width if self.columns_reversed else x
        y = shape[0] - y - height if self.rows_reversed else y
        return (y, x, height, width) if self.transposed else (x, y, width, height)


def rgb_of(frame: av.VideoFrame) -> np.ndarray:
    """A stored frame as RGB uint8 (H, W, 3), by one thread: FFmpeg would start a pool of threads for every frame."""
    return frame.reformat(format="rgb24", threads=1).to_ndarray()


def picture_of(frame: av.VideoFrame, turn: Turn | None = None) -> Picture:
    """A decoded frame, upright; its planes are kept where their format allows it.

    ``turn``: how it is shown; None asks the frame, which then lives on until the garbage collector finds it.
    """
    from av.error import FFmpegError  # who trains on crops has no use for PyAV, and may lack it

    turn = turn or Turn.of(frame)
    if PLANAR.fullmatch(frame.format.name):
        try:
            return PlanarPicture(frame, turn)
        except (ValueError, FFmpegError):
            pass  # the general way says what is wrong with it, or knows better
    return Picture(turn(rgb_of(frame)))


def as_picture(picture: Picture | np.ndarray) -> Picture:
    """An RGB uint8 array (H, W, 3) as a picture; a picture as it is."""
    return picture if isinstance(picture, Picture) else Picture(picture)


def crop_square(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """A box of pixels (H, W) or (H, W, 3) as (size, size, …) of their type, to a fraction of a pixel.

    Enlarged bicubically; shrunk by the mean over each target pixel's area, since every pixel that bicubic weights
    leave out is pulse signal lost to noise.
    """
    oversampling = min(max(math.ceil(box[2] / size), 1), MOST_OVERSAMPLING)
    inner = size * oversampling
    across, down = box[2] / inner, box[3] / inner  # source pixels a step
    matrix = np.array([[across, 0.0, box[0] + 0.5 * across - 0.5], [0.0, down, box[1] + 0.5 * down - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if oversampling == 1 else cv2.INTER_LINEAR)
    cut = cv2.warpAffine(pixels, matrix, (inner, inner), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cut if oversampling == 1 else cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)


@cache
def matrix_of(pixel_format: str, colorspace: int, color_range: int, odd_width: int, odd_height: int) -> np.ndarray:
    """(3, 4) from luma, Cb, Cr and 1 to the RGB that FFmpeg makes of such a frame, read off a card of colours.

    Matrix and range alone do not say it: for even sizes FFmpeg takes a quick way that is darker by a level or two.
    """
    import av

    frame = av.VideoFrame(SWATCH * SWATCHES + odd_width, SWATCH * SWATCHES + odd_height, pixel_format)
    frame.colorspace, frame.color_range = colorspace, color_range
    scale = 2 ** (frame.format.components[0].bits - 8)
    luma = np.repeat(np.linspace(16, 235, SWATCHES), SWATCHES)
    blue, red = 128 + np.random.default_rng(0).uniform(-45, 45, (2, SWATCHES**2))  # random, so that no two go together
    card = (np.stack([luma, blue, red]) * scale).round()
    for number, values in enumerate(card):
        plane = _plane(frame, number)
        row, column = (np.minimum(np.arange(n) * SWATCHES // (n & ~1), SWATCHES - 1) for n in plane.shape)
        plane[...] = values.reshape(SWATCHES, SWATCHES)[row[:, None], column]
    rgb = rgb_of(frame)
    seen = rgb[SWATCH // 2 :: SWATCH, SWATCH // 2 :: SWATCH].reshape(-1, 3)
    inside = ((seen > 2) & (seen < 253)).all(axis=1)
    known = np.vstack([card, np.ones(SWATCHES**2)]).T
    return np.linalg.lstsq(known[inside], seen[inside].astype(np.float64), rcond=None)[0].T.astype(np.float32)


def _few(pixels: np.ndarray, shape: tuple[int, ...], step: int) -> np.ndarray:
    """One pixel in step × step of a plane, or of RGB, of a frame of this shape."""
    return cv2.resize(pixels, (shape[1] // step, shape[0] // step), interpolation=cv2.INTER_NEAREST)


def _halvings(pixel_format: str) -> tuple[int, int]:
    """How often the colour of a format is halved across and down: 4:4:4 never, 4:2:2 across, 4:2:0 both."""
    sampling = PLANAR.fullmatch(pixel_format)[1]
    return int(sampling != "444"), int(sampling == "420")


def _plane(frame: av.VideoFrame, number: int) -> np.ndarray:
    """(H, W) uint8 or uint16 of a plane, without a copy."""
    plane = frame.planes[number]
    dtype = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else "<u2")
    across, down = _halvings(frame.format.name) if number else (0, 0)
    height, width = -(-frame.height >> down), -(-frame.width >> across)
    if plane.line_size <= 0 or plane.line_size % dtype.itemsize:
        raise ValueError(f"a plane of {plane.line_size} bytes a line")
    return np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)[:height, :width]
