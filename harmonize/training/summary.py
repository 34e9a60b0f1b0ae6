"""What a run says of itself before it starts, and of what went wrong at its end."""

from accelerate import Accelerator
from torch import nn

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.ontology import Ontology
from harmonize.runs.health import Watch


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
    sets = ", ".join(f"{d.spec.name} ({len(d)} pictures)" for d in trained)
    precision = "float32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision
    return (
        f"ontology {ontology.name}: {len(ontology.leaves)} leaves, {ontology.depth} depths\n"
        f"training on {sets}\n"
        f"{config.model.title}, {parameters / 1e6:.1f} M parameters, {precision}, "
        f"{accelerator.num_processes} x {accelerator.device.type}, "
        f"steps {step} to {config.train.steps} of {config.data.batch_size} pictures"
    )


def bad_news(watch: Watch, bad: BadList | None) -> list[str]:
    """Return a line for each kind of thing that a run has skipped."""
    lines = [] if bad is None else [bad.summary()]
    if watch.skipped:
        lines.append(f"skipped for bad numbers: {watch.skipped} steps")
    return [f"\n{line}" for line in lines if line is not None]
