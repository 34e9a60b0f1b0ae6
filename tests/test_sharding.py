"""Networks that are shared out over processes give what whole ones give, and go on anywhere."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

import sharded
from group import Ended, run_group
from harmonize import HarmonizeError, Run
from harmonize.config.model_config import ModelConfig
from harmonize.models.build import build_model
from harmonize.models.segmenter import Segmenter
from harmonize.models.sharding import find_units
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.runs.optimizer_shares import FOLDER
from harmonize.system.processes import processes
from harmonize.training.digest import weights_digest
from run_files import largest_difference, metrics
from staged import FINETUNING
from tiny import tiny_config, write_project

OPTIONS = [
    "data.batch_size=8",
    "optim.name=adamw",
    "optim.lr=0.0002",
    "optim.weight_decay=0.01",
    "optim.clip=0.5",
    "train.ema=0.9",
    "train.evaluate_every=3",
    "train.digest=true",
]
SHARD, RESUME = "model.shard=true", "train.resume=true"
EQUAL = 1e-5
ADVANCED = 1e-4
"""What one step of these changes at least; a run that lost its way differs by as much."""


def tensors(run: Path, step: int = 6) -> dict[str, Tensor]:
    """Return the weights, their average and the teacher's of a checkpoint."""
    found = load_file(checkpoints.step_path(run, step))
    kinds = ("model/", "ema/", "teacher/")
    return {name: tensor.clone() for name, tensor in found.items() if name.startswith(kinds)}


def are_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    """Say whether AdamW has given the same, but for one number in a thousand.

    It divides by a gradient's size: where that is next to nothing, the order of sums decides.
    """
    assert one.keys() == two.keys()
    apart = torch.cat([(one[name] - two[name]).abs().flatten() for name in one])
    return bool((apart > EQUAL).double().mean() < 1e-3)


def in_group(
    number: int,
    project: Path,
    runs: sharded.Runs,
    work: Callable[[Path, sharded.Runs], dict[str, object]] = sharded.train_each,
) -> list[Ended]:
    ended = run_group(number, work, project, runs)
    assert [one.status for one in ended] == [0] * number, [one.stderr for one in ended]
    assert not any("Warning" in one.stderr for one in ended), [one.stderr for one in ended]
    return ended


def cut(run: Path, name: str) -> Path:
    """Copy a run as if it were interrupted after step 3."""
    copy = run.with_name(name)
    shutil.copytree(run, copy)
    checkpoints.step_path(copy, 6).unlink()
    (copy / "evaluation.json").unlink()
    return copy


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run of two processes that share the network out, and one that do not.

    Both are finished, and resumed all the same, which leaves them as they are.
    """
    folder = write_project(tmp_path_factory.mktemp("sharded"))
    runs = [("whole", OPTIONS), ("shared", [*OPTIONS, SHARD])]
    in_group(2, folder, [*runs, *((name, [*options, RESUME]) for name, options in runs)])
    return folder


def test_two_processes_that_share_a_network_give_what_whole_ones_give(project: Path) -> None:
    whole, shared = project / "whole", project / "shared"
    assert are_equal(tensors(whole), tensors(shared))
    assert largest_difference(tensors(shared, 3), tensors(shared)) > ADVANCED
    for one, other in zip(metrics(whole), metrics(shared), strict=True):
        assert one.keys() == other.keys()
        for key in ("step", "event", "input", "weights"):
            assert one.get(key) == other.get(key)
        for key in ("loss", "gradient_norm"):
            assert one.get(key, 0.0) == pytest.approx(other.get(key, 0.0), rel=1e-4)


def test_each_process_writes_its_share_of_the_optimizer(project: Path) -> None:
    both = [load_file(path) for path in (project / "shared" / FOLDER).glob("step-*6-*/*")]
    whole = load_file(checkpoints.step_path(project / "whole", 6))
    assert len(both) == 2
    for name, expected in whole.items():
        if name.startswith("optimizer/") and expected.ndim:
            found = [one[name.removeprefix("optimizer/")] for one in both]
            assert sum(len(part) for part in found) == len(expected)
            assert abs(len(found[0]) - len(found[1])) <= 1
    rest = load_file(checkpoints.step_path(project / "shared", 6))
    assert {t.ndim for name, t in rest.items() if name.startswith("optimizer/")} == {0}
    names = sorted(path.name[:13] for path in (project / "shared" / FOLDER).iterdir())
    assert names == ["step-00000003", "step-00000006"]


def test_one_process_goes_on_where_two_left_off(project: Path) -> None:
    copy = cut(project / "shared", "by-one")
    train(tiny_config(project, copy, *OPTIONS, SHARD, RESUME), name="x")
    assert are_equal(tensors(project / "shared"), tensors(copy))
    assert len(load_file(checkpoints.step_path(copy, 6))) == len(
        load_file(checkpoints.step_path(project / "whole", 6))
    )


@pytest.mark.slow
def test_two_processes_share_out_what_one_or_whole_ones_left(project: Path) -> None:
    alone = train(tiny_config(project, project / "alone", *OPTIONS, SHARD), name="x")
    assert not (alone / FOLDER).exists()
    assert are_equal(tensors(project / "shared"), tensors(alone))
    copies = [cut(alone, "from-one"), cut(project / "whole", "from-whole")]
    copies.append(cut(project / "shared", "to-whole"))
    options = [[*OPTIONS, SHARD, RESUME]] * 2 + [[*OPTIONS, RESUME]]
    in_group(2, project, [(copy.name, some) for copy, some in zip(copies, options, strict=True)])
    for copy in copies:
        assert are_equal(tensors(project / "shared"), tensors(copy))


def test_a_run_that_was_sharded_answers_and_is_started_from(project: Path) -> None:
    picture = torch.rand(1, 3, 16, 16) * 255
    answers = [Run.open(project / name).network(picture) for name in ("whole", "shared")]
    assert torch.allclose(*answers, atol=1e-4)
    assert Run.open(project / "shared", which="best").step in (3, 6)
    first = Run.open(project / "shared")
    assert first.predict(Image.new("RGB", (16, 16))) is not None
    start = f"train.start_from={project / 'shared'}"
    config = tiny_config(project, project / "next", "train.steps=1", "train.digest=true", start)
    begun = metrics(train(config, name="x"))[0]
    assert begun["weights"] == weights_digest(first.network)


def test_a_share_that_is_damaged_or_gone_makes_way_for_an_older_checkpoint(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = project / "damaged"
    shutil.copytree(project / "shared", copy)
    (newest,) = (copy / FOLDER).glob("step-00000006-*")
    share = max(newest.iterdir())
    data = bytearray(share.read_bytes())
    data[-1] ^= 1
    share.write_bytes(data)
    config = tiny_config(project, copy, *OPTIONS, SHARD, RESUME)
    train(config, name="x")
    said = capsys.readouterr()
    assert re.search(r"step-00000006\.saf.*: not a whole.*shard-00002.*checksum", said.err)
    assert "steps 3 to 6" in said.out
    shutil.rmtree(copy)
    shutil.copytree(project / "shared", copy)
    for folder in (copy / FOLDER).iterdir():
        max(folder.iterdir()).unlink()
    with pytest.raises(HarmonizeError, match=r"step-0+6\.safetensors: not a whole .*No such file"):
        train(config, name="x")
    assert Run.open(copy).step == 6


@pytest.mark.slow
def test_all_processes_stop_where_one_cannot_write_its_share(project: Path) -> None:
    ended = run_group(2, sharded.fill_a_disk, project, [("full", [*OPTIONS, SHARD])])
    assert [one.status for one in ended] == [2, 2]
    wanted = r"process 1 cannot write its share of the optimizer's state: No space left on device; "
    assert re.search(wanted + "there is none before it", ended[0].stderr)
    assert "error" not in ended[1].stderr
    assert not [*(project / "full" / FOLDER).iterdir()]


@pytest.mark.slow
def test_a_number_that_is_not_finite_in_one_share_is_noticed_by_all(project: Path) -> None:
    ended = run_group(2, sharded.spoil_a_share, project, [("spoiled", [*OPTIONS, SHARD])])
    assert [one.status for one in ended] == [2, 2]
    for one in ended:
        assert "error: step 3: the weights or the optimizer's state are no longer" in one.stderr
    options = [*OPTIONS, SHARD, "train.on_bad_numbers=skip"]
    skipped = run_group(2, sharded.spoil_a_gradient, project, [("skipped", options)])
    assert [one.status for one in skipped] == [0, 0]
    report = project / "skipped" / "bad_numbers" / "step-00000003" / "report.json"
    found = json.loads(report.read_text())
    assert found["not_finite"] == "gradient"
    assert len(found["gradients_not_finite"]) == 1
    assert found["weights_not_finite"] == []


@pytest.mark.slow
def test_four_processes_go_on_where_two_left_off_and_the_reverse(project: Path) -> None:
    two = cut(project / "shared", "two-to-four")
    runs = [("four", [*OPTIONS, SHARD]), (two.name, [*OPTIONS, SHARD, RESUME])]
    in_group(4, project, runs)
    four = project / "four"
    assert len([*(four / FOLDER).glob("step-00000006-*/*")]) == 4
    to_two, to_one = cut(four, "four-to-two"), cut(four, "four-to-one")
    in_group(2, project, [(to_two.name, [*OPTIONS, SHARD, RESUME])])
    train(tiny_config(project, to_one, *OPTIONS, SHARD, RESUME), name="x")
    for run in (four, two, to_two, to_one):
        assert are_equal(tensors(project / "whole"), tensors(run))


EACH = ["data.batch_size=8", "optim.lr=0.01", "optim.clip=0.5", "train.ema=0.9", "train.steps=4"]
"""For SGD, whose steps follow the gradients: they are compared with norms that enlarge rounding."""
TINY = "{hidden_sizes: [8, 8, 8, 8], depths: [1, 1, 1, 1], decoder_hidden_size: 8}"
WAYS = {
    "batch": ["model.norm=batch"],
    "parts": ["train.accumulate=2"],
    "dataset": ["model.norm=batch_per_dataset"],
    "complete": ["train.complete={from: 0.25, every: 1, confidence: 0.4}"],
    "bf16": ["train.precision=bf16"],
    "depths": ["loss.depth_schedule=gradient"],
    "checkpointing": [
        "model={name: unet, encoder: resnet18, checkpointing: true, freeze: 1}",
        "train.unfreeze_at=2",
        "data.size=64",
    ],
    "outputs": [
        "model={name: fcn_resnet50, args: {aux_loss: true}}",
        "data.size=64",  # on less, norms have next to nothing to divide by
        "optim.lr=0.0005",
    ],
    "transformers": [
        f"model={{name: transformers/segformer, args: {TINY}, checkpointing: true}}",
        "data.size=32",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_all_ways_to_train_work_on_a_network_that_is_shared_out(project: Path, name: str) -> None:
    kinds = ("false", "true")
    in_group(
        2,
        project,
        [(f"{name}-{kind}", [*EACH, *WAYS[name], f"model.shard={kind}"]) for kind in kinds],
    )
    whole, shared = (tensors(project / f"{name}-{kind}", 4) for kind in kinds)
    assert whole.keys() == shared.keys()
    equal = 1e-3 if name == "outputs" else EQUAL  # fifty norms enlarge rounding
    for tensor, expected in whole.items():
        assert torch.allclose(shared[tensor], expected, rtol=equal, atol=equal), tensor


@pytest.mark.slow
def test_stages_are_unfrozen_in_a_network_that_is_shared_out(project: Path) -> None:
    options = [*FINETUNING, "model.norm=group"]
    runs = [("staged-whole", options), ("staged-shared", [*options, SHARD])]
    in_group(2, project, runs, sharded.train_staged)
    assert largest_difference(*(tensors(project / name) for name, _ in runs)) < EQUAL


@pytest.mark.slow
def test_a_grown_tree_is_begun_alike_in_a_network_that_is_shared_out(project: Path) -> None:
    (project / "grown").mkdir()
    tree = (project / "tiny.txt").read_text().split("@")[0]
    (project / "grown" / "tiny.txt").write_text(f"{tree}\t\tupper\n\t\tlower\n")
    options = [
        f"ontology={project / 'grown' / 'tiny.txt'}",
        f"train.start_from={project / 'shared'}",
        "train.steps=2",
        "optim.lr=0.01",
        "augment.flip=0",
    ]
    runs = [("grown-whole", options), ("grown-shared", [*options, SHARD])]
    in_group(2, project, runs)
    assert largest_difference(*(tensors(project / name, 2) for name, _ in runs)) < EQUAL


def test_what_does_not_go_with_sharding_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "model.shard: does not go with train.compile; say false in one of them"
    with pytest.raises(HarmonizeError, match=message):
        tiny_config(project, project / "run", SHARD, "train.compile=true")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(HarmonizeError, match=r"--use_fsdp: leave it out .* say model.shard=true"):
        processes()


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.second.weight = self.first.weight

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logits."""
        return self.second(self.first(pictures))


class Borrowing(Tied):
    """A part whose weight is taken without calling it, one that is called twice, and one once."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logits."""
        borrowed = nn.functional.conv2d(pictures, self.first.weight)
        return self.third(self.second(self.second(borrowed)))


def test_what_is_gathered_by_itself_is_called_once_and_has_its_weights_alone() -> None:
    assert find_units(Segmenter(Tied())) == []
    network = Borrowing()
    assert find_units(Segmenter(network)) == [network.third]
    unet = build_model(3, ModelConfig(width=8))
    assert 4 < len(find_units(unet)) <= 16
    assert unet.training
