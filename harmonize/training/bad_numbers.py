"""Notice a loss or a gradient that is not finite before the step is taken."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.loss.hierarchical import LossTerms
from harmonize.models.sharding import own_part
from harmonize.system.agreement import everywhere, num_processes


class Guard:
    """Watches the steps of a network, and takes back what a bad one has changed."""

    def __init__(self, network: nn.Module, *, has_scaler: bool) -> None:
        """Watch a network, without what processes and compilers wrap it in.

        fp16's gradient scaler deals with gradients itself, which overflow as a matter of course.
        """
        self._parameters = list(network.parameters())
        # A forward pass changes the statistics of batch norm.
        self._buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self._counts = [buffer for buffer in network.buffers() if not buffer.is_floating_point()]
        self._kept: list[Tensor] = []
        self._has_scaler = has_scaler

    def begin(self) -> None:
        """Remember what a step changes before it is taken; in as few operations as can be."""
        groups = (self._buffers, self._counts)
        self._kept = [torch.cat([b.flatten() for b in group]) for group in groups if group]

    def take_back(self) -> None:
        """Give the buffers the values that they had when the step began."""
        groups = [group for group in (self._buffers, self._counts) if group]
        with torch.no_grad():
            for group, kept in zip(groups, self._kept, strict=True):
                parts = kept.split([buffer.numel() for buffer in group])
                for buffer, part in zip(group, parts, strict=True):
                    buffer.copy_(part.view_as(buffer))

    def problem(self, terms: list[LossTerms]) -> str | None:
        """Say which of a step's numbers is not finite in any process, the same in all of them.

        Args:
            terms: of the parts of the batch, whose gradients are there.
        """
        loss = torch.stack([part.loss.detach() for part in terms]).sum()
        gradients = [own_part(p.grad) for p in self._parameters if p.grad is not None]
        total = torch.zeros_like(loss) if self._has_scaler else _total(gradients).to(loss)
        flags = torch.stack([loss, total]).isfinite().logical_not().int()
        if num_processes() > 1:
            torch.distributed.all_reduce(flags)
        bad_loss, suspicious = flags.tolist()  # the only time that a GPU is waited for
        if bad_loss:
            return "loss"
        # Unless they are sharded, the processes have the same gradients here.
        return "gradient" if suspicious and not everywhere(_are_finite(gradients)) else None


def check_weights(tensors: Iterable[Tensor], step: int) -> None:
    """Make sure that what a checkpoint is to hold are numbers; every process must call this.

    Raises:
        HarmonizeError: they are not; finite gradients can become too much for an optimizer.
    """
    if not everywhere(_are_finite([own_part(tensor) for tensor in tensors])):
        raise HarmonizeError(
            f"step {step}: the weights or the optimizer's state are no longer finite, and are not "
            "saved: training has diverged; lower optim.lr in a new run"
        )


def not_finite(tensors: Iterable[tuple[str, Tensor | None]]) -> list[str]:
    """Return the names of the tensors that are not finite, in this process's parts of them."""
    return [
        name
        for name, tensor in tensors
        if tensor is not None and not own_part(tensor).isfinite().all()
    ]


def _total(tensors: list[Tensor]) -> Tensor:
    """Return a number that is finite only if all of theirs are; squares of large ones are not."""
    return torch.nn.utils.get_total_norm(tensors)


def _are_finite(tensors: list[Tensor]) -> bool:
    """Say whether all numbers are finite, which takes longer where they are not, or are large."""
    if _total(tensors).isfinite().item():
        return True
    return all(tensor.isfinite().all().item() for tensor in tensors)
