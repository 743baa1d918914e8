"""The camera: from the linear light of a frame to 8-bit levels, and the blur of what moves under an open shutter."""

from __future__ import annotations

import cv2
import numba
import numpy as np

CODE_SIZE = 16384
LEAST_MOTION_PIXELS = 0.4  # less than this is within the blur of any lens


def motion_blur(linear: np.ndarray, shift: np.ndarray, ellipse: np.ndarray) -> None:
    """Smear the head over the way that it goes while the shutter is open; in place.

    One line for the whole head: its turns move nearly all of the face alike, and the background stays sharp.

    Args:
        linear: (H, W, 3) float32.
        shift: (2,) the way, x and y in pixels.
        ellipse: (4,) of the head: centre x, y and half axes in pixels.
    """
    if np.hypot(*shift) < LEAST_MOTION_PIXELS:
        return
    centre, half = ellipse[:2], ellipse[2:] + np.abs(shift)
    (left, top), (right, bottom) = (np.clip(centre + k * half, 0, linear.shape[1::-1]).astype(int) for k in (-1, 1))
    if right - left < 2 or bottom - top < 2:  # the head is outside
        return
    part = linear[top:bottom, left:right]
    across, down = np.arange(left, right) + 0.5 - centre[0], np.arange(top, bottom) + 0.5 - centre[1]
    distance = (across / half[0]) ** 2 + (down[:, None] / half[1]) ** 2
    share = np.clip(4.0 - 4.0 * distance, 0.0, 1.0).astype(np.float32)[..., None]
    part += share * (cv2.filter2D(part, -1, _line(shift), borderType=cv2.BORDER_REPLICATE) - part)


def _line(shift: np.ndarray) -> np.ndarray:
    """Kernel that is the mean along a line through its middle: (K, K) float32, K odd."""
    reach = int(np.ceil(np.abs(shift).max() / 2))
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3), np.float32)
    points = 4 * reach + 3
    steps = (np.arange(points) + 0.5) / points - 0.5
    x, y = (reach + 1 + steps * way for way in shift)
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        np.add.at(kernel, (i + down, j + across), np.abs(1 - down - (y - i)) * np.abs(1 - across - (x - j)))
    return kernel / kernel.sum()


@numba.njit(cache=True, inline="always")
def _scramble(key):
    """The finaliser of splitmix64 (Steele et al., 2014): a hash of a counter, so noise needs no state."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


@numba.njit(cache=True, fastmath=True)
def expose(linear, gain, codes, noise_levels, key, out):
    """Sensor and tone curve: gain, curve, noise, rounding to uint8.

    Shot noise under a gamma near 2 has almost the same deviation at every brightness, so the noise is added after the
    curve: the sum of three 7-bit uniform numbers, scaled to a deviation of noise_levels.

    Args:
        linear: (H, W, 3) float32; gain: (3,); codes: (CODE_SIZE,) float32, the curve of the range [0, 1].
        noise_levels: deviation in 8-bit levels.
        key: uint64, another for each frame.
        out: (H, W, 3) uint8, written.
    """
    scale = noise_levels / 64.0  # three uniforms of width 128 have the deviation 64
    height, width, _ = linear.shape
    for i in range(height):
        for j in range(width):
            bits = _scramble(key + np.uint64(i * width + j) * np.uint64(0x9E3779B97F4A7C15))
            for c in range(3):
                place = min(max(linear[i, j, c] * gain[c], 0.0), 1.0) * (CODE_SIZE - 1.001)
                k = int(place)
                level = codes[k] + (place - k) * (codes[k + 1] - codes[k])
                part = np.int64((bits >> np.uint64(21 * c)) & np.uint64(0x1FFFFF))
                level += ((part & 127) + ((part >> 7) & 127) + (part >> 14) - 190.5) * scale
                out[i, j, c] = np.uint8(min(max(level + 0.5, 0.0), 255.0))


def tone_curve(gamma: float) -> np.ndarray:
    """Levels 0..255 of linear light 0..1 under a power curve with a linear toe as in sRGB: (CODE_SIZE,) float32."""
    linear = np.linspace(0.0, 1.0, CODE_SIZE)
    toe = 0.0031308
    curve = np.where(
        linear < toe, linear * (1.055 * toe ** (1 / gamma) - 0.055) / toe, 1.055 * linear ** (1 / gamma) - 0.055
    )
    return (255.0 * np.clip(curve, 0.0, 1.0)).astype(np.float32)
