"""Files of ``harmonize export``: read strictly, and answered by ``harmonize predict``."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hand_made import as_graph, facts_of, one_convolution, onnx, untrained_run
from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.config.saved_json import to_json
from harmonize.exporting import facts as describing
from harmonize.exporting.exported_model import open_model
from harmonize.exporting.facts import KEY, Facts
from harmonize.exporting.onnx_file import finish_onnx
from harmonize.inference.predict_options import PredictOptions

# What the arithmetic of three products may differ by.
CLOSE = 1e-4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def made(run: Path) -> tuple[Facts, str]:
    return facts_of(run)


def write(made: tuple[Facts, str], path: Path, model: Any = None, **changes: Any) -> Path:
    """Write a file, its description changed before it is sealed."""
    facts = dataclasses.replace(made[0], **changes)
    path.write_bytes(finish_onnx(model or as_graph(), facts, made[1]))
    return path


def write_raw(
    made: tuple[Facts, str], path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> Path:
    """Write a file whose description says what no ``Facts`` can."""
    with monkeypatch.context() as patch:
        patch.setattr(describing, "to_json", lambda facts: {**to_json(facts), **changes})  # type: ignore[dict-item]
        return write(made, path)


def problem(path: Path) -> str:
    with pytest.raises(HarmonizeError) as caught:
        open_model(path).network(torch.device("cpu"))
    (line,) = caught.value.problems
    return line.removeprefix(f"{path}: ")


def predict(*words: str | Path) -> int:
    try:
        return main(["predict", *map(str, words)])
    except SystemExit as end:
        return int(str(end.code))


def test_the_network_answers_as_the_same_one_of_pytorch(
    made: tuple[Facts, str], tmp_path: Path
) -> None:
    network = open_model(write(made, tmp_path / "m.onnx")).network(torch.device("cpu"))
    pictures = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    expected = one_convolution()(pictures)
    torch.testing.assert_close(network(pictures), expected, atol=CLOSE, rtol=CLOSE)
    assert (network.stride, network.reach) == (1, 0)


def test_one_file_answers_in_the_words_of_every_set(
    run: Path, made: tuple[Facts, str], tmp_path: Path
) -> None:
    """Pure colours are one leaf each, so that every answer is known."""
    file = write(made, tmp_path / "m.onnx")
    pure = np.zeros((16, 24, 3), dtype=np.uint8)
    for number in range(3):
        pure[:, 8 * number : 8 * number + 8, number] = 255
    Image.fromarray(pure).save(tmp_path / "pure.png")
    expected = {
        (): [0, 1, 2],
        ("--depth", "1"): [0, 1, 1],
        ("--as", "fine"): [0, 1, 2],
        ("--as", "coarse"): [0, 255, 255],
        ("--confidence", "0.6", "--uncalibrated"): None,
    }
    for number, (words, values) in enumerate(expected.items()):
        out = tmp_path / str(number)
        assert predict(file, tmp_path / "pure.png", *words, "-o", out) == 0
        legend = json.loads((out / "legend.json").read_text())
        assert legend["file"] == str(file)
        assert legend["run"] == str(run)
        with Image.open(out / "pure.png") as answer:
            found = np.asarray(answer if answer.mode == "P" else answer.convert("L"))
        if values is not None:
            assert found[8, [4, 12, 20]].tolist() == values


def test_the_words_that_a_file_was_exported_for_are_answered_unless_others_are_asked(
    run: Path, tmp_path: Path
) -> None:
    made = facts_of(run, dataset="coarse", decode="leaves", size=20)
    model = open_model(write(made, tmp_path / "m.onnx"))
    plain = model.completed(PredictOptions())
    assert (plain.dataset, plain.decode, plain.size) == ("coarse", "leaves", 20)
    other = model.completed(PredictOptions(depth=1, size="full", decode="tree"))
    assert (other.dataset, other.depth, other.decode, other.size) == (None, 1, "tree", "full")


def test_a_file_keeps_the_mapping_of_a_set_that_is_not_of_the_run(
    run: Path, tmp_path: Path
) -> None:
    text = (run.parent / "coarse.yaml").read_text().replace("name: coarse", "name: third")
    (tmp_path / "third.yaml").write_text(text)
    made = facts_of(run, dataset=str(tmp_path / "third.yaml"))
    (tmp_path / "third.yaml").unlink()
    Image.new("RGB", (24, 20), (255, 0, 0)).save(tmp_path / "red.png")
    file = write(made, tmp_path / "m.onnx")
    assert predict(file, tmp_path / "red.png", "-o", tmp_path / "out") == 0
    legend = json.loads((tmp_path / "out" / "legend.json").read_text())
    assert legend["answers"] == "classes of third"


def test_tiles_and_views_are_those_of_predict(made: tuple[Facts, str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (300, 310, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    file = write(made, tmp_path / "m.onnx")
    options = ["--size", "full", "--no-overlay", "-q"]
    found: list[np.ndarray] = []
    for name, words in {"whole": [], "tiles": ["--tile", "288"], "flip": ["--flip"]}.items():
        assert predict(file, tmp_path / "a.png", *options, *words, "-o", tmp_path / name) == 0
        with Image.open(tmp_path / name / "a.png") as answer:
            found.append(np.asarray(answer))
    assert len(np.unique(found[0])) == 3
    assert (found[0] != found[1]).mean() < 1e-3
    assert (found[0] != found[2]).mean() > 0  # left and right are exchanged, and averaged


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"checkpoint": "best"}, "--checkpoint best: was decided when "),
        ({"precision": "bf16"}, "--precision bf16: was decided when "),
        ({"trust_code": True}, "--trust-code: was decided when "),
    ],
)
def test_what_an_export_has_decided_is_refused(
    made: tuple[Facts, str], tmp_path: Path, options: dict[str, Any], expected: str
) -> None:
    model = open_model(write(made, tmp_path / "m.onnx"))
    with pytest.raises(HarmonizeError) as caught:
        model.completed(PredictOptions(**options))
    assert str(caught.value).startswith(expected)
    assert str(caught.value).endswith("exported; leave it out, or export the run again")


def test_a_confidence_without_calibration_names_the_way_out(
    made: tuple[Facts, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(made, tmp_path / "m.onnx")
    Image.new("RGB", (24, 20)).save(tmp_path / "a.png")
    assert predict(file, tmp_path / "a.png", "--confidence", "0.5", "-o", tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert f"{file} has none; run `harmonize calibrate {made[0].run}` and export it again" in said


def test_other_files_are_refused(made: tuple[Facts, str], tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model at all")
    whole = "is neither a run folder nor a whole ONNX file of `harmonize export`"
    assert problem(path) == whole
    write(made, path)
    path.write_bytes(path.read_bytes()[:-100])
    assert problem(path) == whole
    onnx.save_model(as_graph(), str(path))
    assert problem(path).startswith("is an ONNX file, but not from `harmonize export`; it does")


@pytest.mark.parametrize("where", ["facts", "legend", "weights"])
def test_a_changed_file_is_refused(made: tuple[Facts, str], tmp_path: Path, where: str) -> None:
    path = write(made, tmp_path / "m.onnx")
    model = onnx.load_model(str(path))
    entries = {entry.key: entry for entry in model.metadata_props}
    if where == "facts":
        entries[KEY].value = entries[KEY].value.replace("background", "foreground")
    elif where == "legend":
        entries["legend"].value += " "
    else:
        numbers = bytearray(model.graph.initializer[0].raw_data)
        numbers[0] ^= 1
        model.graph.initializer[0].raw_data = bytes(numbers)
    onnx.save_model(model, str(path))
    assert problem(path) == "is damaged or was changed since its export; export the run again"


def test_a_description_that_means_nothing_is_refused(
    made: tuple[Facts, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    again = "; export the run again"
    assert problem(write(made, path, version=2)) == (
        f"is of version 2, and this harmonize reads 1{again}"
    )
    for key, value in {"stride": -1, "decode": "dice", "mappings": 3}.items():
        found = problem(write_raw(made, path, monkeypatch, **{key: value}))
        assert found.startswith(f"its description: {key}: ")
        assert found.endswith(again)
    assert problem(write(made, path, mappings=made[0].mappings[:1])) == (
        "has not as many mappings as its config has sets"
    )
    model = as_graph()
    data = finish_onnx(model, *made)
    model = onnx.load_model_from_string(data)
    model.metadata_props.add(key=KEY, value="")
    onnx.save_model(model, str(path))
    assert problem(path) == f"says 'harmonize' twice{again}"


def test_graphs_with_parts_elsewhere_are_refused(made: tuple[Facts, str], tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    (tmp_path / "secret").write_bytes(bytes(36))
    model = as_graph()
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="secret")
    assert problem(write(made, path, model)) == (
        "keeps numbers in another file, which is not opened"
    )
    model = as_graph()
    model.graph.node[3].domain = "com.example"
    assert problem(write(made, path, model)) == (
        "has operators that are not ONNX's own: com.example"
    )


def test_a_graph_that_does_something_else_is_refused(
    made: tuple[Facts, str], tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    model = as_graph()
    model.graph.node[1].op_type = "NoSuch"
    assert problem(write(made, path, model)).startswith("onnxruntime cannot load it: ")
    model = as_graph()
    del model.graph.output[2]
    assert problem(write(made, path, model)) == (
        "has other inputs and outputs than an exported network"
    )
    model = as_graph()
    model.graph.node[1].attribute.extend([onnx.helper.make_attribute("strides", [2, 2])])
    network = open_model(write(made, path, model)).network(torch.device("cpu"))
    with pytest.raises(HarmonizeError, match=r"gives logits float32 \(1, 3, 2, 2\), expected"):
        network(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))


def test_a_missing_extra_is_named(
    made: tuple[Facts, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    path = write(made, tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(HarmonizeError) as caught:
        open_model(path)
    assert str(caught.value) == (
        f"{path}: needs onnx, which is not installed; pip install 'harmonize-seg[export]'"
    )
