"""What torch.save wrote comes back as the same numbers, in both of its formats, and nothing but numbers does."""

import collections
import os

import ml_dtypes
import numpy as np
import pytest

from tgnn.datasets.files import torch_pickles

pytestmark = pytest.mark.slow  # importing torch takes longer than all of the tests
FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128".split()


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch writes the files")


def save(torch, path, value, zipped):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_every_type_are_those_of_torch(tmp_path, torch, zipped, dtype):
    tensor = torch.tensor([[0, 1, 3], [7, 0, 100]]).to(getattr(torch, dtype))
    found = torch_pickles.load(save(torch, tmp_path / "x.pt", tensor, zipped))
    assert found.dtype == (ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype))
    np.testing.assert_array_equal(found.astype(complex), tensor.to(torch.complex128).numpy())


@FORMATS
@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"])
def test_numbers_of_the_newer_types_are_those_of_torch(tmp_path, torch, zipped, dtype):
    tensor = torch.tensor([0.0, 1, 3, 6]).to(getattr(torch, dtype))[1:]
    found = torch_pickles.load(save(torch, tmp_path / "x.pt", tensor, zipped))
    assert found.dtype == np.dtype(getattr(ml_dtypes, dtype, dtype))
    np.testing.assert_array_equal(found.astype(float), [1, 3, 6])


@FORMATS
def test_strides_offsets_and_shared_storages_are_honoured(tmp_path, torch, zipped):
    base = torch.arange(60.0).reshape(3, 4, 5)
    views = {
        "whole": base,
        "transposed": base.permute(2, 0, 1),
        "part": base[1:, ::2, 3],
        "expanded": base[0, 0, :1].expand(7, 1),
        "scalar": base[2, 1, 1],
        "empty": base[:, :0],
    }
    found = torch_pickles.load(save(torch, tmp_path / "x.pt", views, zipped))
    assert list(found) == list(views)
    for name, view in views.items():
        np.testing.assert_array_equal(found[name], view.numpy())
    found["whole"][:] = -1  # an array of its own
    assert found["part"].min() >= 0


@FORMATS
def test_a_state_dict_and_what_stands_beside_it_are_plain(tmp_path, torch, zipped):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.LayerNorm(5))
    saved = {
        "model": model.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "shape": torch.Size([2, 3]),
        "step": 7,
        "names": ["a", ("b", None, 0.5)],
        "numpy": np.arange(3),
        "counts": collections.OrderedDict([(1, "x")]),
    }
    found = torch_pickles.load(save(torch, tmp_path / "x.pt", saved, zipped))
    assert type(found["model"]) is dict and list(found["model"]) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(found["model"][name], tensor.numpy())
    np.testing.assert_array_equal(found["parameter"], [1, 1])
    np.testing.assert_array_equal(found["numpy"], [0, 1, 2])
    assert (found["shape"], found["step"], found["names"], found["counts"]) == (
        (2, 3),
        7,
        ["a", ("b", None, 0.5)],
        {1: "x"},
    )


@FORMATS
def test_the_state_of_an_optimizer_is_plain(tmp_path, torch, zipped):
    state = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(2)}}, "param_groups": [{"params": [0]}]}
    found = torch_pickles.load(save(torch, tmp_path / "x.pt", state, zipped))
    np.testing.assert_array_equal(found["state"][0]["exp_avg"], [1, 1])
    assert found["param_groups"] == [{"params": [0]}]


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@FORMATS
def test_a_file_that_runs_a_command_is_refused_before_it_does(tmp_path, torch, zipped):
    path = save(torch, tmp_path / "x.pt", {"w": torch.ones(2), "evil": Evil(tmp_path / "executed")}, zipped)
    with pytest.raises(ValueError, match=r"x.pt is not a plain data pickle: it asks for \w+.system.*not executed"):
        torch_pickles.load(path)
    assert not (tmp_path / "executed").exists()


@FORMATS
def test_a_pickled_module_is_refused(tmp_path, torch, zipped):
    path = save(torch, tmp_path / "x.pt", torch.nn.Linear(2, 2), zipped)
    with pytest.raises(ValueError, match="it asks for torch.nn.modules.linear.Linear"):
        torch_pickles.load(path)


@FORMATS
def test_a_changed_file_is_a_clear_error(tmp_path, torch, zipped):
    path = save(torch, tmp_path / "x.pt", {"w": torch.arange(9.0), "v": torch.arange(3)}, zipped)
    data = path.read_bytes()
    for size in range(0, len(data), 1 + len(data) // 40):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"x.pt is .*get it again"):
            torch_pickles.load(path)
