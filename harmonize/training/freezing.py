"""Which parts of a pretrained network are not trained, or not yet."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from harmonize.config.model_config import ModelConfig
from harmonize.config.run_config import RunConfig
from harmonize.errors import raise_all
from harmonize.models.segmenter import Segmenter


def check_finetuning(config: RunConfig, network: Segmenter) -> None:
    """Make sure that a network has the parts that a config treats apart.

    Raises:
        HarmonizeError: it has no encoder, too few stages of it, or no batch norm.
    """
    model, optim, name = config.model, config.optim, config.model.name
    number = len(network.encoder_stages)
    treated = {
        "model.freeze": model.freeze != "none",
        "optim.encoder_lr": optim.encoder_lr != 1,
        "optim.layer_decay": optim.layer_decay != 1,
    }
    problems: list[str] = []
    if not number:
        problems += [
            f"{key}: the network {name} has no encoder; remove the key, or choose another "
            "model.name"
            for key, used in treated.items()
            if used
        ]
    elif isinstance(model.freeze, int) and model.freeze > number:
        problems.append(
            f"model.freeze: the encoder of {name} has {number} stages, got {model.freeze}; say "
            "encoder for all of them"
        )
    if model.freeze_statistics and not _batch_norms(network):
        problems.append(
            f"model.freeze_statistics: the network {name} has no batch norm; remove the key"
        )
    raise_all(problems)


def hold(network: Segmenter, config: ModelConfig, *, frozen: bool) -> None:
    """Hold still what a config says, and train the rest.

    Frozen stages get no gradients, and are in evaluation mode as a whole: their batch norm keeps
    its statistics, and they drop nothing out.

    Args:
        network: whose parts are held.
        config: says which.
        frozen: whether its ``freeze`` holds; ``freeze_statistics`` always does.
    """
    stages = _stages(network, config)
    for stage in stages:
        stage.requires_grad_(not frozen)
    norms = _batch_norms(network) if config.freeze_statistics else ()
    network.held = (*(stages if frozen else ()), *norms)
    network.train()


def _stages(network: Segmenter, config: ModelConfig) -> tuple[nn.Module, ...]:
    """Return the stages that a config names."""
    if config.freeze == "none":
        return ()
    return network.encoder_stages[: None if config.freeze == "encoder" else config.freeze]


def _batch_norms(network: nn.Module) -> tuple[nn.Module, ...]:
    return tuple(module for module in network.modules() if isinstance(module, _BatchNorm))
