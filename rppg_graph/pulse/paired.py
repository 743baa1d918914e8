"""Two methods on the same seeds and recordings: their difference, with what chance does to seeds and to recordings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rppg_graph.pulse.metrics import RESAMPLES, Metric

_LEAST_RECORDINGS = 3


def difference_over_seeds(
    first: Mapping[int, Mapping[str, float]], second: Mapping[int, Mapping[str, float]]
) -> Metric:
    """Mean of second − first over the seeds and recordings that both have, with a 95 % interval.

    The interval is a percentile bootstrap that draws seeds and recordings, both with replacement (5,000 draws, fixed
    seed): with few seeds it is wide, as it should be.

    Args:
        first, second: error (bpm) of each recording, by seed.
    """
    seeds = sorted(set(first) & set(second))
    shared = [set(errors[seed]) for errors in (first, second) for seed in seeds]
    recordings = sorted(set.intersection(*shared)) if shared else []
    if not recordings:
        return Metric(None, reason="no seed and recording that both have")
    table = np.array([[second[s][r] - first[s][r] for r in recordings] for s in seeds])  # (S, R)
    value = float(table.mean())
    if len(recordings) < _LEAST_RECORDINGS or len(seeds) < 2:
        reason = f"an interval needs 2 seeds and {_LEAST_RECORDINGS} recordings; there are {len(seeds)} and "
        return Metric(value, n=table.size, reason=f"{reason}{len(recordings)}")
    generator = np.random.default_rng(0)
    of_seeds, of_recordings = (
        generator.multinomial(count, np.full(count, 1 / count), RESAMPLES) for count in table.shape
    )
    means = np.einsum("ds,sr,dr->d", of_seeds, table, of_recordings) / table.size
    low, high = np.percentile(means, [2.5, 97.5])
    return Metric(value, float(means.std()), float(low), float(high), table.size)
