"""The mean colour of the skin in a face crop: what the classical methods work on."""

from __future__ import annotations

import cv2
import numpy as np

SKIN_CROP = 128  # pixels of the crops whose skin is looked for: it is told from hair and beard more finely than at 64

# Middle of the crop (rows, columns) that cheeks, nose and lips fill; its median is taken for the skin's colour.
CENTRE = (slice(3, 8), slice(3, 7))  # tenths of the side
CHROMA_TOLERANCE = 14.0
LEAST_BRIGHTNESS = 0.75  # of the skin's: darker are hair, brows, nostrils, background
MOST_BRIGHTNESS = 2.0  # likewise: a white wall has the chroma of dark skin
MOST_LUMA = 250.0  # above, the sensor is saturated and the pulse is clipped
LEAST_SKIN_SHARE = 0.1

DARKEST, BRIGHTEST = 2.0, 252.0  # mean of a channel over a crop, beyond which it holds no pulse
LEAST_CHROMA = 1.0  # mean difference of the channels; codecs leave less of it in a grey picture


def colour_fault(crop: np.ndarray) -> str | None:
    """Why a crop (S, S, 3) uint8 RGB has no colour to read a pulse from: "black" (also one channel alone, as in the
    green of a lost packet), "white" (saturated) or "grey"; None where it has one."""
    means = cv2.mean(crop)[:3]
    if min(means) < DARKEST:
        return "black"
    if max(means) > BRIGHTEST:
        return "white"
    red, green, blue = cv2.split(crop)
    chroma = max(cv2.mean(cv2.absdiff(red, green))[0], cv2.mean(cv2.absdiff(green, blue))[0])
    return "grey" if chroma < LEAST_CHROMA else None


def mean_rgb(crop: np.ndarray, skin: bool = True) -> np.ndarray:
    """Mean (3,) float64 colour of a crop's skin pixels, or of all pixels; crop (S, S, 3) uint8 RGB.

    Skin is what has the chroma (Cb and Cr of BT.601, within ±14) of the middle of the crop and 75 to 200 % of its
    brightness, so that the rule is the same for every tone of skin and colour of light. Where under a tenth of the
    crop is skin by this rule, the mean is over all pixels.
    """
    return np.array(cv2.mean(crop, skin_or_all(crop) if skin else None)[:3])


def skin_or_all(crop: np.ndarray) -> np.ndarray:
    """`skin_mask`, or a mask of all pixels where under a tenth of the crop is skin."""
    mask = skin_mask(crop)
    return mask if np.count_nonzero(mask) >= LEAST_SKIN_SHARE * mask.size else np.full_like(mask, 255)


def skin_mask(crop: np.ndarray) -> np.ndarray:
    """Skin pixels of a crop (S, S, 3) uint8 RGB as (S, S) uint8, 255 or 0; see `mean_rgb`."""
    luma_chroma = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb)
    rows, columns = (slice(crop.shape[0] * part.start // 10, crop.shape[0] * part.stop // 10) for part in CENTRE)
    luma, cr, cb = np.median(luma_chroma[rows, columns].reshape(-1, 3), axis=0)
    lowest = (LEAST_BRIGHTNESS * luma, cr - CHROMA_TOLERANCE, cb - CHROMA_TOLERANCE)
    highest = (min(MOST_BRIGHTNESS * luma, MOST_LUMA), cr + CHROMA_TOLERANCE, cb + CHROMA_TOLERANCE)
    return cv2.inRange(luma_chroma, lowest, highest)
