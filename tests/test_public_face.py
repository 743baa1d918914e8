"""What a notebook gets from ``import rppg_graph``: at once, by name, documented, and enough to read a video."""

import subprocess
import sys

import pytest

import rppg_graph as rg
from rppg_graph.errors import InputError

WITHOUT_TORCH = """
import sys, time
started = time.process_time()
import rppg_graph
took = time.process_time() - started
heavy = sorted({"torch", "numpy", "cv2", "scipy"} & set(sys.modules))
assert took < 0.1 and not heavy, (took, heavy)
assert set(rppg_graph.__all__) <= set(dir(rppg_graph))
"""


LIGHT = """
import sys
import rppg_graph.cli.predict
from rppg_graph.inference.methods import BY_NAME
for make in BY_NAME.values():
    make()
heavy = sorted({"torch", "torch_geometric", "matplotlib", "pandas", "sklearn", "numba"} & set(sys.modules))
assert not heavy, heavy
"""


def test_the_package_is_imported_at_once():
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)


def test_a_formula_does_not_wait_for_torch():
    code = """
import sys
import rppg_graph.cli.predict, rppg_graph.cli.live
from rppg_graph import named_method
assert named_method("pos").name == "pos"
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_prediction_begins_without_torch_and_matplotlib():
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


@pytest.mark.parametrize("name", rg.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(rg, name)
    assert getattr(rg, name) is value
    assert value.__doc__
    assert name in rg.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'predikt'"):
        rg.predikt  # noqa: B018


def test_a_method_is_found_by_name(tmp_path):
    assert rg.named_method("chrom").name == "chrom"
    assert rg.named_method("stream_net-synth").name == "stream_net"
    assert rg.named_method().least_seconds > 0
    with pytest.raises(InputError, match="'chrm'; did you mean chrom"):
        rg.named_method("chrm")
    (tmp_path / "best.safetensors").write_bytes(b"no network")
    with pytest.raises(InputError, match="is not a checkpoint"):
        rg.named_method(tmp_path / "best.safetensors")
