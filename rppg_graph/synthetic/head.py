"""The head as the renderer sees it: a texture over the face plane with depth, skin map and delay map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rppg_graph.synthetic.render import (
    ALBEDO,
    ALPHA,
    CHANNELS,
    DELAY,
    GLOSS,
    LID,
    LID_OUTSIDE,
    NORMAL_X,
    NORMAL_Y,
    SPOT,
    STRENGTH,
)

UNIT = 56  # texture pixels per half face width
LEFT, TOP, RIGHT, BOTTOM = -2.4, -2.6, 2.4, 3.2  # of the texture, in half face widths from the face's centre
EYE_U, EYE_V, MOUTH_V, CHIN_V = 0.48, -0.38, 0.60, 1.28  # the canonical face
EYE_HALF_WIDTH = 0.23
FACE_BOX = (-0.98, -0.62, 1.96, 1.92)  # u, v, width, height: ear to ear and brow to chin, as data.face has it


@dataclass(frozen=True)
class Head:
    """A head for `render.render`."""

    texture: np.ndarray  # (R, S, CHANNELS) float32
    depth: np.ndarray  # (R, S) float32, half face widths towards the camera
    lid_colour: np.ndarray  # (3,) linear albedo of closed eyelids

    @property
    def layout(self) -> np.ndarray:
        """(6,): rows per unit, row and column of the face's centre, v of the mouth, u and half width of the eyes."""
        return np.array([UNIT, -TOP * UNIT - 0.5, -LEFT * UNIT - 0.5, MOUTH_V, EYE_U, EYE_HALF_WIDTH])

    def face_albedo(self) -> float:
        """Mean linear green of the skin, by which the camera exposes."""
        skin = self.texture[..., STRENGTH] > 0.2
        return float(self.texture[skin, ALBEDO + 1].mean()) if skin.any() else 0.2


def face_plane() -> tuple[np.ndarray, np.ndarray]:
    """u and v of every texture pixel: two (R, S) arrays."""
    u = LEFT + (np.arange(round((RIGHT - LEFT) * UNIT)) + 0.5) / UNIT
    v = TOP + (np.arange(round((BOTTOM - TOP) * UNIT)) + 0.5) / UNIT
    return np.meshgrid(u, v)


def blob(u: np.ndarray, v: np.ndarray, centre: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """A two-dimensional bell curve of height 1."""
    return np.exp(-0.5 * (((u - centre[0]) / size[0]) ** 2 + ((v - centre[1]) / size[1]) ** 2))


def inside(distance: np.ndarray, softness: float = 0.03) -> np.ndarray:
    """1 where distance < 0, 0 where > 0, with a soft edge."""
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


def ellipse(u: np.ndarray, v: np.ndarray, centre: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """Signed distance, roughly, from an ellipse with the given half axes; negative inside."""
    return (np.hypot((u - centre[0]) / size[0], (v - centre[1]) / size[1]) - 1.0) * min(size)


def texture_noise(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of zero mean and unit deviation; grain in texture pixels."""
    small = rng.standard_normal((int(shape[0] / grain) + 4, int(shape[1] / grain) + 4)).astype(np.float32)
    field = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / max(field.std(), 1e-6)


def head_depth(u: np.ndarray, v: np.ndarray, nose: float) -> np.ndarray:
    """Height field of a head: a skull, a nose, brows, lips and a chin; shoulders lie at 0."""
    skull = np.clip(1.0 - (u / 1.2) ** 2 - ((v + 0.12) / 1.75) ** 2, 0.0, None)
    features = (
        nose * (blob(u, v, (0, 0.18), (0.15, 0.17)) + 0.5 * blob(u, v, (0, -0.1), (0.10, 0.22)))
        + 0.07 * (blob(u, v, (-0.42, -0.58), (0.28, 0.1)) + blob(u, v, (0.42, -0.58), (0.28, 0.1)))
        - 0.08 * (blob(u, v, (-EYE_U, EYE_V), (0.2, 0.11)) + blob(u, v, (EYE_U, EYE_V), (0.2, 0.11)))
        + 0.06 * blob(u, v, (0, MOUTH_V), (0.25, 0.12))
        + 0.07 * blob(u, v, (0, 1.08), (0.22, 0.12))
    )
    return (skull + features * inside(skull * -1 + 0.1, 0.2)).astype(np.float32)


def lid_map(u: np.ndarray, v: np.ndarray, half_width: float = EYE_HALF_WIDTH, half_height: float = 0.105) -> np.ndarray:
    """0 at the upper lid to 1 at the lower lid inside both eyes, LID_OUTSIDE elsewhere."""
    lid = np.full(u.shape, 2.0)
    for side in (-EYE_U, EYE_U):
        along = np.clip(1 - ((u - side) / half_width) ** 2, 0, 1)
        place = (v - EYE_V + half_height * along) / np.maximum(2 * half_height * along, 1e-6)
        lid = np.where((along > 0) & (place >= 0) & (place <= 1), place, lid)
    return lid


def pulse_strength_map(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Where a face pulses, before hair, eyes and clothes are taken out: forehead and cheeks strong, neck weak.

    The pattern of published amplitude maps of the face (e.g. Kumar et al., DistancePPG, Biomed. Opt. Express 2015).
    """
    strength = 0.55 + 0.45 * blob(u, v, (0, -0.85), (0.6, 0.3))
    strength += 0.45 * (blob(u, v, (-0.52, 0.2), (0.26, 0.28)) + blob(u, v, (0.52, 0.2), (0.26, 0.28)))
    return np.where(v > 1.2, 0.35 * strength, strength).clip(0, 1)


def pulse_delay_map(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """When the pulse arrives, 0 (first) to 1 (last): it rises from the neck and spreads outwards, unevenly."""
    rise = np.clip((1.4 - v) / 2.8, 0, 1) + 0.25 * np.abs(u)
    delay = rise + 0.2 * texture_noise(u.shape, UNIT * 0.8, rng)
    face = (np.abs(u) < 0.9) & (np.abs(v) < 1.3)
    low, high = delay[face].min(), delay[face].max()
    return np.clip((delay - low) / (high - low), 0, 1)


def assemble(
    albedo: np.ndarray, alpha: np.ndarray, skin: np.ndarray, *, depth: np.ndarray, relief: float, lid: np.ndarray,
    gloss: float, lid_colour: np.ndarray, strength_variation: float, rng: np.random.Generator,
) -> Head:  # fmt: skip
    """Put the maps of a head together.

    Args:
        albedo: (R, S, 3) linear; alpha, skin (share of bare skin, 0..1), depth, lid: (R, S).
        relief: how much of the depth's slope the light sees (a photograph has its own shading already).
        strength_variation: deviation of a random field that multiplies the anatomical pulse strength.
    """
    u, v = face_plane()
    strength = pulse_strength_map(u, v) * np.exp(strength_variation * texture_noise(u.shape, UNIT * 0.35, rng))
    strength = np.where(lid < 1.5, 0.0, strength * skin)
    row_slope, column_slope = np.gradient(cv2.GaussianBlur(depth, (0, 0), 1.5) * UNIT)
    normal = np.stack([-relief * column_slope, -relief * row_slope, np.ones_like(depth)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    texture = np.zeros((*u.shape, CHANNELS), np.float32)
    texture[..., ALBEDO : ALBEDO + 3] = np.clip(albedo, 0.0, 1.0)
    texture[..., ALPHA] = alpha
    texture[..., STRENGTH] = strength
    texture[..., DELAY] = pulse_delay_map(u, v, rng)
    texture[..., NORMAL_X], texture[..., NORMAL_Y] = normal[..., 0], normal[..., 1]
    texture[..., LID] = lid
    texture[..., GLOSS] = gloss * skin
    return Head(texture, depth.astype(np.float32), np.asarray(lid_colour, np.float64))


CARD = (1.9, -2.1, 2.6)  # half width, top and bottom of a picture's card, half face widths
PRINT_LIGHT = np.array([0.35, -0.5, 0.79])  # towards the lamp under which a picture was taken


def printed(head: Head, rng: np.random.Generator) -> Head:
    """A picture of the head on a flat card: shaded once for all, without depth, lids and pulse."""
    u, v = face_plane()
    texture = np.zeros_like(head.texture)
    normal = np.stack([*(head.texture[..., k] for k in (NORMAL_X, NORMAL_Y))], axis=-1)
    upright = np.sqrt(np.clip(1 - np.square(normal).sum(axis=-1), 0.05, 1))
    shade = 0.45 + 0.7 * np.clip(normal @ PRINT_LIGHT[:2] + upright * PRINT_LIGHT[2], 0, None)
    alpha, paper = head.texture[..., ALPHA, None], rng.uniform(0.1, 0.7) * (1 + 0.1 * rng.standard_normal(3))
    picture = alpha * shade[..., None] * head.texture[..., ALBEDO : ALBEDO + 3] + (1 - alpha) * paper
    texture[..., ALBEDO : ALBEDO + 3] = np.clip(picture, 0, 1)
    texture[..., ALPHA] = inside(np.maximum(np.abs(u) - CARD[0], np.maximum(CARD[1] - v, v - CARD[2])))
    texture[..., LID] = LID_OUTSIDE
    return replace(head, texture=texture, depth=np.zeros_like(head.depth))


def hand_over_cheek(head: Head, rng: np.random.Generator) -> Head:
    """The head with a hand on one cheek and the jaw below it: skin of its own, with the pulse of the back of a hand."""
    u, v = face_plane()
    side = rng.choice([-1, 1])
    lean = side * u + 0.25 * (v - 0.5)
    hand = inside(np.maximum(ellipse(lean, v, (0.78, 0.95), (0.46, 1.25)), 0.28 - lean), 0.05)
    gaps = sum(np.exp(-(((lean - at) / 0.02) ** 2)) * (v < 0.75) for at in (0.5, 0.72, 0.94))
    texture = head.texture.copy()
    skin = head.lid_colour * rng.uniform(1.0, 1.3) * (1 - 0.45 * gaps[..., None])  # lids are a little darker than skin
    texture[..., ALBEDO : ALBEDO + 3] += hand[..., None] * (skin - texture[..., ALBEDO : ALBEDO + 3])
    texture[..., STRENGTH] += hand * (0.2 - texture[..., STRENGTH])
    for channel, value in ((ALPHA, 1.0), (DELAY, 1.0), (NORMAL_X, 0.0), (NORMAL_Y, 0.0)):
        texture[..., channel] += hand * (value - texture[..., channel])
    texture[..., LID] = np.where(hand > 0.5, LID_OUTSIDE, texture[..., LID])
    return replace(head, texture=texture)


def lit_in_part(head: Head, part: str) -> Head:
    """The head with a map of where a lamp of its own shines: on all of it, or on the left or right half."""
    u, _ = face_plane()
    texture = head.texture.copy()
    texture[..., SPOT] = {"head": np.ones_like(u), "left": inside(u, 0.2), "right": inside(-u, 0.2)}[part]
    return replace(head, texture=texture)
