"""Random single-operator models that move elements or reduce them: ``GENERATORS[kind](rng) -> .tflite bytes``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from support.model_builder import ModelBuilder, Output

Rng = np.random.Generator
INT8_OR_FLOAT = ("int8", "int8", "int8", "float32")
WITH_INT32 = ("int8", "int8", "int8", "int16", "int32", "float32")


def _pick(rng: Rng, low: int, high: int) -> int:
    """Uniform, both ends included."""
    return int(rng.integers(low, high + 1))


def _chance(rng: Rng, probability: float = 0.5) -> bool:
    return bool(rng.random() < probability)


def _shape(rng: Rng, rank: int, longest: int = 6) -> tuple[int, ...]:
    """Dimensions of 1 are frequent: they are where layouts are merged."""
    return tuple(1 if _chance(rng, 0.2) else _pick(rng, 1, longest) for _ in range(rank))


def _quantization(rng: Rng, dtype: str) -> tuple[float | None, int]:
    """Scale and zero point, none for float."""
    if dtype == "int8":
        zero_point = int(rng.choice([-128, 127, 0, _pick(rng, -128, 127)]))
        return float(np.float32(2.0 ** rng.uniform(-9, 1))), zero_point
    return (float(np.float32(2.0 ** rng.uniform(-12, -6))), 0) if dtype == "int16" else (None, 0)


def _dtype(rng: Rng, choices: Sequence[str]) -> str:
    return str(rng.choice(list(choices)))


def _axis(rng: Rng, axis: int, rank: int) -> int:
    """The axis, counted from either end."""
    return axis - rank if _chance(rng, 0.3) else axis


class _Model:
    """One operator on one input, its outputs quantized as the input."""

    def __init__(self, rng: Rng, shape: Sequence[int], dtypes: Sequence[str] = ("int8",)) -> None:
        self.builder = ModelBuilder()
        self.dtype = _dtype(rng, dtypes)
        self.scale, self.zero_point = _quantization(rng, self.dtype)
        self.input = self.another(shape)

    def another(self, shape: Sequence[int]) -> int:
        return self.builder.input(shape, self.dtype, scale=self.scale, zero_point=self.zero_point)

    def ints(self, values: Sequence[object], dtype: str = "int32") -> int:
        return self.builder.constant(np.array(values), dtype)

    def finish(self, kind: str, inputs: Sequence[int], shapes: Sequence[Sequence[int]], **options: object) -> bytes:
        outputs = [Output(tuple(s), self.dtype, self.scale, self.zero_point) for s in shapes]
        self.builder.output(*self.builder.op_multi(kind, inputs, outputs, options=options))
        return self.builder.build()


def draw_reshape(rng: Rng) -> bytes:
    shape = _shape(rng, _pick(rng, 1, 5))
    model = _Model(rng, shape, WITH_INT32)
    flat = math.prod(shape)
    divisors = [d for d in range(1, flat + 1) if flat % d == 0]
    rows = int(rng.choice(divisors))
    target = (rows, flat // rows)
    by_tensor = _chance(rng)
    inputs = [model.input, model.ints([-1, flat // rows])] if by_tensor else [model.input]
    return model.finish("RESHAPE", inputs, [target], new_shape=target)


def draw_squeeze(rng: Rng) -> bytes:
    shape = (1, *_shape(rng, _pick(rng, 1, 4)), 1)
    model = _Model(rng, shape, WITH_INT32)
    ones = [i for i, d in enumerate(shape) if d == 1]
    named = sorted(rng.choice(ones, _pick(rng, 1, len(ones)), replace=False).tolist()) if _chance(rng) else []
    target = [d for i, d in enumerate(shape) if i not in (named or ones)] or []
    dims = tuple(_axis(rng, i, len(shape)) for i in named)
    if not target:  # a scalar's shape is easily lost in a flatbuffer; keep a dimension
        dims, target = (0,), list(shape[1:])
    return model.finish("SQUEEZE", [model.input], [target], squeeze_dims=dims)


def draw_expand_dims(rng: Rng) -> bytes:
    shape = _shape(rng, _pick(rng, 1, 4))
    model = _Model(rng, shape, ("int8", "int16", "float32"))
    at = _pick(rng, 0, len(shape))
    axis = model.ints([_axis(rng, at, len(shape) + 1)])
    return model.finish("EXPAND_DIMS", [model.input, axis], [(*shape[:at], 1, *shape[at:])])


def _draw_pad(rng: Rng, kind: str) -> bytes:
    rank = _pick(rng, 1, 5)
    shape = _shape(rng, rank, 4)
    model = _Model(rng, shape, WITH_INT32)
    pads = np.where(rng.random((rank, 2)) < 0.4, 0, rng.integers(0, 4, (rank, 2)))
    if rank == 4 and _chance(rng, 0.6):
        pads[[0, 3]] = 0
    inputs = [model.input, model.ints(pads.tolist())]
    if kind == "PADV2":
        value = _pick(rng, -128, 127) if model.dtype == "int8" else int(rng.choice([0, -1]))
        if model.dtype == "float32":
            value = 0
        scales = None if model.scale is None else [model.scale]
        inputs.append(
            model.builder.constant(
                np.array([value]), model.dtype, scales=scales, zero_points=[model.zero_point] if scales else []
            )
        )
    return model.finish(kind, inputs, [[d + sum(p) for d, p in zip(shape, pads.tolist(), strict=True)]])


def draw_pad(rng: Rng) -> bytes:
    return _draw_pad(rng, "PAD")


def draw_padv2(rng: Rng) -> bytes:
    return _draw_pad(rng, "PADV2")


def draw_mirror_pad(rng: Rng) -> bytes:
    rank = _pick(rng, 1, 4)
    shape = _shape(rng, rank, 5)
    model = _Model(rng, shape, INT8_OR_FLOAT)
    mode = _pick(rng, 0, 1)  # REFLECT, SYMMETRIC
    pads = [[_pick(rng, 0, d - 1 + mode), _pick(rng, 0, d - 1 + mode)] for d in shape]
    paddings = model.ints(pads, str(rng.choice(["int32", "int64"])))
    return model.finish(
        "MIRROR_PAD", [model.input, paddings], [[d + sum(p) for d, p in zip(shape, pads, strict=True)]], mode=mode
    )


def draw_concatenation(rng: Rng) -> bytes:
    rank = _pick(rng, 1, 5)
    shape = _shape(rng, rank)
    axis = _pick(rng, 0, rank - 1)
    lengths = [_pick(rng, 1, 6) for _ in range(_pick(rng, 1, 5))]
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in lengths]
    model = _Model(rng, shapes[0], (*WITH_INT32, "int64", "bool"))
    inputs = [model.input, *(model.another(s) for s in shapes[1:])]
    if model.dtype == "int8" and _chance(rng, 0.3):  # a constant operand
        values = rng.integers(-128, 128, shapes[0])
        inputs.append(model.builder.constant(values, "int8", scales=[model.scale], zero_points=[model.zero_point]))
        lengths.append(lengths[0])
    if _chance(rng, 0.2):  # the same tensor twice
        inputs.append(inputs[0])
        lengths.append(lengths[0])
    target = (*shape[:axis], sum(lengths), *shape[axis + 1 :])
    return model.finish("CONCATENATION", inputs, [target], axis=_axis(rng, axis, rank))


def draw_pack(rng: Rng) -> bytes:
    shape = _shape(rng, _pick(rng, 1, 4))
    model = _Model(rng, shape, (*WITH_INT32, "int64"))
    count = _pick(rng, 1, 5)
    inputs = [model.input, *(model.another(shape) for _ in range(count - 1))]
    axis = _pick(rng, 0, len(shape))
    target = (*shape[:axis], count, *shape[axis:])
    return model.finish("PACK", inputs, [target], axis=_axis(rng, axis, len(target)), values_count=count)


def _draw_split(rng: Rng, kind: str) -> bytes:
    rank = _pick(rng, 1, 4)
    shape = _shape(rng, rank)
    axis = _pick(rng, 0, rank - 1)
    lengths = [_pick(rng, 1, 4) for _ in range(_pick(rng, 1, 4))]
    if kind == "SPLIT":
        lengths = [lengths[0]] * len(lengths)
    model = _Model(rng, (*shape[:axis], sum(lengths), *shape[axis + 1 :]), WITH_INT32)
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in lengths]
    at = model.ints([_axis(rng, axis, rank)])
    inputs = [at, model.input] if kind == "SPLIT" else [model.input, model.ints(lengths), at]
    return model.finish(kind, inputs, shapes, num_splits=len(lengths))


def draw_split(rng: Rng) -> bytes:
    return _draw_split(rng, "SPLIT")


def draw_split_v(rng: Rng) -> bytes:
    return _draw_split(rng, "SPLIT_V")


def draw_unpack(rng: Rng) -> bytes:
    rank = _pick(rng, 2, 5)
    shape = _shape(rng, rank, 4)
    model = _Model(rng, shape, WITH_INT32)
    axis = _pick(rng, 0, rank - 1)
    shapes = [(*shape[:axis], *shape[axis + 1 :])] * shape[axis]
    return model.finish("UNPACK", [model.input], shapes, axis=_axis(rng, axis, rank), num=shape[axis])


def draw_slice(rng: Rng) -> bytes:
    shape = _shape(rng, _pick(rng, 1, 5))
    model = _Model(rng, shape, (*WITH_INT32, "bool"))
    begin = [_pick(rng, 0, d - 1) for d in shape]
    target = [_pick(rng, 1, d - b) for d, b in zip(shape, begin, strict=True)]
    size = [-1 if b + n == d and _chance(rng) else n for b, n, d in zip(begin, target, shape, strict=True)]
    dtype = str(rng.choice(["int32", "int64"]))
    return model.finish("SLICE", [model.input, model.ints(begin, dtype), model.ints(size, dtype)], [target])


def draw_strided_slice(rng: Rng) -> bytes:
    rank = _pick(rng, 1, 4)
    shape = _shape(rng, rank, 8)
    model = _Model(rng, shape, (*WITH_INT32, "bool"))
    begin, end, step, target = [], [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    for axis, length in enumerate(shape):
        stride = int(rng.choice([1, 1, 1, 2, 3, -1, -2]))
        first, last = _pick(rng, -length, length - 1), _pick(rng, -length - 2, length + 2)
        bits = {"begin_mask": _chance(rng, 0.3), "end_mask": _chance(rng, 0.3)}
        if _chance(rng, 0.15):
            stride, bits["shrink_axis_mask"] = 1, True
        taken = range(length)[None if bits["begin_mask"] else first : None if bits["end_mask"] else last : stride]
        if bits.get("shrink_axis_mask"):
            taken = range(1)
        elif not taken:  # TFLM has no empty tensors
            bits, stride, taken = {"begin_mask": True, "end_mask": True}, 1, range(length)
        for name, on in bits.items():
            masks[name] |= int(on) << axis
        begin.append(first)
        end.append(last)
        step.append(stride)
        target += [] if bits.get("shrink_axis_mask") else [len(taken)]
    if not target:
        masks["shrink_axis_mask"] &= ~1
        begin[0], end[0], target = 0, 1, [1]
        masks["begin_mask"] &= ~1
        masks["end_mask"] &= ~1
    inputs = [model.input, model.ints(begin), model.ints(end), model.ints(step)]
    return model.finish("STRIDED_SLICE", inputs, [target], **masks)


def draw_reverse_v2(rng: Rng) -> bytes:
    rank = _pick(rng, 1, 5)
    shape = _shape(rng, rank)
    model = _Model(rng, shape, (*WITH_INT32, "int64", "bool"))
    first = _pick(rng, 0, rank - 1)
    axes = [_axis(rng, a, rank) for a in range(first, _pick(rng, first, rank - 1) + 1)]
    return model.finish("REVERSE_V2", [model.input, model.ints(axes)], [shape])


def draw_transpose(rng: Rng) -> bytes:
    shape = _shape(rng, _pick(rng, 1, 5))
    model = _Model(rng, shape, ("int8", "int8", "int16", "float32"))
    order = rng.permutation(len(shape)).tolist()
    return model.finish("TRANSPOSE", [model.input, model.ints(order)], [[shape[i] for i in order]])


def draw_depth_to_space(rng: Rng) -> bytes:
    (n, h, w, c), b = _shape(rng, 4), _pick(rng, 1, 3)
    model = _Model(rng, (n, h, w, c * b * b), INT8_OR_FLOAT)
    return model.finish("DEPTH_TO_SPACE", [model.input], [(n, h * b, w * b, c)], block_size=b)


def draw_space_to_depth(rng: Rng) -> bytes:
    (n, h, w, c), b = _shape(rng, 4), _pick(rng, 1, 3)
    model = _Model(rng, (n, h * b, w * b, c), INT8_OR_FLOAT)
    return model.finish("SPACE_TO_DEPTH", [model.input], [(n, h, w, c * b * b)], block_size=b)


def draw_space_to_batch_nd(rng: Rng) -> bytes:
    (n, h, w, c), (bh, bw) = _shape(rng, 4), (_pick(rng, 1, 3), _pick(rng, 1, 3))
    if _chance(rng, 0.3):
        model = _Model(rng, (n, h * bh, c), INT8_OR_FLOAT)
        inputs = [model.input, model.ints([bh]), model.ints([[0, 0]])]
        return model.finish("SPACE_TO_BATCH_ND", inputs, [(n * bh, h, c)])
    model = _Model(rng, (n, h * bh, w * bw, c), INT8_OR_FLOAT)
    inputs = [model.input, model.ints([bh, bw]), model.ints([[0, 0], [0, 0]])]
    return model.finish("SPACE_TO_BATCH_ND", inputs, [(n * bh * bw, h, w, c)])


def draw_batch_to_space_nd(rng: Rng) -> bytes:
    (n, h, w, c), (bh, bw) = _shape(rng, 4), (_pick(rng, 1, 3), _pick(rng, 1, 3))
    crops = []
    for length in (h * bh, w * bw):
        first = _pick(rng, 0, length - 1) if _chance(rng) else 0
        crops.append([first, _pick(rng, 0, length - 1 - first) if _chance(rng) else 0])
    out_h, out_w = h * bh - sum(crops[0]), w * bw - sum(crops[1])
    if _chance(rng, 0.3):
        model = _Model(rng, (n * bh, h, c), INT8_OR_FLOAT)
        inputs = [model.input, model.ints([bh]), model.ints(crops[:1])]
        return model.finish("BATCH_TO_SPACE_ND", inputs, [(n, out_h, c)])
    model = _Model(rng, (n * bh * bw, h, w, c), INT8_OR_FLOAT)
    inputs = [model.input, model.ints([bh, bw]), model.ints(crops)]
    return model.finish("BATCH_TO_SPACE_ND", inputs, [(n, out_h, out_w, c)])


def draw_resize_nearest_neighbor(rng: Rng) -> bytes:
    n, h, w, c = _shape(rng, 4, 9)
    model = _Model(rng, (n, h, w, c), ("int8", "int8", "int16", "float32"))
    size = [h * _pick(rng, 1, 3), w * _pick(rng, 1, 3)] if _chance(rng, 0.3) else [_pick(rng, 1, 20), _pick(rng, 1, 20)]
    align, half = [(False, False), (True, False), (False, True), (True, True)][_pick(rng, 0, 3)]
    return model.finish(
        "RESIZE_NEAREST_NEIGHBOR",
        [model.input, model.ints(size)],
        [(n, *size, c)],
        align_corners=align,
        half_pixel_centers=half,
    )


def draw_gather(rng: Rng) -> bytes:
    rank = _pick(rng, 1, 4)
    shape = _shape(rng, rank, 5)
    model = _Model(rng, shape, INT8_OR_FLOAT)
    axis = _pick(rng, 0, rank - 1)
    batch_dims = _pick(rng, 0, min(axis, 1))
    at = (*shape[:batch_dims], *_shape(rng, _pick(rng, 1, 2), 5))
    indices = model.ints(rng.integers(0, shape[axis], at).tolist())
    target = (*shape[:axis], *at[batch_dims:], *shape[axis + 1 :])
    return model.finish("GATHER", [model.input, indices], [target], axis=_axis(rng, axis, rank), batch_dims=batch_dims)


def draw_broadcast_to(rng: Rng) -> bytes:
    target = _shape(rng, _pick(rng, 1, 5), 5)
    source = tuple(1 if _chance(rng, 0.5) else d for d in target[_pick(rng, 0, len(target) - 1) :])
    model = _Model(rng, source, (*WITH_INT32, "int64"))
    return model.finish(
        "BROADCAST_TO", [model.input, model.ints(target, str(rng.choice(["int32", "int64"])))], [target]
    )


def _draw_reduction(rng: Rng, kind: str) -> bytes:
    rank = _pick(rng, 1, 5)
    shape = _shape(rng, rank, 7)
    if _chance(rng, 0.4):  # global average pooling and its like
        rank, shape = 4, (1, _pick(rng, 1, 12), _pick(rng, 1, 12), _pick(rng, 1, 20))
    axes = sorted(rng.choice(rank, _pick(rng, 1, rank), replace=False).tolist())
    if rank == 4 and _chance(rng, 0.4):
        axes = [1, 2]
    model = _Model(rng, shape)
    named = [_axis(rng, a, rank) for a in axes]
    if _chance(rng, 0.2):
        named.append(named[0])  # TFLM ignores repetitions
    keep = _chance(rng)
    target = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
    if not target:
        keep, target = True, [1] * rank
    if kind in ("MEAN", "SUM"):
        spread = rng.uniform(-1, 1) if kind == "MEAN" else rng.uniform(0, 8)
        model.scale, model.zero_point = float(np.float32(model.scale * 2.0**spread)), _pick(rng, -128, 127)
    return model.finish(kind, [model.input, model.ints(named)], [target], keep_dims=keep)


def draw_mean(rng: Rng) -> bytes:
    return _draw_reduction(rng, "MEAN")


def draw_sum(rng: Rng) -> bytes:
    return _draw_reduction(rng, "SUM")


def draw_reduce_max(rng: Rng) -> bytes:
    return _draw_reduction(rng, "REDUCE_MAX")


def draw_reduce_min(rng: Rng) -> bytes:
    return _draw_reduction(rng, "REDUCE_MIN")


def _draw_arg(rng: Rng, kind: str) -> bytes:
    rank = _pick(rng, 2, 4)
    shape = _shape(rng, rank, 9)
    model = _Model(rng, shape)
    axis = _pick(rng, 0, rank - 1)
    at = model.ints([_axis(rng, axis, rank)])
    model.dtype, model.scale = "int32", None
    return model.finish(kind, [model.input, at], [(*shape[:axis], *shape[axis + 1 :])], output_type=2)  # int32


def draw_arg_max(rng: Rng) -> bytes:
    return _draw_arg(rng, "ARG_MAX")


def draw_arg_min(rng: Rng) -> bytes:
    return _draw_arg(rng, "ARG_MIN")


GENERATORS: dict[str, Callable[[Rng], bytes]] = {
    name.removeprefix("draw_").upper(): draw for name, draw in sorted(globals().items()) if name.startswith("draw_")
}
