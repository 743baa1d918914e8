"""Face videos with a pulse that we chose: rendered heads in presets from easy to hard."""

from rppg_graph.synthetic.dataset import LAYOUTS, write_dataset
from rppg_graph.synthetic.disturbances import DISTURBANCES, SUBJECTS
from rppg_graph.synthetic.disturbed import Case, disturbed_case, make_case, write_disturbed
from rppg_graph.synthetic.generate import generate
from rppg_graph.synthetic.overlay import OVERLAYS, lay_over
from rppg_graph.synthetic.parameters import Parameters
from rppg_graph.synthetic.presets import PRESETS
from rppg_graph.synthetic.recording import SyntheticRecording
from rppg_graph.synthetic.rendered import render_people
from rppg_graph.synthetic.sheet import contact_sheet, preset_video, show_presets

__all__ = [
    "DISTURBANCES",
    "LAYOUTS",
    "OVERLAYS",
    "PRESETS",
    "SUBJECTS",
    "Case",
    "Parameters",
    "SyntheticRecording",
    "contact_sheet",
    "disturbed_case",
    "generate",
    "lay_over",
    "make_case",
    "preset_video",
    "render_people",
    "show_presets",
    "write_dataset",
    "write_disturbed",
]
