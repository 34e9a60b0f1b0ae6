"""The notebook of the tutorials runs from its first cell to its last, and shows what it says."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

KERNEL = "tested"


@pytest.fixture
def _kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have kernels run in this interpreter, and write nothing into the user's folders."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    folder = tmp_path / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": start, "display_name": KERNEL, "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(kernel))


@pytest.mark.slow
@pytest.mark.usefixtures("_kernel")
def test_the_notebook_runs(repo: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(repo / "docs" / "tutorials" / "python-api.ipynb", as_version=4)
    work = tmp_path / "work"
    work.mkdir()
    for cell in notebook.cells:
        cell.source = cell.source.replace('"train.steps=200"', '"train.steps=20"')
    assert '"train.steps=20"' in json.dumps(notebook).replace("\\", "")
    place = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, kernel_name=KERNEL, timeout=600, resources=place).execute()

    shown = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    for source, outputs in shown.items():
        if "run.predict(" in source or "plt." in source.replace("import matplotlib", ""):
            assert any("image/png" in output.get("data", {}) for output in outputs), source
    text = json.dumps([*shown.values()])
    assert "<td>helen</td><td>val</td>" in text
    assert "lfw_parts, test: 12 pictures" in text
    assert text.count("loss ") >= 5
    assert "Warning" not in text
    assert (work / "runs" / "notebook" / "evaluation.json").is_file()


def test_the_notebook_is_kept_without_outputs(repo: Path) -> None:
    notebook = nbformat.read(repo / "docs" / "tutorials" / "python-api.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
