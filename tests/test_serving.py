"""harmonize serve: its answers are those of harmonize predict, and every refusal is one line."""

import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hand_made import as_graph, facts_of, untrained_run
from harmonize.cli import main
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.exporting.onnx_file import finish_onnx
from harmonize.inference.predict_options import PredictOptions
from harmonize.labels.regions import from_columns, pixels_of_runs
from harmonize.labels.rle import read_runs
from harmonize.system.progress import be_quiet, voice_restored
from served import Served, served

SIZES = ((24, 20), (17, 33), (41, 30), (1, 3))
"""Widths and heights of pictures."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def onnx(run: Path) -> Path:
    """The run's tree and mappings with a network that is one convolution."""
    facts, legend = facts_of(run, dataset="fine")
    path = run.parent / "model.onnx"
    path.write_bytes(finish_onnx(as_graph(), facts, legend))
    return path


@pytest.fixture(scope="module")
def pictures(run: Path) -> dict[str, bytes]:
    """The bytes of pictures by the names of their files, which lie in a folder."""
    rng = np.random.default_rng(3)
    folder = run.parent / "pictures"
    folder.mkdir()
    for number, (width, height) in enumerate(SIZES):
        colors = rng.integers(0, 256, (1 + height // 5, 1 + width // 5, 3), dtype=np.uint8)
        picture = Image.fromarray(colors).resize((width, height), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.png")
    picture = Image.open(folder / "2.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[Served]:
    with voice_restored(), served(run) as one:
        be_quiet(True)  # a line may come when its test is over
        yield one


def predicted(source: Path, run: Path, words: list[str], out: Path) -> tuple[dict[str, Any], Any]:
    """Return what ``harmonize predict`` writes for the pictures: by name, and the legend."""
    pictures = [str(path) for path in sorted((run.parent / "pictures").iterdir())]
    words = ["predict", str(source), *pictures, "-q", "--no-overlay", "--cpu", *words]
    assert main([*words, "-o", str(out)]) == 0
    found = {Path(path).name: Image.open(out / f"{Path(path).stem}.png") for path in pictures}
    return found, json.loads((out / "legend.json").read_text())


QUESTIONS = (
    ("", []),
    ("depth=1", ["--depth", "1"]),
    ("as=fine", ["--as", "fine"]),
    ("as=coarse", ["--as", "coarse"]),
    ("confidence=0.5", ["--confidence", "0.5"]),
    ("as=fine&decode=leaves", ["--as", "fine", "--decode", "leaves"]),
)


def check_all(
    one: Served,
    source: Path,
    run: Path,
    pictures: dict[str, bytes],
    out: Path,
    questions: Sequence[tuple[str, list[str]]] = QUESTIONS,
) -> None:
    for number, (query, words) in enumerate(questions):
        expected, legend = predicted(source, run, words, out / str(number))
        found = one.ask(f"/legend?{query}").json
        assert found["classes"] == legend["classes"]
        numbers = {key: place for place, key in enumerate(found["classes"])}
        for name, data in pictures.items():
            pixels = np.asarray(expected[name])
            png = one.ask(f"/predict?{query}", data)
            assert (png.status, png.headers["content-type"]) == (200, "image/png")
            with Image.open(io.BytesIO(png.body)) as answer:
                assert answer.mode == expected[name].mode
                assert answer.getpalette() == expected[name].getpalette()
                np.testing.assert_array_equal(np.asarray(answer), pixels)
            keys = _keys(pixels, legend["encoding"])
            for form in ("coco", "polygons"):
                found = one.ask(f"/predict?{query}&format={form}", data).json
                drawn = (_coco if form == "coco" else _polygons)(found)
                by_name = {one["name"]: numbers[key] for key, one in legend["classes"].items()}
                wanted = np.vectorize(numbers.__getitem__)(keys)
                np.testing.assert_array_equal(np.vectorize(by_name.__getitem__)(drawn), wanted)


def _keys(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Return the key of the legend that each pixel has."""
    if encoding == "ids":
        return pixels.astype(str)
    return np.apply_along_axis(lambda color: "#{:02x}{:02x}{:02x}".format(*color), 2, pixels)


def _coco(found: Any) -> np.ndarray:
    """Return the name of each pixel."""
    size = found["images"][0]["width"], found["images"][0]["height"]
    names = {one["id"]: one["name"] for one in found["categories"]}
    drawn = np.full(size[0] * size[1], None, dtype=object)
    for one in found["annotations"]:
        places = from_columns(pixels_of_runs(read_runs(one["segmentation"], size, "it")), size)
        assert len(places) == one["area"]
        assert (drawn[places] == None).all()  # noqa: E711
        drawn[places] = names[one["category_id"]]
    return drawn.reshape(size[::-1])


def _polygons(found: Any) -> np.ndarray:
    """Return the name of each pixel, from whether its middle lies in a polygon."""
    drawn = np.full((found["height"], found["width"]), None, dtype=object)
    for one in found["features"]:
        inside = np.zeros(drawn.shape, dtype=bool)
        for ring in one["geometry"]["coordinates"]:
            for (x, y), (x2, y2) in pairwise(ring):
                if x == x2:
                    inside[min(y, y2) : max(y, y2), x:] ^= True
        assert inside.sum() == one["properties"]["area"]
        drawn[inside] = one["properties"]["name"]
    return drawn


def test_answers_are_those_of_predict(
    service: Served, run: Path, pictures: dict[str, bytes], tmp_path: Path
) -> None:
    check_all(service, run, run, pictures, tmp_path)


def test_answers_of_an_exported_file_are_those_of_predict(
    onnx: Path, run: Path, pictures: dict[str, bytes], tmp_path: Path
) -> None:
    with served(onnx) as one:
        check_all(one, onnx, run, pictures, tmp_path, QUESTIONS[1:5])
        # Where nothing is asked it answers as it was exported.
        assert one.ask("/legend").json["answers"] == "classes of fine"


@pytest.mark.parametrize("options", [{"flip": True}, {"size": "full", "scales": (0.5, 1.0)}])
def test_pictures_are_looked_at_as_the_command_says(
    run: Path, pictures: dict[str, bytes], options: dict[str, Any], tmp_path: Path
) -> None:
    words = ["--flip"] if "flip" in options else ["--size", "full", "--scales", "0.5", "1"]
    expected, _ = predicted(run, run, words, tmp_path)
    with served(run, PredictOptions(cpu=True, **options)) as one:
        for name, data in pictures.items():
            answer = Image.open(io.BytesIO(one.ask("/predict", data).body))
            np.testing.assert_array_equal(np.asarray(answer), np.asarray(expected[name]))


@pytest.mark.parametrize("kind", ["network", "onnx"])
def test_sixteen_clients_at_once_get_what_each_gets_alone(
    run: Path, onnx: Path, kind: str, pictures: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    together = TiledNetwork.answer_together

    def noted(network: TiledNetwork, found: Any, *rest: Any) -> Any:
        sizes.append(len(found))
        return together(network, found, *rest)

    monkeypatch.setattr(TiledNetwork, "answer_together", noted)
    questions = [f"/predict?{query}&format=coco" for query, _ in QUESTIONS[2:5]]
    asked = [(path, data) for path in questions for data in pictures.values()]
    with served(run if kind == "network" else onnx, wait=0.2) as one:
        alone = [one.ask(path, data).body for path, data in asked]
        before = one.service.batches.batches
        with ThreadPoolExecutor(16) as clients:
            found = [*clients.map(lambda each: one.ask(*each), asked * 3)]
        assert [reply.status for reply in found] == [200] * len(found)
        assert [reply.body for reply in found] == alone * 3
        assert one.service.batches.batches - before < len(found) / 1.5
        one.wait_until_free()
    assert max(sizes) > 2


def test_a_form_brings_a_picture_too(service: Served, pictures: dict[str, bytes]) -> None:
    data = pictures["1.png"]
    other = b'--x\r\nContent-Disposition: form-data; name="about"\r\n\r\nwords\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    body = other + file + b"Content-Type: image/png\r\n\r\n" + data + b"\r\n--x--\r\n"
    found = service.ask("/predict", body, "multipart/form-data; boundary=x")
    assert found.body == service.ask("/predict", data).body
    assert found.headers["link"] == '</legend?>; rel="describedby"'


def png(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("L", (width, height)).save(data, format="PNG")
    return data.getvalue()


def test_a_photograph_that_is_cut_is_answered_with_a_warning(
    service: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(data, format="JPEG")
    cut = data.getvalue()[:-1500] + bytes(1500)
    found = service.ask("/predict", cut, "image/jpeg")
    assert found.status == 200
    assert found.headers["harmonize-warning"].startswith("the picture: its data end before its")
    assert capsys.readouterr().err == ""  # it is the client's business


FORM = "multipart/form-data; boundary=x"
REFUSED: list[tuple[str, bytes, str, int, str]] = [
    ("depth=3", b"", "", 422, "depth=3: tiny has the depths 1 to 2; say one of them, such as dep"),
    ("depth=x", b"", "", 422, "depth=x: tiny has the depths 1 to 2"),
    ("depth=%C2%B2", b"", "", 422, "depth=²: tiny has the depths 1 to 2"),
    ("as=fin", b"", "", 422, "as=fin: the network knows no such data set; did you mean fine?"),
    ("as=/etc/passwd", b"", "", 422, "as=/etc/passwd: the network knows no such data set; choose"),
    ("confidence=0", b"", "", 422, "confidence=0: expected a probability above 0, up to 1"),
    ("confidence=nan", b"", "", 422, "confidence=nan: expected a probability above 0, up to 1"),
    ("decode=best", b"", "", 422, "decode=best: choose from: tree, leaves, height"),
    ("format=gif", b"", "", 422, "format=gif: choose from: png, coco, polygons"),
    ("dept=1", b"", "", 422, "dept: no such parameter; did you mean depth?"),
    ("depth=1&depth=1", b"", "", 422, "depth: is given twice; say it once"),
    ("depth=1&as=fine", b"", "", 422, "as and depth: give one of them"),
    ("&".join("abcdefghijklmnopqrstuv"), b"", "", 422, "the query: has more than 20 parameters"),
    ("", b"", "image/png", 400, "the body: is empty; send the bytes of a picture"),
    ("", b"hello", "image/png", 400, "the picture: not a readable picture: cannot identify image"),
    ("", png(9, 9)[:40], "image/png", 400, "the picture: not a readable picture: "),
    ("", b"GIF89a", "image/gif", 400, "the picture: not a readable picture: its header is damage"),
    ("", b"II*\0 ", "image/tiff", 400, "the picture: not a readable picture: "),
    ("", b"%PDF-1.4", "image/png", 415, "the picture: is a file of PDF, not opened as a picture;"),
    ("", b"x", "text/html", 415, "Content-Type: text/html: expected a picture; say image/jpeg"),
    ("", bytes(1 << 20) + b"x", "image/png", 413, "the body: has more than 1048576 bytes; send a"),
    ("", png(1025, 1024), "image/png", 413, "the picture: says that it has 1025 x 1024 pixels"),
    ("", png(20000, 20000), "image/png", 413, "the picture: says that it has 20000 x 20000"),
    (
        "",
        png(1, 1 << 20),
        "image/png",
        413,
        "the picture: its 1 x 1048576 pixels would be scaled to",
    ),
    ("", b"x", "multipart/form-data", 400, "Content-Type: multipart/form-data: names no boundary"),
    ("", b"--x\r\n\r\n", FORM, 400, "the form: ends before its end; send all of it"),
    ("", b"--x\r\n\r\na\r\n--x--", FORM, 400, "the form: has no files; send one picture, as the"),
]


@pytest.mark.parametrize(
    ("query", "body", "kind", "status", "line"), REFUSED, ids=[one[4][:30] for one in REFUSED]
)
def test_a_refusal_is_one_line(
    service: Served, query: str, body: bytes, kind: str, status: int, line: str
) -> None:
    found = service.ask(f"/predict?{query}", body, kind)
    assert (found.status, found.error[: len(line)]) == (status, line)
    assert "\n" not in found.error
    assert "harmonize-serve-" not in found.error  # nor a folder of the service
    assert service.service.busy == 0


def test_a_form_with_two_pictures_or_an_empty_one_is_refused(service: Served) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
    two = part % (b"a", b"1") + part % (b"b", b"2") + b"--x--"
    assert service.ask("/predict", two, FORM).error.startswith("the form: has 2 files; send one")
    empty = part % (b"file", b"") + b"--x--"
    assert service.ask("/predict", empty, FORM).error.startswith("the form: its file is empty")


def test_an_encoded_body_is_refused(service: Served) -> None:
    connection = service.connect()
    connection.request("POST", "/predict", b"x", {"Content-Encoding": "gzip"})
    response = connection.getresponse()
    assert response.status == 415
    line = "Content-Encoding: gzip: send the picture as it is, without it"
    assert json.loads(response.read()) == {"error": line}
    connection.close()


def test_other_paths_and_methods_are_named(service: Served) -> None:
    found = service.ask("/predict")
    assert (found.status, found.error) == (405, "GET /predict: is not taken here; use POST")
    found = service.ask("/nowhere")
    assert found.status == 404
    assert found.error == "/nowhere: is not here; see /openapi.json for what is"
    found = service.ask("/legend?format=png")
    assert (found.status, found.error[:25]) == (422, "format: no such parameter")


def test_too_many_regions_are_refused_as_polygons(
    service: Served, pictures: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.serving.region_polygons.MOST", 2)
    found = service.ask("/predict?format=polygons", pictures["2.png"])
    assert found.status == 422
    assert "regions, more than the 2 of polygons; say format=coco or format=png" in found.error
