"""Names are looked up in one way."""

import pytest

from rppg_graph.errors import InputError
from rppg_graph.registry import choose

LOSSES = {"neg_pearson": 1, "mse": 2}


def test_the_member_or_the_name():
    assert choose("loss", LOSSES, "mse") == 2
    assert choose("loss", tuple(LOSSES), "mse") == "mse"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("neg_pearsn", r"unknown loss 'neg_pearsn'; did you mean neg_pearson\? .valid: neg_pearson, mse.$"),
        ("huber", "unknown loss 'huber'; valid: neg_pearson, mse"),
        (3, "unknown loss 3; valid: "),
        (["mse"], r"unknown loss \['mse'\]"),
    ],
)
def test_an_unknown_name_meets_the_nearest(name, message):
    with pytest.raises(InputError, match=message):
        choose("loss", LOSSES, name)
