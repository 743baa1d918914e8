"""Heads from photographs: a portrait laid onto the face plane, cut out, and given another skin tone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from rppg_graph.data.face_detectors import FACE_DETECTORS
from rppg_graph.errors import InputError
from rppg_graph.synthetic.head import (
    EYE_U,
    EYE_V,
    FACE_BOX,
    LEFT,
    MOUTH_V,
    TOP,
    UNIT,
    Head,
    assemble,
    blob,
    ellipse,
    face_plane,
    head_depth,
    inside,
    lid_map,
)
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.skin import individual_albedo, to_linear

LEAST_FACE_PIXELS = 48
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
# Centres of the eyes and of the mouth in skimage.data.astronaut(), pixels.
ASTRONAUT_LANDMARKS = ((202.5, 102.0), (246.0, 103.0), (224.5, 145.0))


def photo_head(parameters: Parameters, rng: np.random.Generator) -> Head:
    """A head from the portrait that parameters.head names, in the tone that they ask for, sometimes mirrored.

    Raises:
        InputError: the portrait cannot be read or has no face.
    """
    srgb, alpha, skin = (layer.copy() for layer in _cut_out(parameters.head))
    u, v = face_plane()
    if rng.random() < 0.5:
        srgb, alpha, skin = srgb[:, ::-1], alpha[:, ::-1], skin[:, ::-1]
    albedo = to_linear(srgb)
    bare = skin > 0.8
    own = np.median(albedo[bare], axis=0)
    target = individual_albedo(parameters.skin_tone, rng)
    # shading and detail stay, somewhat flatter; the colour becomes that of the tone
    relative = np.clip(albedo / own, 0.02, 3.0)
    shade = relative.mean(axis=-1, keepdims=True)
    toned = target * (0.75 * shade + 0.25 * relative) ** 0.8
    albedo += skin[..., None] * (toned - albedo)
    sockets = np.maximum(*(blob(u, v, (side, EYE_V), (0.26, 0.13)) for side in (-EYE_U, EYE_U)))
    albedo *= 1 - np.interp(parameters.skin_tone, [4, 8], [0, 0.5]) * sockets[..., None]  # melanin deepens their shade
    hair = (1 - skin) * inside(ellipse(u, v, (0, -0.3), (1.9, 2.3)), 0.3) * inside(v - 1.0, 0.3)
    albedo *= 1 + hair[..., None] * (
        rng.uniform(0.25, 1.1) * np.interp(parameters.skin_tone, [1, 5, 7], [1, 0.6, 0.2]) - 1
    )
    eyes = inside(ellipse(np.abs(u), v, (EYE_U, EYE_V), (0.27, 0.13)), 0.05)  # with their lids, generously
    pulseless = np.maximum(eyes, inside(ellipse(u, v, (0, MOUTH_V), (0.45, 0.15)), 0.05))
    return assemble(
        albedo,
        alpha,
        skin * (1 - pulseless) * (1 - parameters.makeup),
        depth=head_depth(u, v, 0.18),
        relief=0.45,  # the photograph is shaded already
        lid=lid_map(u, v, 0.24, 0.095),
        gloss=0.5 * parameters.gloss,
        lid_colour=0.8 * target,
        strength_variation=parameters.strength_variation,
        rng=rng,
    )


def find_portraits(folder: str | Path) -> list[str]:
    """Paths of a folder's pictures (PICTURES), by name, every one looked at; other files are left alone.

    Raises:
        InputError: no such folder, no picture in it, or a picture that cannot be read or has no face, by its name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of portraits")
    paths = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not paths:
        raise InputError(f"{folder}: no picture in it ({', '.join(sorted(PICTURES))}); put frontal portraits there")
    for path in paths:
        _load(path)
    return paths


@lru_cache(maxsize=16)
def _cut_out(portrait: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The portrait on the face plane: sRGB (R, S, 3) in 0..1, alpha (R, S), share of skin (R, S)."""
    image, landmarks = _load(portrait)
    canonical = np.array([(-EYE_U, EYE_V), (EYE_U, EYE_V), (0.0, MOUTH_V)])
    place = ((canonical - (LEFT, TOP)) * UNIT).astype(np.float32)
    to_plane = cv2.getAffineTransform(np.array(landmarks, np.float32), place)
    u, v = face_plane()
    plane = cv2.warpAffine(image, to_plane, u.shape[::-1], flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), to_plane, u.shape[::-1]) > 127
    alpha = _matte(plane, covered, u, v)
    return plane / 255.0, alpha, _skin_share(plane, u, v) * alpha


def _matte(plane: np.ndarray, covered: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Alpha of head and shoulders: GrabCut from a rough prior, softened."""
    labels = np.full(u.shape, cv2.GC_PR_BGD, np.uint8)
    labels[ellipse(u, v, (0, -0.3), (1.3, 1.7)) < 0] = cv2.GC_PR_FGD
    labels[(v > 1.7) & (np.abs(u) < 1.6)] = cv2.GC_PR_FGD
    labels[(ellipse(u, v, (0, 0.1), (0.85, 1.05)) < 0) | ((v > 2.2) & (np.abs(u) < 0.8))] = cv2.GC_FGD
    labels[(np.abs(u) > 2.0) & (v < 1.2) | (v < -2.35) | ~covered & (v < 1.5)] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(plane[..., ::-1].copy(), labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    foreground = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    foreground = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.clip(cv2.GaussianBlur(foreground.astype(np.float32), (0, 0), 1.2) * 1.3 - 0.25, 0, 1)


def _skin_share(plane: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """How much each pixel is skin, by its distance in colour from the cheeks, inside face and neck."""
    lab = cv2.cvtColor((plane / 255.0).astype(np.float32), cv2.COLOR_RGB2LAB)
    cheeks = ellipse(np.abs(u), v, (0.5, 0.2), (0.25, 0.25)) < 0
    centre, spread = np.median(lab[cheeks], axis=0), np.maximum(lab[cheeks].std(axis=0), (15.0, 6.0, 7.0))
    distance = np.sqrt((((lab - centre) / spread / (2.0, 1.4, 1.4)) ** 2).sum(axis=-1))
    neck = np.maximum(np.abs(u) - 0.8, np.abs(v - 1.4) - 0.5)
    region = np.maximum(inside(ellipse(u, v, (0, 0.05), (1.3, 1.45)), 0.1), inside(neck, 0.1))
    # what is brighter than skin inside the face is skin that shines; eyes and teeth are taken out below
    shine = np.clip((lab[..., 0] - centre[0] - 10) / 10, 0, 1) * inside(ellipse(u, v, (0, -0.1), (0.75, 0.95)), 0.1)
    share = (np.maximum(np.clip(2.4 - distance, 0, 1) * region, shine) * 255).astype(np.uint8)
    share = cv2.medianBlur(cv2.morphologyEx(share, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), 5)
    eyes = inside(ellipse(np.abs(u), v, (EYE_U, EYE_V), (0.21, 0.075)), 0.05)
    teeth = inside(ellipse(u, v, (0, MOUTH_V), (0.36, 0.1)), 0.05) * np.clip((centre[1] - 3 - lab[..., 1]) / 3, 0, 1)
    return cv2.GaussianBlur(share.astype(np.float32) / 255, (0, 0), 1.0) * (1 - eyes) * (1 - teeth)


def _load(portrait: str) -> tuple[np.ndarray, tuple]:
    """The picture, and where eyes and mouth are in it by the proportions of the largest face's box."""
    if portrait == "astronaut":
        from skimage import data

        return data.astronaut(), ASTRONAUT_LANDMARKS
    path = Path(portrait)
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    except cv2.error:  # more pixels than OpenCV takes
        image = None
    if image is None:
        raise InputError(f"{portrait}: not a readable picture; head is 'procedural', 'astronaut' or a portrait's path")
    image = np.ascontiguousarray(image[..., ::-1])
    boxes = FACE_DETECTORS["ultra-light"]()(image)
    if len(boxes) == 0 or boxes[:, 2].max() < LEAST_FACE_PIXELS:
        raise InputError(f"{portrait}: no face of at least {LEAST_FACE_PIXELS} pixels; take a frontal portrait")
    x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
    u, v, u_span, v_span = FACE_BOX
    return image, tuple(
        (x + (at_u - u) / u_span * width, y + (at_v - v) / v_span * height)
        for at_u, at_v in ((-EYE_U, EYE_V), (EYE_U, EYE_V), (0.0, MOUTH_V))
    )
