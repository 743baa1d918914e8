"""``run.py doctor``."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform

EXAMPLES = "  run.py doctor\n  run.py doctor --json doctor.json"

PACKAGES = (
    "torch", "torch-geometric", "torch-cluster", "torch-scatter", "numpy", "scipy", "numba", "opencv-python", "av",
    "pydantic", "pyyaml", "h5py", "neurokit2", "scikit-image", "matplotlib", "onnx", "onnxruntime", "onnxscript",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="write the findings to FILE as well")


def run(args: argparse.Namespace) -> None:
    findings = examine()
    print("\n".join(f"{name:18} {value}" for name, value in findings["machine"].items()))
    print("\npackages")
    print("\n".join(f"  {name:16} {version or 'not installed'}" for name, version in findings["packages"].items()))
    print("\nKNN backends")
    print("\n".join(f"  {name:16} {state}" for name, state in findings["backends"].items()))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(findings, file, indent=2)


def examine() -> dict[str, dict[str, str | None]]:
    """Versions, devices and backends; each backend is tried on sixteen points, not looked up."""
    import torch

    from rppg_graph import __version__
    from rppg_graph.errors import InputError
    from rppg_graph.graph.knn import BACKENDS, knn

    backends: dict[str, str | None] = {}
    for name in BACKENDS:
        try:
            knn(torch.randn(16, 4), 3, backend=name)
            backends[name] = "usable"
        except InputError as error:
            backends[name] = f"not usable: {error}"
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    machine = {
        "rppg_graph": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "bfloat16 on CPU": "fast" if torch.cpu._is_avx512_bf16_supported() else "emulated",
        "GPUs": ", ".join(gpus) or "none seen by torch",
    }
    return {"machine": machine, "packages": {name: _version(name) for name in PACKAGES}, "backends": backends}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
