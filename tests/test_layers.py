"""Who may import whom: the architecture of the tree, held by a test."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "rppg_graph"

# room → its floor: who stands higher may import who stands lower, never the other way, nor across a floor.
FLOORS: dict[str, int] = {
    "cli": 8,
    "experiments": 7, "web": 7,
    "report": 6,
    "inference": 5, "training": 5, "export": 5,
    "models": 4, "synthetic": 4,
    "data": 3, "nn": 3,
    "graph": 2, "pulse": 2, "config": 2,
    "errors": 1, "files": 1, "registry": 1, "timing": 1,
}  # fmt: skip

# outside package → the layers that may import it.
OUTSIDE: dict[str, set[str]] = {
    "cv2": {"data", "synthetic"},
    "av": {"data", "synthetic"},
    "torch_geometric": {"graph", "nn"},
    "torch_cluster": {"graph"},
    "torch_scatter": {"graph"},
    "triton": {"graph"},
}

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def layer_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imports(module: Path) -> list[ast.Import | ast.ImportFrom]:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_names(module: Path) -> list[str]:
    names: list[str] = []
    for node in imports(module):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names += [alias.name for alias in node.names]
    return names


@pytest.mark.parametrize("module", [m for m in MODULES if m != Path("__init__.py")], ids=str)
def test_imports_respect_the_layers(module):
    layer = layer_of(module)
    for name in imported_names(module):
        package, *rest = name.split(".")
        if package == "rppg_graph":
            target = rest[0]
            if target not in {layer, "__version__"}:
                assert FLOORS[layer] > FLOORS[target] or target == "errors", f"{module} imports rppg_graph.{target}"
        elif package in OUTSIDE:
            assert layer in OUTSIDE[package], f"{module} imports {package}, which belongs in {sorted(OUTSIDE[package])}"


def test_only_processes_of_our_own_change_how_memory_is_kept():
    memory = "rppg_graph.training.memory"
    users = {str(module) for module in MODULES if any(memory in name for name in imported_names(module))}
    assert users == {"cli/__init__.py", "experiments/own_process.py"}


@pytest.mark.parametrize("package", ["torch_cluster", "torch_scatter", "triton"])
def test_compiled_extras_are_imported_lazily(package):
    for module in MODULES:
        if module.match("graph/triton_*.py"):  # loaded by graph.choices where Triton is there
            continue
        tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
        for node in tree.body:  # the top level only
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == package for name in names), f"{module} imports {package} at its top"
