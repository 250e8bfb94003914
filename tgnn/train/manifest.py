"""The manifest of a checkpoint: what was saved, of which run, by which versions, and a sum of every file.

A flipped bit in a file of arrays is restored silently with wrong values, so every file is read and summed before it is
believed. The manifest is summed itself, and its text must be what this module writes, to the last blank.
"""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NAME = "manifest.json"
FORMAT = 2  # 1 had neither versions nor scores
PACKAGES = ("tgnn", "jax", "orbax-checkpoint", "numpy")


def write(folder: Path, content: dict[str, Any]) -> None:
    """Sums the files of a folder and writes its manifest beside them."""
    content = {
        "format": FORMAT,
        "versions": versions(),
        **content,
        "files": {path: sum_of(folder / path) for path in files_of(folder)},
    }
    (folder / NAME).write_text(text_of({"content": content, "sha256": content_sum(content)}), encoding="utf-8")


def read(folder: Path) -> dict[str, Any] | None:
    """The content of the manifest of a step, if it is of this step and every file that it names is intact, else None.

    Raises:
        ValueError: a newer version of this library wrote it.
    """
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
        manifest = json.loads(text)
        content = manifest["content"]
        intact = (
            text == text_of(manifest)
            and manifest["sha256"] == content_sum(content)
            and content["step"] == int(folder.name)  # else folders were exchanged
            and all(sum_of(folder / path) == digest for path, digest in content["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not intact:
        return None
    found = {"format": 1, "versions": {}, "config": None, "score": None, **content}
    if found["format"] > FORMAT:
        raise ValueError(
            f"{folder} has format {found['format']}, and this tgnn reads up to {FORMAT}; it was written by "
            f"{found['versions']}, so install that version of tgnn or a later one"
        )
    return found


def claimed(folder: Path) -> dict[str, Any] | None:
    """What a manifest of its own step says, without a look at the files; None where there is none."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))["content"]
        return content if content["step"] == int(folder.name) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def versions() -> dict[str, str]:
    """Of the packages that a checkpoint depends on, where they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # imported from a folder
            continue
    return found


def text_of(manifest: dict[str, Any]) -> str:
    """A manifest as it stands in its file."""
    return json.dumps(manifest, indent=1)


def content_sum(content: dict[str, Any]) -> str:
    """The sum of what a manifest says."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def files_of(folder: Path) -> list[str]:
    """The files in and below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def sum_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
