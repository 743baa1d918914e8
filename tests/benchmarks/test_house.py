"""The script that measures the tree: what it counts on trees of a few lines, and on ours."""

import ast

import pytest


@pytest.fixture
def house(load_bench):
    return load_bench("house")


@pytest.mark.parametrize(
    ("sources", "circles"),
    [
        ({"a": "import rppg_graph.b", "b": "import rppg_graph.c", "c": ""}, 0),
        ({"a": "import rppg_graph.b", "b": "from rppg_graph import c", "c": "from rppg_graph.a import x"}, 1),
        ({"a": "import rppg_graph.b", "b": "def late():\n    import rppg_graph.a"}, 0),
        ({"a": "import rppg_graph.b", "b": "import rppg_graph.a", "c": "import rppg_graph.d",
          "d": "import rppg_graph.c"}, 2),
    ],
)  # fmt: skip
def test_circles(house, sources, circles):
    assert house.circles({f"rppg_graph.{name}": ast.parse(text) for name, text in sources.items()}) == circles


def test_callers_of_private_functions(house):
    text = "def _a(): ...\ndef _b(): _a()\nclass C:\n    def _c(self): self._c(); _b(); _a()\n    def __d__(self): ..."
    text += "\ndef _e(): ...\nMEMBERS = {'e': _e}"
    found = sorted(house.private_functions(ast.parse(text)))
    assert found == [(1, False), (1, True), (1, True), (2, True)]  # _e is a member, and called by nobody here


def test_the_tree_has_neither_circles_nor_arrows_upward(house):
    found = house.measure()
    assert found["circles of modules"] == 0
    assert found["imports of a floor that is not lower"] == 0
    assert found["rooms"] <= house.AT_MOST["rooms"]
    assert found["floors"] <= house.AT_MOST["floors"]
    assert found["lines of rppg_graph"] > 10_000
