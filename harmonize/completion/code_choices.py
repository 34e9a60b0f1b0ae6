"""Complete the codes of a training batch by a teacher's logits."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from harmonize.completion.within import Choices, complete
from harmonize.labels.target_space import WEIGHT_LEVELS, TargetSpace

# Letters of shapes: B pictures, K leaves, H x W pixels.


@dataclass(frozen=True)
class CompletedCodes:
    """What a batch's codes become.

    Attributes:
        codes: of the target space.
        levels: the weight of each pixel, in steps of 1 / ``WEIGHT_LEVELS``.
        open: pixels whose label could become finer.
        completed: those of them that did.
    """

    codes: Integer[Tensor, "B H W"]
    levels: UInt8[Tensor, "B H W"]
    open: int
    completed: int


class CodeChoices:
    """What the labels of a target space can become, on a device.

    Args:
        space: made with ``finer``.
        confidence: the probability within its label that a finer set must reach.
        device: of the logits.
    """

    def __init__(self, space: TargetSpace, confidence: float, device: torch.device) -> None:
        masks = torch.as_tensor(space.masks)
        self._choices: dict[int, tuple[Tensor, Choices]] = {}
        for label, finer in space.finer_codes().items():
            codes = torch.tensor([*finer])
            choices = Choices(
                masks[codes].to(device),
                torch.tensor([*finer.values()], device=device),
                torch.full((len(finer),), confidence, device=device),
            )
            self._choices[label] = codes.to(device), choices

    def complete(
        self, logits: Float[Tensor, "B K H W"], codes: Integer[Tensor, "B H W"]
    ) -> CompletedCodes:
        """Let each code become the deepest finer one that is probable enough.

        Args:
            logits: of the teacher; computed with in float32.
            codes: of the target space, or its ``ignore``, which stays.
        """
        found, levels = codes.clone(), torch.full_like(codes, WEIGHT_LEVELS, dtype=torch.uint8)
        by_pixel = logits.movedim(1, -1)
        num_open = num_completed = 0
        for label, (its_codes, choices) in self._choices.items():
            here = codes == label
            number = int(here.sum())
            if not number:
                continue
            probabilities = by_pixel[here].float().softmax(1).T
            chosen = complete(probabilities, choices)
            found[here] = its_codes[chosen.numbers].to(codes.dtype)
            levels[here] = (chosen.confidence * WEIGHT_LEVELS).round().clamp(min=1).to(torch.uint8)
            num_open += number
            num_completed += int((chosen.numbers > 0).sum())
        return CompletedCodes(found, levels, num_open, num_completed)
