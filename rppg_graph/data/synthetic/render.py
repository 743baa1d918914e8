"""The per-pixel renderer: one head texture, one background and one instant of a scene give one frame.

The head is a height field: a texture over the face plane (u to the right, v down, unit = half a face width) with a
depth for every point. A pixel looks up the point of the turned head that lies behind it, so a turn of the head moves
the nose more than the ears. Everything is linear light until `expose`.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# Channels of Head.texture
ALBEDO, ALPHA, STRENGTH, DELAY, NORMAL_X, NORMAL_Y, LID, GLOSS = 0, 3, 4, 5, 6, 7, 8, 9
CHANNELS = 10
LID_OUTSIDE = 2.0  # value of the LID channel outside the eyes; inside it runs from 0 (upper lid) to 1 (lower lid)

DELAY_STEPS = 4  # the pulse is given at this many evenly spaced delays and interpolated in between
CODE_SIZE = 16384
DEEP_U, DEEP_V = 1.8, 2.5  # beyond this a head at its largest turn has no depth


class Instant(NamedTuple):
    """Everything that moves, at one frame; lengths in half face widths, light in linear units."""

    pose: np.ndarray  # (6,) centre x, y and half face width in pixels; yaw, pitch, roll in radians
    absorption: np.ndarray  # (DELAY_STEPS, 3) relative loss of R, G, B at pulse strength 1, by rising delay
    ambient: np.ndarray  # (3,)
    lights: np.ndarray  # (2, 6) direction x, y, z (y down, z to the camera) and colour R, G, B
    shadow: np.ndarray  # (5,) unit normal x, y of the shadow's band in frame widths, centre, half width, depth
    eyelid: float  # 0 open, 1 closed
    mouth: float  # opening
    backdrop: np.ndarray  # (2,) shift of the background in pixels of its texture


@numba.njit(cache=True, inline="always")
def _clip(value, low, high):
    return min(max(value, low), high)


@numba.njit(cache=True, fastmath=True, inline="always")
def _lookup(texture, row, column, first, last, out):
    """Bilinear lookup of the channels first to last (not included) with clamped borders."""
    row = _clip(row, 0.0, texture.shape[0] - 1.001)
    column = _clip(column, 0.0, texture.shape[1] - 1.001)
    i, j = int(row), int(column)
    f, g = np.float32(row - i), np.float32(column - j)
    one = np.float32(1)
    a, b, c, d = (one - f) * (one - g), (one - f) * g, f * (one - g), f * g
    for k in range(first, last):
        out[k] = (
            a * texture[i, j, k] + b * texture[i, j + 1, k] + c * texture[i + 1, j, k] + d * texture[i + 1, j + 1, k]
        )


@numba.njit(cache=True, fastmath=True)
def _depth_at(depth, row, column):
    row = _clip(row, 0.0, depth.shape[0] - 1.001)
    column = _clip(column, 0.0, depth.shape[1] - 1.001)
    i, j = int(row), int(column)
    f, g = row - i, column - j
    top = depth[i, j] + g * (depth[i, j + 1] - depth[i, j])
    bottom = depth[i + 1, j] + g * (depth[i + 1, j + 1] - depth[i + 1, j])
    return top + f * (bottom - top)


@numba.njit(cache=True, fastmath=True)
def _shade(texel, lights, ambient, colour):
    """Lambert plus a Blinn highlight, with the lights given in the head's own axes."""
    nx, ny = texel[NORMAL_X], texel[NORMAL_Y]
    nz = np.sqrt(max(1.0 - nx * nx - ny * ny, 0.05))
    for c in range(3):
        colour[c] = texel[ALBEDO + c] * ambient[c]
    for k in range(lights.shape[0]):
        if lights[k, 3] + lights[k, 4] + lights[k, 5] == 0.0:
            continue
        diffuse = max(nx * lights[k, 0] + ny * lights[k, 1] + nz * lights[k, 2], 0.0)
        shine = 0.0
        if texel[GLOSS] > 0.0:
            half = max(nx * lights[k, 6] + ny * lights[k, 7] + nz * lights[k, 8], 0.0)
            half *= half
            half *= half
            half *= half
            shine = texel[GLOSS] * half * half  # to the 16th
        for c in range(3):
            colour[c] += lights[k, 3 + c] * (texel[ALBEDO + c] * diffuse + shine)


@numba.njit(cache=True)
def _in_head_axes(lights, yaw, pitch):
    """Each light's direction and half-way vector to the camera, turned into the axes of the turned head: (K, 9)."""
    turned = np.zeros((lights.shape[0], 9))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]]) @ np.array(
        [[1.0, 0.0, 0.0], [0.0, cp, sp], [0.0, -sp, cp]]
    )
    for k in range(lights.shape[0]):
        half = lights[k, :3] + np.array([0.0, 0.0, 1.0])
        half /= max(np.sqrt((half * half).sum()), 1e-9)
        turned[k, :3] = turn @ np.ascontiguousarray(lights[k, :3])
        turned[k, 3:6] = lights[k, 3:6]
        turned[k, 6:] = turn @ half
    return turned


@numba.njit(cache=True, fastmath=True)
def render(texture, depth, layout, lid_colour, background, instant, window, frame_width, out):
    """Linear light of one instant in a window of the frame.

    Args:
        texture: (R, S, CHANNELS) float32, depth: (R, S) float32, of the head.
        layout: (4,) texture rows per unit, row and column of the face's centre, v of the mouth line.
        lid_colour: (3,) linear albedo of the closed eyelid.
        background: (Y, X, 3) float32 linear albedo; the frame is spread over its middle nine tenths.
        instant: an Instant.
        window: (4,) left, top and the size in frame pixels of one output pixel across and down.
        frame_width: of the whole frame, in pixels.
        out: (H, W, 3) float32, written.
    """
    cx, cy, scale, yaw, pitch, roll = instant.pose
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)
    sin_roll, cos_roll = np.sin(roll), np.cos(roll)
    unit, row0, column0, mouth_v = layout
    lights = _in_head_axes(instant.lights, yaw, pitch)
    shadow, absorption = instant.shadow, instant.absorption
    texel, colour, back = np.empty(CHANNELS, np.float32), np.empty(3), np.empty(3, np.float32)
    light = instant.ambient + 0.6 * (instant.lights[0, 3:6] + instant.lights[1, 3:6])
    spread = 0.9 * background.shape[1] / frame_width

    for i in range(out.shape[0]):
        y = window[1] + (i + 0.5) * window[3]
        for j in range(out.shape[1]):
            x = window[0] + (j + 0.5) * window[2]
            a = ((x - cx) * cos_roll + (y - cy) * sin_roll) / scale
            b = ((y - cy) * cos_roll - (x - cx) * sin_roll) / scale
            u, v = a / cos_yaw, b / cos_pitch
            if abs(u) < DEEP_U and abs(v) < DEEP_V:
                for _ in range(3):  # a fixed point: which point of the height field lies behind this pixel
                    z = _depth_at(depth, row0 + v * unit, column0 + u * unit)
                    u, v = (a - z * sin_yaw) / cos_yaw, (b - z * sin_pitch) / cos_pitch
            cavity = 0.0
            if instant.mouth > 0.0 and mouth_v < v < mouth_v + 1.2 and abs(u) < 1.0:
                reach = 1.0 - u * u
                lips = max(1.0 - (u / 0.36) ** 2, 0.0)
                gap = instant.mouth * lips
                below = v - mouth_v
                if below < gap:
                    cavity = min((gap - below) * 25.0, 1.0) * min(below * 60.0, 1.0)
                # the jaw drops: the texture under the mouth is pulled down, less and less towards the neck
                v -= min(below, instant.mouth * reach * (0.35 + 0.65 * lips)) * (1.0 - below / 1.2)
            row, column = row0 + v * unit, column0 + u * unit
            _lookup(texture, row, column, ALPHA, ALPHA + 1, texel)
            alpha = texel[ALPHA]
            if alpha > 0.002:
                _lookup(texture, row, column, 0, CHANNELS, texel)
                if instant.eyelid > 0.0:
                    cover = _clip((1.2 * instant.eyelid - texel[LID]) * 6.0, 0.0, 1.0)
                    for c in range(3):
                        texel[c] += cover * (lid_colour[c] - texel[c])
                _shade(texel, lights, instant.ambient, colour)
                place = texel[DELAY] * (DELAY_STEPS - 1)
                k = min(int(place), DELAY_STEPS - 2)
                part = place - k
                for c in range(3):
                    loss = absorption[k, c] + part * (absorption[k + 1, c] - absorption[k, c])
                    colour[c] *= (1.0 - texel[STRENGTH] * loss) * (1.0 - cavity)
                    colour[c] += cavity * (0.06 if c == 0 else 0.015) * light[c]
            if alpha < 0.998:
                row = 0.05 * background.shape[0] + y * spread + instant.backdrop[1]
                column = 0.05 * background.shape[1] + x * spread + instant.backdrop[0]
                _lookup(background, row, column, 0, 3, back)
                for c in range(3):
                    back[c] *= light[c]
                    colour[c] = back[c] if alpha <= 0.002 else alpha * colour[c] + (1.0 - alpha) * back[c]
            dim = 1.0
            if shadow[4] > 0.0:
                distance = abs((x * shadow[0] + y * shadow[1]) / frame_width - shadow[2]) / shadow[3]
                dim = 1.0 - shadow[4] * _clip(1.5 - distance, 0.0, 1.0)
            for c in range(3):
                out[i, j, c] = colour[c] * dim


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
