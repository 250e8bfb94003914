"""What the README shows runs as it stands there."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_examples_run_and_predict(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    printed = re.search(r"right about the others: ([0-9.]+)", capsys.readouterr().out)
    assert printed and float(printed[1]) > 0.9
    assert namespace["output"].shape == namespace["query"].shape


def test_the_two_commands_are_those_of_the_makefile():
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
