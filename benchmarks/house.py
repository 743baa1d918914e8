"""How large the house is: lines, rooms, floors, what imports what, and helpers with a single caller.

python benchmarks/house.py            # prints the table, and writes results/house.json
"""

from __future__ import annotations

import ast
import re
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from kept import ROOT, write_document
from scipy.sparse.csgraph import connected_components

from rppg_graph.experiments.result_table import markdown_cells

PACKAGE = ROOT / "rppg_graph"
AT_MOST = {
    "lines of rppg_graph": 14_500,
    "lines of benchmarks": 2_300,
    "lines of tests": 10_500,
    "rooms": 18,
    "floors": 8,
    "imports of a floor that is not lower": 0,
    "circles of modules": 0,
    "lines of cli": 900,
    "lines of README": 150,
    "lines of benchmarks/README": 150,
    "private functions with one caller": 134,
    "files over 250 lines": 0,
}


def lines(*paths: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def imported(tree: ast.Module, at_start: bool) -> Iterator[str]:
    """Modules and names that a file of the package imports from it; ``at_start``: when it is loaded itself."""
    for node in tree.body if at_start else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE.name:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE.name)


def circles(trees: dict[str, ast.Module]) -> int:
    """Groups of modules each of which loads the others."""
    names = list(trees)
    loads = np.zeros((len(names), len(names)), dtype=bool)
    for name, tree in trees.items():
        for target in imported(tree, at_start=True):
            found = target if target in trees else target.rpartition(".")[0]
            if found in trees and found != name:
                loads[names.index(name), names.index(found)] = True
    _, group = connected_components(loads, connection="strong")
    return sum(count > 1 for count in Counter(group.tolist()).values())


def private_functions(tree: ast.Module) -> Iterator[tuple[int, bool]]:
    """Of each private function or method of a file, how often the file names it elsewhere, and whether to call it.

    What is named and not called is a member of a registry, a callback, or decorated by what hands it on.
    """
    nodes = list(ast.walk(tree))
    called = {_name_of(node.func) for node in nodes if isinstance(node, ast.Call)}
    named = Counter(filter(None, map(_name_of, nodes)))
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and re.match("_(?!_)", node.name):
            yield named[node.name], node.name in called


def _name_of(node: ast.AST) -> str | None:
    """Of a plain name or an attribute."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def measure() -> dict[str, int]:
    files = sorted(PACKAGE.rglob("*.py"))
    trees = {}
    for path in files:
        parts = path.relative_to(ROOT).with_suffix("").parts
        trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    floors = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))["FLOORS"]
    inside = {name: tree for name, tree in trees.items() if name != PACKAGE.name}
    targets = ((name, target) for name, tree in inside.items() for target in imported(tree, at_start=False))
    arrows = {(name.split(".")[1], target.split(".")[1]) for name, target in targets}
    arrows = {(a, b) for a, b in arrows if a != b and b in floors}
    private = [found for tree in trees.values() for found in private_functions(tree)]
    callers = [count for count, _ in private]
    return {
        "lines of rppg_graph": lines(*files),
        "lines of benchmarks": lines(*(ROOT / "benchmarks").glob("*.py")),
        "lines of tests": lines(*(ROOT / "tests").rglob("*.py")),
        "rooms": len({name.split(".")[1] for name in inside}),
        "floors": len(set(floors.values())),
        "imports of a floor that is not lower": sum(floors[a] <= floors[b] and b != "errors" for a, b in arrows),
        "circles of modules": circles(trees),
        "lines of cli": lines(*(PACKAGE / "cli").glob("*.py")),
        "lines of README": lines(ROOT / "README.md"),
        "lines of benchmarks/README": lines(ROOT / "benchmarks" / "README.md"),
        "private functions": len(callers),
        "private functions with one caller": callers.count(1),
        "of these handed on by name, not called": private.count((1, False)),
        "private functions that nothing names": callers.count(0),
        "files over 250 lines": sum(lines(path) > 250 for path in files),
    }


def main() -> None:
    found = measure()
    write_document("house.json", {"found": found, "at_most": AT_MOST})
    rows = {name: [f"{value:,}", f"{AT_MOST[name]:,}" if name in AT_MOST else "–"] for name, value in found.items()}
    print(markdown_cells(["now", "at most"], rows))


if __name__ == "__main__":
    main()
