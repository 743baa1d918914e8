"""The machine and the versions that a result was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from contextlib import suppress

PACKAGES = (
    "torch", "torch-geometric", "torch-cluster", "torch-scatter", "numpy", "scipy", "numba", "opencv-python", "av",
    "pydantic", "pyyaml", "h5py", "neurokit2", "scikit-image", "matplotlib", "onnx", "onnxruntime", "onnxscript",
)  # fmt: skip
EXTRAS = {"torch-cluster", "torch-scatter", "onnx", "onnxruntime", "onnxscript"}  # all works without these


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
    packages: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    return {"machine": machine, "packages": packages, "backends": backends}


def next_step(findings: dict[str, dict[str, str | None]]) -> str:
    """The one thing to do next, by what `examine` found."""
    missing = [name for name, known in findings["packages"].items() if known is None and name not in EXTRAS]
    if missing:
        return f"pip install {' '.join(missing)}"
    if findings["machine"]["GPUs"].startswith("none") and shutil.which("nvidia-smi"):
        return "this torch does not see the GPU: install the build for it that pytorch.org names"
    return "film a face for 20 seconds in even light, then run.py predict face.mp4, or run.py live --page"
