"""Heads drawn from nothing but numbers: another person for every seed."""

from __future__ import annotations

import numpy as np

from rppg_graph.synthetic.head import (
    CHIN_V,
    EYE_U,
    EYE_V,
    MOUTH_V,
    UNIT,
    Head,
    assemble,
    blob,
    ellipse,
    face_plane,
    head_depth,
    inside,
    lid_map,
    texture_noise,
)
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.skin import individual_albedo

HAIR_COLOURS = np.array([[0.012, 0.010, 0.009], [0.03, 0.018, 0.011], [0.07, 0.04, 0.02], [0.20, 0.13, 0.06],
                         [0.38, 0.29, 0.16], [0.16, 0.05, 0.02], [0.30, 0.30, 0.30]])  # fmt: skip
IRIS_COLOURS = np.array([[0.03, 0.015, 0.008], [0.06, 0.035, 0.015], [0.06, 0.08, 0.03], [0.06, 0.10, 0.15]])
SHIRT_SATURATION = 0.25


class _Canvas:
    """Linear albedo painted layer by layer, with the share of bare skin that remains."""

    def __init__(self, skin: np.ndarray):
        self.u, self.v = face_plane()
        self.albedo = np.ones((*self.u.shape, 3)) * skin
        self.alpha = np.zeros(self.u.shape)
        self.skin = np.zeros(self.u.shape)

    def add_skin(self, mask: np.ndarray) -> None:
        self.alpha, self.skin = np.maximum(self.alpha, mask), np.maximum(self.skin, mask)

    def shade(self, factor: np.ndarray | float) -> None:
        self.albedo *= np.asarray(factor)[..., None] if np.ndim(factor) == 2 else factor

    def tint(self, mask: np.ndarray, factor: tuple[float, float, float]) -> None:
        self.albedo *= 1 + mask[..., None] * (np.array(factor) - 1)

    def cover(self, mask: np.ndarray, colour: np.ndarray, *, grows: bool = False) -> None:
        """Paint something that is not skin; with grows it also reaches beyond the head's outline."""
        # beyond the outline there is nothing to blend with: the soft edge is that of alpha alone
        share = np.maximum(mask, (mask > 0) * (1 - self.alpha)) if grows else mask
        self.albedo += share[..., None] * (colour - self.albedo)
        self.skin = self.skin * (1 - mask)
        if grows:
            self.alpha = np.maximum(self.alpha, mask)


def procedural_head(parameters: Parameters, rng: np.random.Generator) -> Head:
    """Draw a head: outline, skin, features, hair, beard, glasses, mask and clothes.

    What the parameters do not say (proportions, hair style, colours) comes from rng.
    """
    skin = individual_albedo(parameters.skin_tone, rng)
    canvas = _Canvas(skin)
    jaw = rng.uniform(0.62, 0.82)
    _paint_skin(canvas, parameters, jaw, rng)
    _paint_features(canvas, parameters.skin_tone, rng)
    hair = HAIR_COLOURS[rng.integers(3 if parameters.skin_tone > 6 else 6)]
    if parameters.age > 50:
        hair = hair + (HAIR_COLOURS[6] - hair) * min((parameters.age - 50) / 25, 1)
    _paint_brows_and_beard(canvas, hair, parameters.beard, jaw, rng)
    _paint_clothes(canvas, rng)
    _paint_hair(canvas, hair, rng)
    if parameters.mask:
        _paint_mask(canvas, rng)
    if parameters.glasses:
        _paint_glasses(canvas, rng)
    return assemble(
        canvas.albedo,
        canvas.alpha,
        canvas.skin * (1 - parameters.makeup),
        depth=head_depth(canvas.u, canvas.v, rng.uniform(0.14, 0.24)),
        relief=0.85,
        lid=lid_map(canvas.u, canvas.v),
        gloss=parameters.gloss,
        lid_colour=skin * 0.8,
        strength_variation=parameters.strength_variation,
        rng=rng,
    )


def _outline(u: np.ndarray, v: np.ndarray, jaw: float) -> np.ndarray:
    """Signed distance from the face and skull: an ellipse above, tapering to the chin below."""
    half = np.where(v < 0.1, 1.0, 1.0 - (1.0 - jaw) * np.clip((v - 0.1) / 0.8, 0, 1) ** 1.5)
    height = np.where(v < 0.1, 1.62, CHIN_V - 0.1)
    power = np.where(v < 0.1, 2.0, 2.6)
    return ((np.abs(u) / half) ** power + (np.abs(v - 0.1) / height) ** power) ** (1 / power) - 1.0


def _paint_skin(canvas: _Canvas, parameters: Parameters, jaw: float, rng: np.random.Generator) -> None:
    u, v = canvas.u, canvas.v
    face = inside(_outline(u, v, jaw), 0.04)
    ears = np.maximum(inside(ellipse(u, v, (-1.02, 0.0), (0.13, 0.3))), inside(ellipse(u, v, (1.02, 0.0), (0.13, 0.3))))
    neck = inside(np.maximum(np.abs(u) - 0.60 - 0.35 * np.clip(v - 1.7, 0, None), 0.4 - v), 0.05)
    canvas.add_skin(np.maximum(neck, ears))
    canvas.shade(1 - 0.45 * neck * (1 - face) * np.clip(1.9 - v, 0.2, 1) - 0.15 * ears * (1 - face))
    canvas.add_skin(face)
    canvas.shade(1 + 0.05 * texture_noise(u.shape, UNIT / 4, rng) + 0.025 * texture_noise(u.shape, 1.5, rng))
    canvas.tint(0.6 * (blob(u, v, (-0.55, 0.25), (0.25, 0.2)) + blob(u, v, (0.55, 0.25), (0.25, 0.2))), (1, 0.88, 0.9))
    freckles = np.clip(texture_noise(u.shape, 2.5, rng) - rng.uniform(1.6, 4.0), 0, 1)
    canvas.tint(freckles, (0.75, 0.6, 0.55))
    wrinkles = max(parameters.age - 35, 0) / 60
    for line in (-1.02, -0.90, -0.78):
        canvas.shade(1 - 0.3 * wrinkles * np.exp(-(((v - line - 0.03 * u**2) / 0.015) ** 2)) * (np.abs(u) < 0.55))
    for side in (-1, 1):
        fold = np.abs(side * u - 0.2 - 0.42 * (v - 0.25)) / 0.03
        canvas.shade(1 - (0.08 + 0.25 * wrinkles) * np.exp(-(fold**2)) * ((v > 0.25) & (v < 0.65)))


def _paint_features(canvas: _Canvas, tone: float, rng: np.random.Generator) -> None:
    u, v = canvas.u, canvas.v
    socket = 1 + 0.05 * tone  # melanin deepens the shade around the eyes
    iris_colour = IRIS_COLOURS[rng.integers(2 if tone > 6 else 4)]
    gaze, openness = rng.uniform(-0.02, 0.02), rng.uniform(0.08, 0.105)
    for side in (-EYE_U, EYE_U):
        canvas.shade(
            1
            - 0.32 * socket * blob(u, v, (side, EYE_V - 0.06), (0.24, 0.14))
            - 0.2 * blob(u, v, (side * 0.5, -0.3), (0.08, 0.1))
        )
        rim = 1 - ((u - side) / 0.23) ** 2
        lens = np.maximum(np.abs(v - EYE_V) - openness * np.maximum(rim, 0), -rim)
        canvas.cover(inside(lens, 0.03), np.array([0.40, 0.37, 0.35]) * np.clip(1.15 - 0.07 * tone, 0.4, 1))
        canvas.cover(inside(lens, 0.03) * inside(ellipse(u, v, (side + gaze, EYE_V), (0.1, 0.1))), iris_colour)
        canvas.cover(inside(lens, 0.03) * inside(ellipse(u, v, (side + gaze, EYE_V), (0.045, 0.045))), np.zeros(3))
        canvas.cover(inside(ellipse(u, v, (side + gaze + 0.03, EYE_V - 0.03), (0.018, 0.018)), 0.02), np.ones(3) * 0.9)
        upper = np.abs(v - EYE_V + openness * np.maximum(rim, 0)) - 0.018
        canvas.cover(0.9 * inside(np.maximum(upper, -rim), 0.03), np.array([0.012, 0.008, 0.007]))
        crease = np.abs(v - EYE_V + openness * np.maximum(rim, 0) + 0.07)
        canvas.shade(1 - 0.3 * inside(np.maximum(crease - 0.01, -rim), 0.03))
    width = rng.uniform(0.15, 0.24)
    for side in (-1, 1):
        canvas.shade(1 - 0.8 * blob(u, v, (side * width * 0.45, 0.29), (0.05, 0.025)))  # nostrils
        canvas.shade(1 - 0.3 * blob(u, v, (side * (width + 0.02), 0.22), (0.02, 0.07)))
        canvas.shade(1 - 0.10 * blob(u, v, (side * 0.13, -0.05), (0.04, 0.2)))
    canvas.shade(1 - 0.25 * blob(u, v, (0, 0.34), (0.16, 0.035)) - 0.2 * blob(u, v, (0, MOUTH_V + 0.2), (0.18, 0.04)))
    _paint_lips(canvas, rng)


def _paint_lips(canvas: _Canvas, rng: np.random.Generator) -> None:
    u, v = canvas.u, canvas.v
    width, red = rng.uniform(0.32, 0.42), rng.uniform(0.5, 0.75)
    arch = np.clip(1 - (u / width) ** 2, 0, 1)
    upper = inside(
        np.maximum(MOUTH_V - 0.085 * np.sqrt(arch) * (1 - 0.3 * np.exp(-((u / 0.05) ** 2))) - v, v - MOUTH_V), 0.03
    )
    lower = inside(np.maximum(MOUTH_V - v, v - MOUTH_V - 0.12 * np.sqrt(arch)), 0.03)
    lips = np.maximum(upper, lower) * (arch > 0)
    canvas.tint(lips, (0.85, red, red + 0.05))
    canvas.shade(1 - 0.65 * inside(np.abs(v - MOUTH_V) - 0.012, 0.03) * (arch > 0))
    canvas.skin *= 1 - 0.6 * lips


def _paint_brows_and_beard(
    canvas: _Canvas, hair: np.ndarray, beard: float, jaw: float, rng: np.random.Generator
) -> None:
    u, v = canvas.u, canvas.v
    thickness, height, arch = rng.uniform(0.035, 0.07), rng.uniform(-0.70, -0.62), rng.uniform(0.05, 0.12)
    strands = 0.9 + 0.1 * texture_noise(u.shape, 2.0, rng)
    for side in (-EYE_U, EYE_U):
        along = (u - side) / 0.30
        brow = np.maximum(
            np.abs(v - height - arch * along**2) - thickness * (1 - 0.4 * along * np.sign(side)),
            np.abs(along) * 0.3 - 0.3,
        )
        canvas.cover(np.clip(0.85 * inside(brow, 0.04) * strands, 0, 1), hair)
    if beard > 0:
        edge = (
            0.35
            + 0.55 * (np.abs(u) < 0.62) * np.clip(1 - (np.abs(u) / 0.62) ** 3, 0, 1) ** 0.4
            - 0.45 * np.exp(-((u / 0.4) ** 6))
        )
        growth = inside(edge - v, 0.25) * inside(_outline(u, v, jaw) - 0.03, 0.05)
        growth *= 1 - inside(ellipse(u, v, (0, MOUTH_V + 0.02), (0.36, 0.12)), 0.06)
        canvas.cover(np.clip(beard * growth * (0.9 + 0.08 * texture_noise(u.shape, 2.0, rng)), 0, 1), hair)


def _paint_clothes(canvas: _Canvas, rng: np.random.Generator) -> None:
    u, v = canvas.u, canvas.v
    grey = rng.uniform(0.02, 0.6)
    shirt = np.clip(grey * (1 + SHIRT_SATURATION * rng.standard_normal(3)), 0.01, 0.8)
    slope = 1.75 + 0.32 * np.clip(np.abs(u) - 0.5, 0, None) + 2.0 * np.clip(np.abs(u) - 1.95, 0, None)
    collar = np.maximum(slope, 1.62 + rng.uniform(0.0, 0.5) * np.clip(1 - (u / 0.7) ** 2, 0, 1))
    cloth = inside(collar - v, 0.05)
    pattern = (
        1 + 0.08 * texture_noise(u.shape, UNIT / 2, rng) + rng.uniform(0, 0.2) * np.sign(np.sin(u * rng.uniform(4, 30)))
    )
    canvas.cover(cloth, shirt * np.clip(pattern, 0.3, 1.7)[..., None], grows=True)


def _paint_hair(canvas: _Canvas, hair: np.ndarray, rng: np.random.Generator) -> None:
    """A cap over the skull, a hairline, and for some length at the sides."""
    u, v = canvas.u, canvas.v
    style = rng.integers(4)  # bald, short, medium, long
    strands = 1 + 0.10 * texture_noise(u.shape, 2.5, rng) + 0.12 * texture_noise((1, u.shape[1]), 2.5, rng)
    strands = strands + 0.12 * texture_noise(u.shape, UNIT / 3, rng) + 0.35 * blob(u, v, (0.2, -1.3), (0.5, 0.2))
    colour = hair * np.clip(strands, 0.3, 2.0)[..., None]
    if style == 0:
        return
    volume, length = (0.04, 0.16, 0.26)[style - 1], (-0.25, 0.3, 1.9)[style - 1]
    hairline = rng.uniform(-1.18, -1.0) + rng.uniform(0.1, 0.4) * np.abs(u) ** 4 + 0.08 * rng.standard_normal() * u
    half = np.where(v < -0.25, 1.02 + volume, 1.02 + volume + 0.06 * np.clip(v + 0.25, 0, 2))
    outline = (np.hypot(u / half, np.minimum(v + 0.25, 0) / (1.40 + volume)) - 1) * half
    wave = 0.06 * np.sin(3 * v + rng.uniform(0, 6))
    opening = np.maximum(hairline - v, np.abs(u) - 0.90 + wave + (0.12 if style == 3 else 0.0) * np.clip(v + 0.8, 0, 1))
    canvas.cover(inside(np.maximum.reduce([outline, -opening, v - length]), 0.07), colour, grows=True)


def _paint_mask(canvas: _Canvas, rng: np.random.Generator) -> None:
    u, v = canvas.u, canvas.v
    cloth = inside(
        np.maximum.reduce([np.abs(u) - 0.88 + 0.25 * np.clip(v - 0.5, 0, 1), 0.1 + 0.25 * u**2 - v, v - 1.25]), 0.04
    )
    colour = np.array([[0.55, 0.68, 0.75], [0.02, 0.02, 0.02], [0.8, 0.8, 0.8]])[rng.integers(3)]
    canvas.cover(cloth, colour * (1 - 0.08 * np.sin(v * 30))[..., None])


def _paint_glasses(canvas: _Canvas, rng: np.random.Generator) -> None:
    u, v = canvas.u, canvas.v
    thick, wide, high = rng.uniform(0.02, 0.045), rng.uniform(0.30, 0.36), rng.uniform(0.2, 0.28)
    colour = np.array([[0.01, 0.01, 0.01], [0.08, 0.04, 0.02], [0.25, 0.22, 0.18]])[rng.integers(3)]
    frame = np.zeros(u.shape)
    for side in (-EYE_U, EYE_U):
        shape = ((np.abs(u - side) / wide) ** 3 + (np.abs(v - EYE_V - 0.03) / high) ** 3) ** (1 / 3) - 1
        frame = np.maximum(frame, inside(np.abs(shape) * wide - thick, 0.03))
        canvas.skin *= 1 - 0.15 * inside(shape * wide, 0.03)  # a lens reflects a little
    bridge = inside(np.maximum(np.abs(v - EYE_V + 0.02) - thick, np.abs(u) - (EYE_U - wide)), 0.03)
    arms = inside(np.maximum(np.abs(v - EYE_V - 0.0) - thick, np.abs(np.abs(u) - 0.93) - 0.12), 0.03)
    canvas.cover(np.maximum.reduce([frame, bridge, arms]), colour)
