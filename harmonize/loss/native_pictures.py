"""The loss in C where a pixel's gradient depends on its whole picture: hardest pixels, regions."""

import ctypes

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from harmonize.loss.eager import LossSums
from harmonize.loss.native_loss import LossBatch, load, use_large_pages
from harmonize.loss.region import RegionTables
from harmonize.loss.tables import LossTables
from harmonize.system.threads import share_out

# Letters of shapes: B pictures, K leaves, H x W pixels, N rows of the loss's tables, M codes and
# one for ignore.


class _Region(ctypes.Structure):
    """The tables of a region loss as ``regions.h`` declares them."""

    _fields_ = (
        ("codes", ctypes.c_int64),
        ("groups", ctypes.c_int64),
        ("group", ctypes.c_void_p),
        ("depth", ctypes.c_void_p),
        ("inside", ctypes.c_void_p),
        ("outside", ctypes.c_void_p),
        ("asked", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("false_positive", ctypes.c_double),
        ("false_negative", ctypes.c_double),
        ("scale", ctypes.c_double),
    )


class _LossJob(ctypes.Structure):
    """The arguments as ``picture_loss.c`` declares them."""

    _fields_ = (
        ("batch", LossBatch),
        ("code", ctypes.c_void_p),
        ("region", ctypes.POINTER(_Region)),
        ("hardest", ctypes.c_float),
        ("labelled", ctypes.c_void_p),
        ("nothing", ctypes.c_int32),
        ("learned", ctypes.c_void_p),
        ("total", ctypes.c_void_p),
        ("terms", ctypes.c_void_p),
        ("region_loss", ctypes.c_void_p),
        ("pictures", ctypes.c_int64),
        ("pieces", ctypes.c_int64),
    )


def native_picture_sums(
    logits: Float[Tensor, "B K H W"],
    codes: Int32[Tensor, "B HW"],
    rows: Int32[Tensor, "B HW"],
    tables: LossTables,
    *,
    scale: Float[Tensor, " N"],
    labelled: Bool[Tensor, " M"],
    hardest: float,
    region: RegionTables | None,
    each_region: float,
    gradient: bool,
) -> tuple[LossSums, Int32[Tensor, "B HW"] | None, Float[Tensor, " B"]]:
    """Sum the loss over the pixels of each picture, and work out the gradient of all of it.

    Args:
        logits: one per leaf; not copied unless the rows of a picture are apart.
        codes: the row of each pixel's label among the first M of the tables.
        rows: the same, of data sets and weights that have rows of their own.
        tables: on the CPU, not scaled: the hardest pixels are chosen by them.
        scale: of each row.
        labelled: whether a pixel of a code counts.
        hardest: the share of each picture's labelled pixels that are learned from.
        region: of the region loss, if there is one.
        each_region: the factor of the region losses in the gradient.
        gradient: whether to work it out.

    Returns:
        The sums of the log loss with the gradient of both, the codes of the pixels that are learned
        from (None for all), and the region losses, not scaled.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    number, depths = len(logits), tables.resolved.shape[1]
    library = load(depths, bfloat16=logits.dtype == torch.bfloat16, name="picture_loss.c")
    codes, scale = codes.contiguous(), scale.float().contiguous()
    batch = LossBatch(logits, rows, tables, scale=scale, gradient=gradient)
    use_large_pages(library, batch.gradient)
    total = torch.zeros(number, dtype=torch.float64)
    terms = torch.zeros(number, depths, dtype=torch.float64)
    region_loss = torch.zeros(number, dtype=torch.float64)
    learned = torch.empty_like(codes) if hardest < 1 else None
    pieces = min(torch.get_num_threads(), number)  # each picture's sums are its own
    job = _LossJob(
        batch=batch,
        code=codes.data_ptr(),
        hardest=hardest,
        labelled=labelled.data_ptr(),
        nothing=len(labelled) - 1,
        learned=None if learned is None else learned.data_ptr(),
        total=total.data_ptr(),
        terms=terms.data_ptr(),
        region_loss=region_loss.data_ptr(),
        pictures=number,
        pieces=pieces,
    )
    weight = torch.empty(0)
    if region is not None:
        weight = region.weight.float().contiguous()
        job.region = ctypes.pointer(_region(region, weight, each_region))
    if not share_out(library.picture_loss, job, pieces):
        raise MemoryError
    return LossSums(total, terms, batch.gradient), learned, region_loss


def _region(tables: RegionTables, weight: Float[Tensor, " D"], scale: float) -> _Region:
    return _Region(
        codes=len(tables.inside),
        groups=len(tables.groups),
        group=tables.ranges.data_ptr(),
        depth=tables.depth.data_ptr(),
        inside=tables.inside.data_ptr(),
        outside=tables.outside.data_ptr(),
        asked=tables.asked.data_ptr(),
        weight=weight.data_ptr(),
        false_positive=tables.false[0],
        false_negative=tables.false[1],
        scale=scale,
    )
