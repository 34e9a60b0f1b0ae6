"""Which keys of a config make a run another one."""

from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.runs.identity import check_same_config
from tiny import tiny_config

RUN = Path("run")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model.freeze=2", "model"),
        ("model.freeze_statistics=true", "model"),
        ("optim.encoder_lr=0.1", "optim"),
        ("optim.layer_decay=0.9", "optim"),
        ("optim.clip=1", "optim"),
        ("train.ema=0.9", "train.ema"),
        ("train.steps=7", "train.steps"),
        ("seed=1", "seed"),
        ("mix.by=sqrt", "mix"),
        ("mix.to={fine: 2}", "mix"),
        ("evaluate.size=24", "evaluate.size"),
        ("datasets.0.size=8", "datasets"),
    ],
)
def test_what_changes_the_weights_is_refused(override: str, named: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        check_same_config(tiny_config(RUN, RUN, override), tiny_config(RUN, RUN), RUN)
    assert str(caught.value) == (
        f"run: was made with another {named}; resume with the run's own config, or start a new run"
    )


def test_another_step_of_unfreezing_is_refused() -> None:
    frozen = ["model.freeze=1", "train.unfreeze_at=2"]
    with pytest.raises(HarmonizeError, match=r"another train\.unfreeze_at;"):
        check_same_config(
            tiny_config(RUN, RUN, *frozen), tiny_config(RUN, RUN, "model.freeze=1"), RUN
        )


@pytest.mark.parametrize(
    "override",
    ["train.patience=3", "train.log_every=7", "data.workers=3", "train.on_bad_numbers=skip"],
)
def test_what_may_change_is_taken(override: str) -> None:
    plain = ["train.evaluate_every=2"]
    check_same_config(tiny_config(RUN, RUN, *plain, override), tiny_config(RUN, RUN, *plain), RUN)
