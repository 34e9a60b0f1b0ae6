"""The lines that a run prints before it starts, and at its end about what it skipped."""

from accelerate import Accelerator
from torch import nn

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.ontology import Ontology
from harmonize.plurals import counted
from harmonize.runs.health import RunHealth


def summarize(
    config: RunConfig,
    ontology: Ontology,
    trained: list[SegmentationDataset],
    network: nn.Module,
    accelerator: Accelerator,
    *,
    step: int,
) -> str:
    """Say in a few lines what is about to be trained on what, from a step on."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    held = sum(p.numel() for p in network.parameters() if not p.requires_grad)
    end = f" until step {config.train.unfreeze_at}" if config.train.unfreeze_at else ""
    frozen = f" ({held / 1e6:.1f} M of them frozen{end})" if held else ""
    sets = ", ".join(f"{d.spec.name} ({counted(len(d), 'picture')})" for d in trained)
    precision = "float32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision
    return (
        f"ontology {ontology.name}: {counted(len(ontology.leaves), 'leaf', 'leaves')}, "
        f"{counted(ontology.depth, 'depth')}\n"
        f"training on {sets}\n"
        f"{config.model.title}, {parameters / 1e6:.1f} M parameters{frozen}, {precision}, "
        f"{accelerator.num_processes} x {accelerator.device.type}, "
        f"steps {step} to {config.train.steps} of {counted(config.data.batch_size, 'picture')}"
    )


def bad_news(health: RunHealth, bad: BadList | None) -> list[str]:
    """Return a line for each kind of thing that a run has skipped."""
    lines = [] if bad is None else [bad.summary()]
    if health.skipped:
        lines.append(f"skipped for bad numbers: {counted(health.skipped, 'step')}")
    return [f"\n{line}" for line in lines if line is not None]
