"""The IR's text of a model that the builder makes."""

from __future__ import annotations

from support.golden import check_golden
from support.sample_models import small_cnn

from tinygen.ir import to_text
from tinygen.load.tflite import read_graph


def test_small_cnn(update_golden: bool) -> None:
    graph = read_graph(small_cnn().build(), source="small_cnn.tflite", name="small_cnn")
    check_golden("ir/small_cnn.txt", to_text(graph), update=update_golden)
