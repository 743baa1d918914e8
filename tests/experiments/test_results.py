"""Files of a study of which nothing is done yet."""

from rppg_graph.experiments.results import GRAPH_COLUMNS, Results, graph_rows
from rppg_graph.experiments.study import Study
from rppg_graph.files import csv_text


def test_a_table_without_rows_keeps_its_heading():
    study = Study(question="?", variants=[{"name": "a"}], base={})
    found = graph_rows(Results("s", study, {"a": []}, {"a": []}, []))
    assert csv_text(found, GRAPH_COLUMNS) == ",".join(GRAPH_COLUMNS) + "\n"
    assert GRAPH_COLUMNS[:8] == ["variant", "seed", "set", "block", "grid", "neighbours", "segments", "segments_chance"]
    assert GRAPH_COLUMNS.index("phase_cosine_of_lags") == GRAPH_COLUMNS.index("phase_cosine_chance") + 1
