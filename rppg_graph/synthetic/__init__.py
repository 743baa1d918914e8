"""Face videos with a pulse that we chose: rendered heads in presets from easy to hard."""

from rppg_graph.synthetic.dataset import LAYOUTS, write_dataset
from rppg_graph.synthetic.generate import generate
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.presets import PRESETS
from rppg_graph.synthetic.recording import SyntheticRecording
from rppg_graph.synthetic.rendered import render_people
from rppg_graph.synthetic.sheet import contact_sheet, preset_video, show_presets

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "Parameters",
    "SyntheticRecording",
    "contact_sheet",
    "generate",
    "preset_video",
    "render_people",
    "show_presets",
    "write_dataset",
]
