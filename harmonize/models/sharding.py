"""Networks whose parameters are shared out: each process keeps a part of every one (FSDP2).

A unit of the network, such as a stage of its encoder, is gathered when its pass begins, forward or
backward, and its parts alone are kept after it (Zhao et al., "PyTorch FSDP", 2023). torch's
``fully_shard`` is applied here: Accelerate (1.15) leaves its FSDP plugin unused on CPUs, and trains
with DDP there without a word.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from harmonize.models.segmenter import Segmenter

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

_TENSOR, _FSDP = "torch.distributed.tensor", "torch.distributed.fsdp"
"""Modules of torch that take most of a second to import, and only sharded networks have use for."""
_UNITS = 16
"""A unit has at least one part in so many of the parameters: small messages take long."""


def shard_network(network: Segmenter, accelerator: Accelerator) -> None:
    """Share a network's parameters out over all processes, which must all call this.

    Its buffers, such as the statistics of batch norm, stay whole in each of them. Parameters lie in
    torch's own order, as shared ones cannot be ``channels_last``.

    Args:
        network: on the CPU, with the same weights in every process; is changed in place.
        accelerator: whose device and precision it is for.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    units = find_units(network)
    # Not placed on the device here: it need not hold the whole network at any time.
    accelerator.prepare_model(network, device_placement=False, evaluation_mode=True)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for unit in [*units, network]:
        unit.register_forward_hook(_without_views)
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)


def is_sharded(network: nn.Module) -> bool:
    """Say whether a network's parameters are shared out."""
    return _is_unit(network)


@contextlib.contextmanager
def gathered(network: nn.Module) -> Iterator[None]:
    """Let every process have the whole network meanwhile; all must call this.

    So each of them can answer as many pictures as it likes, without the others.
    """
    units = [part for part in network.modules() if _is_unit(part)]
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for unit in units:
            unit.set_reshard_after_forward(True, recurse=False)
            unit.reshard()


def own_part(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor, in the same memory; all of one that is not shared."""
    return tensor.to_local().detach() if _is_shared(tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor, gathered if it is shared out; every process must call this."""
    return tensor.full_tensor().detach() if _is_shared(tensor) else tensor


def shared_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Share a tensor that every process has out as another one of its shape is."""
    if not _is_shared(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = like.device_mesh, like.placements
    return distribute_tensor(tensor.to(like.device), mesh, placements, src_data_rank=None)


def whole_state(state: Mapping[str, Tensor], *, keep: bool = True) -> dict[str, Tensor]:
    """Return tensors with those gathered that are shared out; every process must call this.

    Args:
        state: by name.
        keep: whether this process wants them; else it only takes part, and gets none of them.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        gathered_ = whole(tensor)  # one at a time: a device need not hold all of them
        if keep:
            found[name] = gathered_ if gathered_ is tensor else gathered_.cpu()
    return found


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load whole tensors, which every process has, into a network whether or not it is sharded.

    Raises:
        RuntimeError: they are of another network.
    """
    own = cast("dict[str, Tensor]", network.state_dict())
    network.load_state_dict(
        {name: shared_like(tensor, own.get(name, tensor)) for name, tensor in state.items()}
    )


def _without_views(_module: nn.Module, _inputs: object, outputs: object) -> object:
    """Copy what a unit returns if it is a view of something else.

    Where it were changed in place, as by ``features += skipped``, the unit would not be gathered
    for its backward pass.
    """
    if not torch.is_grad_enabled():
        return outputs
    return tree_map_only(Tensor, lambda one: one.clone() if one._is_view() else one, outputs)


def _is_shared(tensor: Tensor) -> "TypeGuard[DTensor]":
    return _TENSOR in sys.modules and isinstance(tensor, sys.modules[_TENSOR].DTensor)


def _is_unit(module: nn.Module) -> "TypeGuard[FSDPModule]":
    return _FSDP in sys.modules and isinstance(module, sys.modules[_FSDP].FSDPModule)


def find_units(network: Segmenter) -> list[nn.Module]:
    """Return the modules to gather by themselves, inner ones before those that hold them.

    None where a parameter is in two places, which may be two units.
    """
    parameters = [p for _, p in network.named_parameters(remove_duplicate=False)]
    if len({id(parameter) for parameter in parameters}) < len(parameters):
        return []
    least = sum(parameter.numel() for parameter in parameters) / _UNITS
    once, units = _called_once(network), list[nn.Module]()

    def left_over(module: nn.Module) -> int:
        number = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        number += sum(left_over(child) for child in module.children())
        if number < least or module in (network, network.network) or module not in once:
            return number
        units.append(module)
        return 0

    left_over(network)
    return units


def _called_once(network: Segmenter) -> set[nn.Module]:
    """Return the modules that a pass calls as such, and once: others have their weights taken."""
    calls: Counter[nn.Module] = Counter()

    def count(module: nn.Module, *_: object) -> None:
        calls[module] += 1

    hooks = [module.register_forward_pre_hook(count) for module in network.modules()]
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network(torch.zeros(1, network.in_channels, network.stride, network.stride))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return {module for module, number in calls.items() if number == 1}
