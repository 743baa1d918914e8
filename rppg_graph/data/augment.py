"""Augmentations of training clips: drawn anew for every clip, the label following where time changes.

Video is (B, 3, T, H, W), labels are (B, T); every function draws one set of values for each clip from the generator
given, so equal seeds give equal batches.

Source: the training recipe of STGNet (Xiong et al., Biomedical Signal Processing and Control, 2024): horizontal flip,
illumination offset, pixel noise, speed change, resized crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rppg_graph.errors import InputError


def flip_horizontally(video: Tensor, generator: torch.Generator, probability: float = 0.5) -> Tensor:
    """Each clip mirrored left to right with the given probability."""
    flipped = torch.rand(len(video), generator=generator) < probability
    return torch.stack([clip.flip(-1) if flip else clip for clip, flip in zip(video, flipped, strict=True)])


def crop_and_resize(video: Tensor, generator: torch.Generator, area: tuple[float, float] = (0.5, 1.0)) -> Tensor:
    """A square window of each clip, the same in all its frames, enlarged to the full size (bilinear).

    Args:
        area: the window's share of the frame's area is uniform between these two.
    """
    side = torch.empty(len(video)).uniform_(*area, generator=generator).sqrt_()
    top, left = torch.rand(2, len(video), generator=generator) * (1 - side)
    out = torch.empty(video.shape)
    for i in range(len(video)):
        look_through(video[i], top[i], left[i], side[i], out=out[i])
    return out


def look_through(video: Tensor, top: Tensor, left: Tensor, side: Tensor, out: Tensor | None = None) -> Tensor:
    """A square window of all the frames of a video, enlarged to the full size (bilinear).

    Args:
        video: (…, T, H, W).
        top, left, side: of the window, scalars in shares of the frame.
        out: where to write, of the video's shape and contiguous.
    """

    def interpolation(start: Tensor, size: int) -> Tensor:
        """(size, size) matrix that samples `size` points, evenly within [start, start + side] of the axis, linearly."""
        centres = (start + side * (torch.arange(size) + 0.5) / size) * size - 0.5
        distance = (centres.clamp(0, size - 1).unsqueeze(1) - torch.arange(size)).abs()
        return (1 - distance).clamp_(min=0).to(video)

    rows, columns = interpolation(top, video.shape[-2]), interpolation(left, video.shape[-1])
    frames = video.reshape(-1, *video.shape[-2:])
    out = None if out is None else out.view_as(frames)
    # Separable: two products with small matrices, faster than F.interpolate on frames of this size.
    narrow = torch.bmm(frames, columns.T.expand(len(frames), -1, -1))
    return torch.bmm(rows.expand(len(frames), -1, -1), narrow, out=out).view(video.shape)


def shift_illumination(video: Tensor, generator: torch.Generator, deviation: float = 10 / 255) -> Tensor:
    """One offset N(0, deviation²) a clip added to all its values."""
    offset = torch.randn(len(video), generator=generator) * deviation
    return video + offset.view(-1, 1, 1, 1, 1)


def add_pixel_noise(video: Tensor, generator: torch.Generator, deviation: float = 2 / 255) -> Tensor:
    """Independent N(0, deviation²) added to each value."""
    return torch.randn(video.shape, generator=generator).mul_(deviation).add_(video)


def source_frames(frames: int, fastest: float) -> int:
    """How many frames a clip of `frames` needs before change_speed, so that it can run up to `fastest` times faster."""
    return math.ceil((frames - 1) * fastest) + 1


def change_speed(
    video: Tensor, label: Tensor, generator: torch.Generator, frames: int, factor: tuple[float, float] = (0.8, 1.25)
) -> tuple[Tensor, Tensor]:
    """`frames` frames of each clip played `factor` times faster (a higher heart rate), and the label at the same times.

    Frame i of the result lies at time `start + i · factor` of the source, between whose frames is interpolated
    linearly; start is uniform. A faster clip needs a longer source (source_frames). From a source that is too short
    for the fastest, the factors are drawn up to what it has: at T = frames, a clip can only be slowed down.

    Args:
        video: (B, 3, T, H, W) with T ≥ frames, of any dtype.
        label: (B, T).
        factor: uniform between these two.

    Returns:
        (B, 3, frames, H, W) float32, in the range of the video, and (B, frames).

    Raises:
        ValueError: fewer frames than wanted.
    """
    length = video.shape[2]
    if length < frames:
        raise ValueError(f"clips of {length} frames cannot give {frames}; pass at least {frames}")
    fastest = min(factor[1], (length - 1) / (frames - 1))
    speed = torch.empty(len(video), dtype=torch.float64).uniform_(min(factor[0], fastest), fastest, generator=generator)
    start = torch.rand(len(video), dtype=torch.float64, generator=generator) * (length - 1 - speed * (frames - 1))
    times = start.unsqueeze(1) + speed.unsqueeze(1) * torch.arange(frames, dtype=torch.float64)  # (B, frames)
    before = times.floor().clamp_(0, max(length - 2, 0)).long()
    after = (before + 1).clamp_(max=length - 1)
    share = (times - before).float()
    faster = torch.empty(*video.shape[:2], frames, *video.shape[3:])
    for i in range(len(video)):
        earlier, later = (video[i].index_select(1, chosen).float() for chosen in (before[i], after[i]))
        torch.lerp(earlier, later, share[i].view(1, -1, 1, 1), out=faster[i])
    return faster, torch.lerp(label.gather(1, before), label.gather(1, after), share.to(label.dtype))


@dataclass(frozen=True)
class Augment:
    """The whole chain: speed, crop, flip, illumination, noise, and the result held within [0, 1].

    Args:
        frames: length T of the clips that come out.
        speed: range of the speed factor; (1, 1) keeps the speed (a random stretch of a longer clip remains).
        crop_area: range of the crop's share of the area; (1, 1) keeps the frame.
        flip_probability: 0 never flips.
        illumination: deviation of the offset, in 1/255.
        noise: deviation of the pixel noise, in 1/255.

    Raises:
        InputError: a range that falls, or goes beyond what there is.
    """

    frames: int
    speed: tuple[float, float] = (0.8, 1.25)
    crop_area: tuple[float, float] = (0.5, 1.0)
    flip_probability: float = 0.5
    illumination: float = 10.0
    noise: float = 2.0

    def __post_init__(self) -> None:
        for name, limits, most in (("speed", self.speed, math.inf), ("crop_area", self.crop_area, 1.0)):
            if not 0 < limits[0] <= limits[1] <= most:
                nearest = [min(max(limit, 0.01), most) for limit in sorted(limits)]
                within = "above 0" if most == math.inf else f"above 0 and at most {most:g}"
                raise InputError(f"{name} = {list(limits)}: must rise and be {within}, such as {nearest}")

    @property
    def source_frames(self) -> int:
        """The length of the clips to pass in, so that the whole range of speeds is possible."""
        return max(self.frames, source_frames(self.frames, self.speed[1]))

    @torch.no_grad()
    def __call__(self, video: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment a batch, or one clip.

        Args:
            video: (B, 3, S, H, W) or (3, S, H, W), uint8, or float in [0, 1]; S ≥ frames.
            label: (B, S) or (S,).
            generator: a CPU generator; each worker of a data loader has its own seed.

        Returns:
            (B, 3, frames, H, W) float32 in [0, 1] and (B, frames), without B if it was not given.
        """
        if video.dim() == 4:
            video, label = self(video.unsqueeze(0), label.unsqueeze(0), generator)
            return video[0], label[0]
        brightest = 255 if video.dtype == torch.uint8 else 1
        video, label = change_speed(video, label, generator, self.frames, self.speed)
        video.div_(brightest)
        if self.crop_area[0] < 1:
            video = crop_and_resize(video, generator, self.crop_area)
        video = flip_horizontally(video, generator, self.flip_probability)
        video = shift_illumination(video, generator, self.illumination / 255)
        video = add_pixel_noise(video, generator, self.noise / 255)
        return video.clamp_(0, 1), label
