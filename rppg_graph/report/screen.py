"""What the screen shows while a pulse is followed: a line an update, and a summary at the end."""

from __future__ import annotations

import shutil
from typing import TextIO

import numpy as np

from rppg_graph.inference.judged import POOR, WIDEST_BPM
from rppg_graph.inference.stream import Update


def line(update: Update) -> str:
    """One line of the screen."""
    u = update
    known = u.interval_bpm is not None and u.interval_bpm <= WIDEST_BPM
    sure = f" ± {u.interval_bpm:.0f}" if known else ""
    edge = " (at the edge of the band)" if u.bpm is not None and u.at_band_edge else ""
    quality = f"quality {u.quality:.2f}{' (poor)' * (u.quality < POOR)}"
    rate = f"{u.bpm:5.1f}{sure} bpm{edge}  {quality}" if u.bpm is not None else f"no number: {u.reason}"
    skipped = f", {u.skipped_steps} steps left out" if u.skipped_steps else ""
    return f"{u.seconds:6.1f} s  {rate}  face {u.face_share:.0%}  {u.speed:.1f}× real time{skipped}"


class Screen:
    """A line that is written over where there is a terminal, a line each elsewhere; and a summary of them all."""

    def __init__(self, out: TextIO, head: str) -> None:
        self.out, self.head, self.over = out, head, out.isatty()
        self.updates, self.last = 0, None
        self.rates = np.zeros(1000, dtype=np.int64)  # how often each whole bpm came, poor ones not counted

    def show(self, update: Update) -> None:
        if self.last is None:
            print(self.head, file=self.out)
        self.updates, self.last = self.updates + 1, update
        if update.bpm is not None and update.quality >= POOR:
            self.rates[round(update.bpm)] += 1
        text = line(update)
        if self.over:
            text = f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}"
        print(text, end="" if self.over else "\n", file=self.out, flush=True)

    def summary(self, remarks: list[str]) -> None:
        """The last lines: how long, which heart rates, and what is worth knowing about the faces."""
        if self.last is None:
            return
        count, told = int(self.rates.sum()), "no heart rate of fair quality"
        if count:
            low, high = np.flatnonzero(self.rates)[[0, -1]]
            median = int(np.searchsorted(np.cumsum(self.rates), (count + 1) // 2))
            told = f"heart rate {median} bpm, {low} to {high}, in {count} of {self.updates} updates"
        skipped = f", {self.last.skipped_steps} steps left out" if self.last.skipped_steps else ""
        print(f"{chr(10) * self.over}{self.last.seconds:.0f} s: {told}{skipped}", file=self.out, flush=True)
        for remark in remarks:
            print(f"  remark: {remark}", file=self.out, flush=True)
