"""`python -m tgnn` says what there is, and checks it."""

import pytest

import tgnn.__main__ as face
from tgnn.attention.fused.executions import EXECUTIONS


def test_it_names_versions_devices_and_executions_and_checks_the_layouts(capsys):
    face.main()
    text = capsys.readouterr().out
    assert f"tgnn {face.tgnn.__version__}" in text and "cpu" in text and "all is well" in text
    assert all(execution.name in text for execution in EXECUTIONS)
    assert text.count("of the definition") == 3


def test_a_layout_that_is_wrong_is_reported(monkeypatch):
    right = face.flat
    monkeypatch.setattr(face, "flat", lambda layout, how, x: right(layout, how, x) + (how == "fused"))
    with pytest.raises(RuntimeError, match="EdgeList is .* away from the definition"):
        face.check()
