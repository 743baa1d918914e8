"""``run.py live``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain, takewhile
from pathlib import Path
from typing import TextIO

import numpy as np

from rppg_graph.cli import chosen_method
from rppg_graph.data.camera import at_own_rate, read_camera
from rppg_graph.data.picture import Picture
from rppg_graph.data.video import probe, read_pictures
from rppg_graph.errors import InputError
from rppg_graph.files import writable
from rppg_graph.inference.predict import Stream
from rppg_graph.report.screen import Screen

EXAMPLES = """\
  run.py live --page                             # in the browser: the picture, the wave and the numbers
  run.py live                                    # the first webcam, until Ctrl-C
  run.py live --camera 1 --seconds 60
  run.py live --checkpoint runs/demo/train/best.safetensors
  run.py live --json pulse.jsonl                 # a JSON line for each line of the screen
  run.py live --video face.mp4                   # replayed at its own rate
  run.py live --video face.mp4 --fast --json -   # as fast as possible, JSON lines on standard output"""

Frame = tuple[float, np.ndarray | Picture]  # seconds, and what a stream takes
CAMERA_FPS = 30.0  # of the wave; a camera's own rate, which changes with the light, is in its timestamps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--camera", type=int, default=0, metavar="N", help="number of the webcam (default: 0)")
    source.add_argument("--video", type=Path, metavar="FILE", help="replay a video file at its own rate instead")
    parser.add_argument("--page", action="store_true", help="show all in the browser, which opens the camera or a file")
    parser.add_argument("--port", type=int, metavar="N", help="of the page (default: always the same; 0: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the page's address, and open nothing")
    parser.add_argument("--fast", action="store_true", help="replay as fast as possible, leaving nothing out")
    chosen_method.add_arguments(parser)
    chosen_method.add_source(parser)
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after S seconds (default: at Ctrl-C)")
    parser.add_argument("--json", metavar="FILE", help="write JSON lines to FILE, or to standard output with -")


def run(args: argparse.Namespace) -> None:
    if args.fast and not args.video:
        raise InputError("--fast is about a video file: name one with --video FILE")
    if args.seconds is not None and not args.seconds > 0:
        raise InputError(f"--seconds {args.seconds:g}: must be above zero")
    if args.json and args.json != "-":
        writable(Path(args.json), args.video, args.checkpoint)
    if args.fps is not None and not (args.video and args.fps > 0):
        raise InputError(f"--fps {args.fps:g}: the true rate, above zero, of a video that --video FILE names")
    if args.page and (args.video or args.json or args.camera or args.seconds):
        raise InputError("--page: choose the camera, or drop a video, on the page; leave out the other options")
    if not args.page and (args.port is not None or args.no_browser):
        raise InputError("--port and --no-browser are about the page: add --page")
    method, finding, calibration = chosen_method.chosen_method(args)
    if args.page:
        from rppg_graph.web.server import serve  # and the report with it, which the lines need not wait for

        name = str(args.checkpoint or args.weights or args.method or chosen_method.DEFAULT)
        return serve(name, (method, finding | {"face": args.face}, calibration), args.port, not args.no_browser)
    fps = (args.fps or probe(args.video).fps) if args.video else CAMERA_FPS
    stream = Stream(method, fps, **finding, face=args.face, calibration=calibration, real_time=not args.fast)
    source = args.video.name if args.video else f"camera {args.camera}"
    head = f"{source}: {chosen_method.origin(method.name, args)}; Ctrl-C ends"
    screen = Screen(sys.stderr if args.json == "-" else sys.stdout, head)
    with ExitStack() as stack:
        frames = stack.enter_context(closing(_frames(args)))
        first = next(frames)  # a camera or a video that is of no use says so here, before a file is written
        lines = sys.stdout if args.json == "-" else None
        if args.json and lines is None:
            lines = stack.enter_context(open(args.json, "w", encoding="utf-8"))
        stack.callback(lambda: screen.summary(stream.remarks()))
        with suppress(KeyboardInterrupt):
            _follow(chain([first], frames), stream, screen, lines)


def _follow(frames: Iterator[Frame], stream: Stream, screen: Screen, lines: TextIO | None) -> None:
    try:
        for seconds, frame in frames:
            update = stream.push(seconds, frame)
            if update is None:
                continue
            screen.show(update)
            if lines is not None:
                print(json.dumps(update.to_dict(), allow_nan=False), file=lines, flush=True)
    except BrokenPipeError:  # who read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _frames(args: argparse.Namespace) -> Iterator[Frame]:
    with closing(read_pictures(args.video, args.fps) if args.video else read_camera(args.camera)) as found:
        frames = ((seconds, picture) for seconds, picture, *_ in found)
        paced = at_own_rate(frames) if args.video and not args.fast else frames
        yield from paced if args.seconds is None else takewhile(lambda frame: frame[0] < args.seconds, paced)
