"""A picture of what the network will see of a recording."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from rppg_graph.data.cached_recording import SHEET_FILE, CachedRecording

COLUMNS, ROWS = 5, 4
TILE, CAPTION, TITLE = 128, 18, 28  # pixels
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, RED = (255, 255, 255), (255, 80, 80)


def contact_sheet(recording: CachedRecording) -> Path:
    """Write contact_sheet.png beside the frames: 20 crops evenly over the recording, each with its time and bpm.

    A frame without a crop is black with a red caption; the title gives the detection rate.

    Raises:
        OSError: the folder cannot be written.
    """
    sheet = np.zeros((TITLE + ROWS * (TILE + CAPTION), COLUMNS * TILE, 3), np.uint8)
    rate = f"face found in {recording.detection_rate:.0%}"
    title = f"{recording.name}   {len(recording.seconds)} frames, {recording.fps:.2f} fps   {rate}"
    cv2.putText(sheet, title, (6, 19), FONT, 0.45, WHITE, 1, cv2.LINE_AA)
    chosen = np.linspace(0, len(recording.seconds) - 1, COLUMNS * ROWS).round().astype(int)
    for place, index in enumerate(chosen):
        top, left = TITLE + place // COLUMNS * (TILE + CAPTION), place % COLUMNS * TILE
        tile = cv2.resize(recording.frames[index], (TILE, TILE), interpolation=cv2.INTER_NEAREST)
        sheet[top : top + TILE, left : left + TILE] = tile
        seen = bool(recording.face[index])
        rated = recording.bpm is not None and np.isfinite(recording.bpm[index])
        bpm = f", {recording.bpm[index]:.0f} bpm" if rated else ""
        caption = f"{recording.seconds[index]:.1f} s{bpm}{'' if seen else ', no face'}"
        position = (left + 4, top + TILE + CAPTION - 5)
        cv2.putText(sheet, caption, position, FONT, 0.36, WHITE if seen else RED, 1, cv2.LINE_AA)
    path = recording.folder / SHEET_FILE
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())
    return path
