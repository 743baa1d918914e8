"""What a network is fed: every mistake is named with its value and what is allowed."""

import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.models.video_input import check_video

GOOD = torch.rand(2, 3, 10, 36, 36)


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (GOOD[:, :1], r"shape \(2, 1, 10, 36, 36\): must be \(B, 3, T, H, W\)"),
        (GOOD[0], r"shape \(3, 10, 36, 36\)"),
        (GOOD.transpose(1, 2), r"shape \(2, 10, 3, 36, 36\)"),
        ((GOOD * 255).to(torch.uint8), r"type torch.uint8: must be floating point in \[0, 1\]; divide"),
        (GOOD[:, :, :9], "9 frames: the network needs at least 10"),
        (GOOD[..., :30], "30×36 pixels: the network is built for 36×36"),
        (GOOD * 255, r"values from .* to 2\d\d.*: must be finite and in \[0, 1\]"),
        (GOOD - 0.5, r"values from -0.\d+ to"),
        (GOOD / 0 * 0, "values from nan to nan"),
    ],
)
def test_mistakes(video, message):
    with pytest.raises(InputError, match=message):
        check_video(video, least_frames=10, size=36)


def test_what_is_allowed():
    check_video(GOOD, least_frames=10, size=36)
    check_video(torch.stack([torch.zeros(3, 2, 8, 9), torch.ones(3, 2, 8, 9)]).double(), least_frames=1)
    check_video(GOOD[:0], least_frames=10)
