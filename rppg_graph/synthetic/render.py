"""The per-pixel renderer: one head texture, one background and one instant of a scene give one frame.

The head is a height field: a texture over the face plane (u to the right, v down, unit = half a face width) with a
depth for every point. A pixel looks up the point of the turned head that lies behind it, so a turn of the head moves
the nose more than the ears. Everything is linear light; `camera` makes levels of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# Channels of Head.texture
ALBEDO, ALPHA, STRENGTH, DELAY, NORMAL_X, NORMAL_Y, LID, GLOSS, SPOT = 0, 3, 4, 5, 6, 7, 8, 9, 10
CHANNELS = 11
LID_OUTSIDE = 2.0  # value of the LID channel outside the eyes; inside it runs from 0 (upper lid) to 1 (lower lid)

DELAY_STEPS = 4  # the pulse is given at this many evenly spaced delays and interpolated in between
DEEP_U, DEEP_V = 1.8, 2.5  # beyond this a head at its largest turn has no depth
CLEAR, SOLID = 0.002, 0.998  # alpha under and over which there is no blending
CAVITY = np.array([0.06, 0.015, 0.015])  # linear albedo of the open mouth


class Instant(NamedTuple):
    """Everything that moves, at one frame; lengths in half face widths, light in linear units."""

    pose: np.ndarray  # (6,) centre x, y and half face width in pixels; yaw, pitch, roll in radians
    absorption: np.ndarray  # (DELAY_STEPS, 3) relative loss of R, G, B at pulse strength 1, by rising delay
    ambient: np.ndarray  # (3,)
    lights: np.ndarray  # (2, 6) direction x, y, z (y down, z to the camera) and colour R, G, B
    shadow: np.ndarray  # (5,) unit normal x, y of the shadow's band in frame widths, centre, half width, depth
    eyelid: float  # 0 open, 1 closed
    mouth: float  # opening
    smile: float  # 0 none, 1 broad
    brow: float  # 0 at rest, 1 raised
    gaze: float  # to the right
    backdrop: np.ndarray  # (2,) shift of the background in pixels of its texture
    spot: np.ndarray  # (3,) relative change of the light where the head's SPOT channel is 1


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


@numba.njit(cache=True, fastmath=True, inline="always")
def _point_behind(x, y, pose, turn, depth, layout):
    """Face plane coordinates of the point of the turned head that a pixel of the frame shows."""
    cx, cy, scale = pose[0], pose[1], pose[2]
    sin_yaw, cos_yaw, sin_pitch, cos_pitch, sin_roll, cos_roll = turn
    a = ((x - cx) * cos_roll + (y - cy) * sin_roll) / scale
    b = ((y - cy) * cos_roll - (x - cx) * sin_roll) / scale
    u, v = a / cos_yaw, b / cos_pitch
    if abs(u) < DEEP_U and abs(v) < DEEP_V:
        for _ in range(3):  # a fixed point: which point of the height field lies behind this pixel
            z = _depth_at(depth, layout[1] + v * layout[0], layout[2] + u * layout[0])
            u, v = (a - z * sin_yaw) / cos_yaw, (b - z * sin_pitch) / cos_pitch
    return u, v


@numba.njit(cache=True, fastmath=True, inline="always")
def _bump(a, b):
    """1 in the middle, 0 from a² + b² = 1 on, smooth."""
    height = max(1.0 - a * a - b * b, 0.0)
    return height * height


@numba.njit(cache=True, fastmath=True, inline="always")
def _before_expression(u, v, smile, brow, mouth_v):
    """Where the skin seen at (u, v) lies at rest: a smile pulls the corners of the mouth up and out."""
    if smile > 0.0:
        pull = smile * _bump((abs(u) - 0.42) / 0.40, (v - mouth_v) / 0.45)
        v += 0.11 * pull
        u += -0.08 * pull if u > 0.0 else 0.08 * pull
    if brow > 0.0:
        v += 0.09 * brow * _bump((abs(u) - 0.45) / 0.55, (v + 0.74) / 0.32)
    return u, v


@numba.njit(cache=True, fastmath=True, inline="always")
def _before_speech(u, v, mouth, mouth_v):
    """v before the jaw dropped, and how much of the pixel is the open mouth."""
    cavity = 0.0
    if mouth > 0.0 and mouth_v < v < mouth_v + 1.2 and abs(u) < 1.0:
        reach = 1.0 - u * u
        lips = max(1.0 - (u / 0.36) ** 2, 0.0)
        gap = mouth * lips
        below = v - mouth_v
        if below < gap:
            cavity = min((gap - below) * 25.0, 1.0) * min(below * 60.0, 1.0)
        # the texture under the mouth is pulled down, less and less towards the neck
        v -= min(below, mouth * reach * (0.35 + 0.65 * lips)) * (1.0 - below / 1.2)
    return v, cavity


@numba.njit(cache=True, fastmath=True, inline="always")
def _move_eyes(texture, row, column, u, eyelid, gaze, lid_colour, layout, texel):
    """Inside an eye: shift what lies there by the gaze, not at the corners, and lower the lid over it."""
    lid = texel[LID]
    if gaze != 0.0 and lid < 0.5 * (1.0 + LID_OUTSIDE):
        across = (abs(u) - layout[4]) / layout[5]
        shift = gaze * max(1.0 - across * across, 0.0) * layout[0]
        _lookup(texture, row, column - shift, ALBEDO, ALBEDO + 3, texel)
    if eyelid > 0.0:
        cover = _clip((1.2 * eyelid - lid) * 6.0, 0.0, 1.0)
        for c in range(3):
            texel[c] += cover * (lid_colour[c] - texel[c])


@numba.njit(cache=True, fastmath=True, inline="always")
def _absorb(texel, absorption, colour):
    """Take out what the blood takes, at the delay with which the pulse reaches this skin."""
    place = texel[DELAY] * (DELAY_STEPS - 1)
    k = min(int(place), DELAY_STEPS - 2)
    part = place - k
    for c in range(3):
        loss = absorption[k, c] + part * (absorption[k + 1, c] - absorption[k, c])
        colour[c] *= 1.0 - texel[STRENGTH] * loss


@numba.njit(cache=True, fastmath=True, inline="always")
def _put_before(background, x, y, shift, spread, light, alpha, back, colour):
    """Blend the head's colour over that of the background behind it."""
    row = 0.05 * background.shape[0] + y * spread + shift[1]
    column = 0.05 * background.shape[1] + x * spread + shift[0]
    _lookup(background, row, column, 0, 3, back)
    for c in range(3):
        back[c] *= light[c]
        colour[c] = back[c] if alpha <= CLEAR else alpha * colour[c] + (1.0 - alpha) * back[c]


@numba.njit(cache=True, fastmath=True, inline="always")
def _outside_shadow(x, y, shadow, frame_width):
    """Share of the light that a passing shadow leaves."""
    if shadow[4] <= 0.0:
        return 1.0
    distance = abs((x * shadow[0] + y * shadow[1]) / frame_width - shadow[2]) / shadow[3]
    return 1.0 - shadow[4] * _clip(1.5 - distance, 0.0, 1.0)


@numba.njit(cache=True, fastmath=True)
def render(texture, depth, layout, lid_colour, background, instant, window, frame_width, out):
    """Linear light of one instant in a window of the frame.

    Args:
        texture: (R, S, CHANNELS) float32, depth: (R, S) float32, of the head.
        layout: (6,) as `Head.layout`.
        lid_colour: (3,) linear albedo of the closed eyelid.
        background: (Y, X, 3) float32 linear albedo; the frame is spread over its middle nine tenths.
        instant: an Instant.
        window: (4,) left, top and the size in frame pixels of one output pixel across and down.
        frame_width: of the whole frame, in pixels.
        out: (H, W, 3) float32, written.
    """
    yaw, pitch, roll = instant.pose[3], instant.pose[4], instant.pose[5]
    turn = (np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch), np.sin(roll), np.cos(roll))
    lights = _in_head_axes(instant.lights, yaw, pitch)
    texel, colour, back = np.empty(CHANNELS, np.float32), np.empty(3), np.empty(3, np.float32)
    light = instant.ambient + 0.6 * (instant.lights[0, 3:6] + instant.lights[1, 3:6])
    spread = 0.9 * background.shape[1] / frame_width
    for i in range(out.shape[0]):
        y = window[1] + (i + 0.5) * window[3]
        for j in range(out.shape[1]):
            x = window[0] + (j + 0.5) * window[2]
            u, v = _point_behind(x, y, instant.pose, turn, depth, layout)
            u, v = _before_expression(u, v, instant.smile, instant.brow, layout[3])
            v, cavity = _before_speech(u, v, instant.mouth, layout[3])
            row, column = layout[1] + v * layout[0], layout[2] + u * layout[0]
            _lookup(texture, row, column, ALPHA, ALPHA + 1, texel)
            alpha = texel[ALPHA]
            if alpha > CLEAR:
                _lookup(texture, row, column, 0, CHANNELS, texel)
                _move_eyes(texture, row, column, u, instant.eyelid, instant.gaze, lid_colour, layout, texel)
                _shade(texel, lights, instant.ambient, colour)
                _absorb(texel, instant.absorption, colour)
                for c in range(3):
                    colour[c] *= 1.0 + texel[SPOT] * instant.spot[c]
                    colour[c] += cavity * (CAVITY[c] * light[c] - colour[c])
            if alpha < SOLID:
                _put_before(background, x, y, instant.backdrop, spread, light, alpha, back, colour)
            dim = _outside_shadow(x, y, instant.shadow, frame_width)
            for c in range(3):
                out[i, j, c] = colour[c] * dim
