"""The compiled selection against numpy's sort, on rows that are hard for a bisection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rppg_graph.graph.selection import block_layout, select


def largest(row: np.ndarray, k: int) -> list[int]:
    """Indices of the k largest, of equals the lower ones, sorted."""
    return sorted(np.argsort(-row, kind="stable")[:k].tolist())


def selected(values: np.ndarray, k: int) -> np.ndarray:
    blocks, per_block = block_layout(values.shape[1], k)
    padded = np.full((len(values), blocks * per_block), -np.inf, values.dtype)
    padded[:, : values.shape[1]] = values
    out = np.empty((len(values), k), np.int64)
    select(padded, k, blocks, -1, 0, out)
    return np.sort(out, axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_finite_rows(dtype, data):
    bound = float(np.finfo(dtype).max / 8)
    floats = st.floats(-bound, bound, width=np.dtype(dtype).itemsize * 8)
    few = st.sampled_from([-1.0, 0.0, -0.0, 1.0, float(np.finfo(dtype).tiny)])
    values = data.draw(arrays(dtype, (2, data.draw(st.integers(1, 60))), elements=floats | few))
    k = data.draw(st.integers(1, values.shape[1]))
    assert selected(values, k).tolist() == [largest(row, k) for row in values]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 7, 64])
@pytest.mark.parametrize("columns", [64, 100, 1000, 2560])
def test_rows_of_every_shape(dtype, k, columns):
    rng = np.random.default_rng(columns + k)
    values = np.stack(
        [
            rng.standard_normal(columns),
            np.sort(rng.standard_normal(columns)),
            np.zeros(columns),
            rng.integers(0, 3, columns),
            np.exp(15 * rng.standard_normal(columns)),  # over many powers of ten
            1 + np.finfo(dtype).eps * rng.integers(0, 9, columns),  # neighbouring floats
            np.where(np.arange(columns) < k, 1.0, -1.0),
        ]
    ).astype(dtype)
    assert selected(values, k).tolist() == [largest(row, k) for row in values]


def test_the_own_column_and_what_is_excluded_are_not_chosen():
    values = np.full((3, 8), -np.inf, np.float32)
    values[:, 2:7] = 1
    out = np.empty((3, 4), np.int64)
    select(values, 4, 8, 3, 100, out)  # rows 0, 1, 2 are columns 3, 4, 5
    assert np.sort(out, axis=1).tolist() == [[102, 104, 105, 106], [102, 103, 105, 106], [102, 103, 104, 106]]
