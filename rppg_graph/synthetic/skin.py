"""Skin tones of the Monk scale, and how strongly and in which colour a pulse shows through them."""

from __future__ import annotations

import numpy as np

# The ten tones of the Monk skin tone scale (skintone.google), sRGB. Fitzpatrick I-VI are about
# 1-2, 3-4, 5, 6, 7-8, 9-10.
MONK_TONES = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")

# Relative change of R, G, B with blood volume (de Haan and van Leest, Physiol. Meas. 2014, the signature p_bv).
BLOOD_COLOUR = np.array([0.33, 0.77, 0.53])


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in 0..1."""
    srgb = np.asarray(srgb, dtype=np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def skin_albedo(tone: float) -> np.ndarray:
    """Linear albedo (3,) of a Monk tone 1..10; tones in between are blended.

    The scale's colours are those of a swatch in even light; a camera sees skin redder, as blood adds to it.
    """
    swatches = np.array([[int(code[k : k + 2], 16) for k in (0, 2, 4)] for code in MONK_TONES]) / 255
    linear = to_linear(swatches)
    albedo = np.array([np.interp(tone, np.arange(1, 11), linear[:, c]) for c in range(3)])
    return np.clip(albedo * (0.93, 0.77, 0.72) + (0.014, 0.004, 0.001), 0, 1)


def individual_albedo(tone: float, rng: np.random.Generator) -> np.ndarray:
    """Albedo (3,) of one person of a tone: lighter or darker, ruddier or more yellow."""
    lightness, ruddy, yellow = rng.standard_normal(3)
    return skin_albedo(tone) * (1 + 0.05 * lightness) * (1 + 0.03 * ruddy, 1 - 0.02 * ruddy, 1 - 0.05 * yellow)


def pulse_visibility(tone: float) -> float:
    """Pulse strength relative to the lightest skin: melanin absorbs before the light reaches the blood."""
    return float(np.interp(tone, [1, 5, 10], [1.0, 0.8, 0.38]))


def pulse_colour(tone: float, jitter: np.ndarray) -> np.ndarray:
    """The blood signature (3,), of unit length, scaled by 1 + jitter; melanin takes most from blue, least from red."""
    melanin = (tone - 1) / 9
    colour = BLOOD_COLOUR * (1.0 + 0.10 * melanin, 1.0, 1.0 - 0.10 * melanin) * (1 + jitter)
    return colour / np.linalg.norm(colour)
