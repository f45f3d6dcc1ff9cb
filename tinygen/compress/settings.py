"""What each step of a recipe can be told: one frozen dataclass a step, its fields being the TOML keys.

A field's ``metadata["check"]`` says what values make sense; ``tinygen.compress.recipe`` reads all of it, so that
a new setting needs no second place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "ALL_VALUES",
    "STEPS",
    "Cluster",
    "Distill",
    "Finetune",
    "FoldBatchnorm",
    "Lottery",
    "LowRank",
    "Phase",
    "Prune",
    "Ptq",
    "Qat",
    "Rigl",
    "RoundCluster",
    "Sensitivity",
    "SparsifyInt8",
    "Step",
    "Structured",
    "Training",
]

Check = Callable[[Any], str]


class Phase:
    """What a step works on; later phases can't be followed by earlier ones."""

    FLOAT = 0  # the Keras model
    QAT = 1  # the Keras model with fake quantization in it
    CONVERT = 2  # makes the int8 flatbuffer
    INT8 = 3  # rewrites the int8 flatbuffer
    ANY = -1  # looks, changes nothing


def _between(low: float, high: float, *, open_low: bool = False, open_high: bool = False) -> Check:
    def check(value: Any) -> str:
        good = (low < value if open_low else low <= value) and (value < high if open_high else value <= high)
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        return "" if good else f"{value} is outside {left}{low:g}, {high:g}{right}"

    return check


def _one_of(*choices: str) -> Check:
    return lambda value: "" if value in choices else f'"{value}" is none of {", ".join(choices)}'


def _each(check: Check) -> Check:
    def all_of(values: Any) -> str:
        items = values.values() if isinstance(values, Mapping) else values
        return next((problem for problem in map(check, items) if problem), "")

    return all_of


def _pattern(value: Any) -> str:
    """An m:n pattern such as 2:4 keeps m of n consecutive input weights."""
    if value == "":
        return ""
    kept, _, of = str(value).partition(":")
    if kept.isdigit() and of.isdigit() and 0 < int(kept) < int(of) <= 32:
        return ""
    return f'"{value}" is no pattern m:n with 0 < m < n <= 32'


_SHARE = _between(0, 1, open_high=True)
_POSITIVE_SHARE = _between(0, 1, open_low=True)
ALL_VALUES = 255  # symmetric int8
_VALUES = _between(2, ALL_VALUES)
_EPOCHS = _between(0, 10_000)


def _setting(default: Any, check: Check | None = None) -> Any:
    metadata = {"check": check} if check else {}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What every step knows.

    Attributes:
        layers: which layers: names, globs (``conv*``) and kinds (``kind:dense``, ``kind:conv``, ``kind:pointwise``,
            ``kind:depthwise``); empty for all that the step can treat.
        skip: layers to leave alone, in the same terms.
        max_drop: floor: how far the metric may fall below the uncompressed model's; ``None`` takes the recipe's.
    """

    kind: ClassVar[str] = ""
    phase: ClassVar[int] = Phase.FLOAT
    layers: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    max_drop: float | None = _setting(None, _between(0, 10))


@dataclass(frozen=True, kw_only=True)
class Training(Step):
    """What every step with fine-tuning knows.

    Attributes:
        epochs: passes over the training split; 0 trains nothing.
        learning_rate: of Adam, at the start.
        schedule_rate: ``constant``, or ``cosine`` down to 1 % of it.
        batch_size: samples.
        batchnorm: ``update`` its statistics (with momentum 0.9: the usual 0.99 never arrives in a short run), or
            ``freeze`` them, which is better for a few hundred samples.
        alpha: weight of the teacher's answers against the labels'; 1 needs no labels.
        temperature: softens the teacher's and the model's probabilities [Hinton 2015].
        teacher: ``original`` for the model as it was given.
        mixup: strength of mixing pairs of samples [Zhang 2018]; 0 for none.
        noise: standard deviation of noise added to the samples, as a share of each input's own.
    """

    epochs: int = _setting(5, _EPOCHS)
    learning_rate: float = _setting(1e-3, _between(0, 10, open_low=True))
    schedule_rate: str = _setting("cosine", _one_of("constant", "cosine"))
    batch_size: int = _setting(32, _between(1, 65_536))
    batchnorm: str = _setting("freeze", _one_of("freeze", "update"))
    alpha: float = _setting(0.5, _between(0, 1))
    temperature: float = _setting(2.0, _between(0.1, 100))
    teacher: str = "original"
    mixup: float = _setting(0.0, _between(0, 10))
    noise: float = _setting(0.0, _between(0, 10))


@dataclass(frozen=True, kw_only=True)
class Finetune(Training):
    """Train on, keeping what the steps before made (zeros, clusters, fake quantization)."""

    kind: ClassVar[str] = "finetune"
    phase: ClassVar[int] = Phase.QAT


@dataclass(frozen=True, kw_only=True)
class FoldBatchnorm(Step):
    """Fold BatchNorm into the layer before it, as the converter will do: what is made afterwards survives it."""

    kind: ClassVar[str] = "fold_batchnorm"


@dataclass(frozen=True, kw_only=True)
class Prune(Training):
    """Set the weights with the smallest magnitude to zero [Zhu & Gupta 2017, Han 2015].

    Attributes:
        sparsity: share of zeros at the end; ``per_layer`` overrides it by layer name or glob.
        pattern: m:n, at most m of n consecutive weights along the input stay, from the first training step on; replaces
            ``sparsity`` and ``schedule``.
        scope: threshold for each ``layer``, or one for all (``global``), by the weights as they are before.
        schedule: ``constant`` from the start, or ``polynomial`` from ``initial_sparsity`` with ``power``.
        begin, end: share of the training at which the schedule begins and ends.
        frequency: training steps between updates of the mask.
        iterations: repeat prune and train, each time a step further [Frankle 2019 calls it iterative].
        depthwise: also prune depthwise layers, which have few weights to give.
    """

    kind: ClassVar[str] = "prune"
    sparsity: float = _setting(0.5, _SHARE)
    pattern: str = _setting("", _pattern)
    scope: str = _setting("layer", _one_of("layer", "global"))
    schedule: str = _setting("polynomial", _one_of("constant", "polynomial"))
    initial_sparsity: float = _setting(0.0, _SHARE)
    power: float = _setting(3.0, _between(0.1, 10))
    begin: float = _setting(0.0, _SHARE)
    end: float = _setting(0.6, _POSITIVE_SHARE)
    frequency: int = _setting(5, _between(1, 100_000))
    iterations: int = _setting(1, _between(1, 100))
    depthwise: bool = False
    per_layer: Mapping[str, float] = _setting({}, _each(_SHARE))


@dataclass(frozen=True, kw_only=True)
class Cluster(Training):
    """Share few weight values [Han 2016], on the grid that int8 will have.

    Attributes:
        values: at most so many different int8 values; ``per_layer`` overrides it by layer name or glob.
        bits: if positive, at most so many bits a weight on average; each layer then gets as many values as serve the
            outputs best, by the table of the sensitivity step before. ``per_layer`` still goes first.
        scope: values for each ``tensor`` (BatchNorm is folded first), or for each output ``channel``.
        preserve_sparsity: zeros stay zeros and are one of the values.
        engine: ``tinygen`` lets the shared values follow the weights behind them; ``tfmot`` trains the values
            themselves, in the Model Optimization Toolkit's wrappers, but for layers that these can't treat.
        centroids: where TFMOT starts: at the ``exact`` solution of k-means on the int8 weights, or by its own
            ``kmeans++``, ``density``, ``linear`` or ``random``.
    """

    kind: ClassVar[str] = "cluster"
    values: int = _setting(16, _VALUES)
    bits: float = _setting(0.0, _between(0, 8))
    scope: str = _setting("tensor", _one_of("tensor", "channel"))
    preserve_sparsity: bool = True
    engine: str = _setting("tinygen", _one_of("tinygen", "tfmot"))
    centroids: str = _setting("exact", _one_of("exact", "kmeans++", "density", "linear", "random"))
    per_layer: Mapping[str, int] = _setting({}, _each(_VALUES))


@dataclass(frozen=True, kw_only=True)
class Structured(Training):
    """Remove whole channels for good [Li 2017; Liu 2017 for gamma].

    Attributes:
        fraction: share of the channels to remove; ``per_layer`` overrides it by layer name or glob.
        scope: the same share in each ``layer``, or wherever channels matter least (``global``).
        score: what a channel matters: ``l1`` norm of its weights, or BatchNorm's ``gamma``.
        multiple: keep a multiple of so many channels; kernels like 2 or 4.
        reconstruct: fit the remaining weights to the outputs of before, by least squares, prior to training.
        iterations: remove and train several times, each time a part.
    """

    kind: ClassVar[str] = "structured"
    fraction: float = _setting(0.5, _SHARE)
    scope: str = _setting("layer", _one_of("layer", "global"))
    score: str = _setting("l1", _one_of("l1", "gamma"))
    multiple: int = _setting(4, _between(1, 256))
    reconstruct: bool = True
    iterations: int = _setting(1, _between(1, 20))
    per_layer: Mapping[str, float] = _setting({}, _each(_SHARE))


@dataclass(frozen=True, kw_only=True)
class LowRank(Training):
    """Replace dense and 1x1 layers by two thinner ones by singular value decomposition [Denton 2014].

    Attributes:
        energy: share of the squared singular values to keep.
        budget: at most this share of a layer's weights; 0 for no budget. Both hold where both are given.
    """

    kind: ClassVar[str] = "low_rank"
    energy: float = _setting(0.95, _POSITIVE_SHARE)
    budget: float = _setting(0.0, _between(0, 1))


@dataclass(frozen=True, kw_only=True)
class Distill(Training):
    """Train a student on its teachers' answers [Hinton 2015].

    Attributes:
        student: a model file, relative to the recipe; empty for the current model.
        teachers: model files or ``original``; their answers are averaged.
        staged: one teacher after the other instead, ``epochs`` with each [Mirzadeh 2020].
    """

    kind: ClassVar[str] = "distill"
    alpha: float = _setting(0.9, _between(0, 1))
    student: str = ""
    teachers: tuple[str, ...] = ("original",)
    staged: bool = False


@dataclass(frozen=True, kw_only=True)
class Lottery(Training):
    """Train, prune, rewind to the early weights, with the mask kept [Frankle 2020: linear mode connectivity].

    Attributes:
        sparsity: share of zeros at the end.
        rounds: how often to rewind; each prunes the same share of what is left.
        rewind_epoch: which epoch's weights are returned to; 0 for those at the start.
    """

    kind: ClassVar[str] = "lottery"
    sparsity: float = _setting(0.5, _SHARE)
    rounds: int = _setting(2, _between(1, 20))
    rewind_epoch: int = _setting(1, _EPOCHS)


@dataclass(frozen=True, kw_only=True)
class Rigl(Training):
    """Sparse training whose mask moves: drop small weights, grow where gradients are large [Evci 2020].

    Attributes:
        sparsity: share of zeros, all the time.
        moved: share of the remaining weights that the first update moves; falls to 0 by a cosine.
        frequency: training steps between updates.
        until: share of the training after which the mask stays.
    """

    kind: ClassVar[str] = "rigl"
    sparsity: float = _setting(0.5, _SHARE)
    moved: float = _setting(0.3, _POSITIVE_SHARE)
    frequency: int = _setting(10, _between(1, 100_000))
    until: float = _setting(0.75, _POSITIVE_SHARE)


@dataclass(frozen=True, kw_only=True)
class Qat(Training):
    """Train with fake quantization [Jacob 2018] in the layers that the Model Optimization Toolkit knows."""

    kind: ClassVar[str] = "qat"
    phase: ClassVar[int] = Phase.QAT


@dataclass(frozen=True, kw_only=True)
class Ptq(Step):
    """Convert to int8 by calibration on the training split; done by itself where a recipe doesn't say it.

    Attributes:
        activations: ``int8``, or ``int16`` for 16-bit activations with 8-bit weights.
        calibration_samples: how many samples set the ranges.
        dense_per_channel: a scale for each neuron of dense layers.
    """

    kind: ClassVar[str] = "ptq"
    phase: ClassVar[int] = Phase.CONVERT
    activations: str = _setting("int8", _one_of("int8", "int16"))
    calibration_samples: int = _setting(256, _between(1, 100_000))
    dense_per_channel: bool = False


@dataclass(frozen=True, kw_only=True)
class RoundCluster(Step):
    """Leave at most ``values`` different int8 values in each tensor or channel, without training.

    Attributes:
        values: at most so many; ``per_layer`` overrides it by layer name or glob.
        bits: if positive, at most so many bits a weight on average; each layer then gets as many values as serve the
            outputs best, by the table of the sensitivity step before. ``per_layer`` still goes first.
        scope: for each ``tensor``, or for each output ``channel``.
        rescale: fit the scale of each channel, too: a closer match at the same size.
        bias_correction: move the biases so that each channel's mean output stays, on the training split.
        compensate: choose values for the outputs' sake, not each for its weight's: convolutions and dense layers,
            on the training split [Frantar 2023].
    """

    kind: ClassVar[str] = "round_cluster"
    phase: ClassVar[int] = Phase.INT8
    values: int = _setting(16, _VALUES)
    bits: float = _setting(0.0, _between(0, 8))
    scope: str = _setting("tensor", _one_of("tensor", "channel"))
    rescale: bool = True
    bias_correction: bool = True
    compensate: bool = True
    per_layer: Mapping[str, int] = _setting({}, _each(_VALUES))


@dataclass(frozen=True, kw_only=True)
class SparsifyInt8(Step):
    """Set the smallest int8 weights to zero, without training.

    Attributes:
        sparsity: share of zeros in each tensor.
        threshold: if positive, magnitudes up to it become zero instead.
        bias_correction: as for ``round_cluster``.
    """

    kind: ClassVar[str] = "sparsify_int8"
    phase: ClassVar[int] = Phase.INT8
    sparsity: float = _setting(0.3, _SHARE)
    threshold: int = _setting(0, _between(0, 127))
    bias_correction: bool = True


@dataclass(frozen=True, kw_only=True)
class Sensitivity(Step):
    """What each layer alone costs in a smaller form; changes nothing, fills the log's table.

    Measured on the int8 file where there is one, with biases corrected, else on the float model.

    Attributes:
        values: numbers of clusters to try; 255 is as good as all.
        sparsity: shares of zeros to try.
        samples: at most so many samples of the training split: the validation split is not to choose forms. Of an
            int8 file at most 100, since the reference interpreter takes its time.
    """

    kind: ClassVar[str] = "sensitivity"
    phase: ClassVar[int] = Phase.ANY
    values: tuple[int, ...] = _setting((16, 8, 4), _each(_VALUES))
    sparsity: tuple[float, ...] = _setting((0.5,), _each(_SHARE))
    samples: int = _setting(300, _between(1, 1_000_000))


STEPS: Mapping[str, type[Step]] = {
    cls.kind: cls
    for cls in (
        *(Ptq, Qat, Finetune, FoldBatchnorm, Prune, Cluster, Structured, LowRank, Distill, Lottery, Rigl),
        *(RoundCluster, SparsifyInt8, Sensitivity),
    )
}
