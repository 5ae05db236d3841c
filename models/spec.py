"""What a network is, without its weights: sizes, widths, readout and target.

One spec stands behind training, the integer golden model, the gateware and the driver.
The constants are those of the numeric contract in docs/numerics.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import yaml

__all__ = [
    "ACCUMULATOR_LIMIT",
    "BIAS_MAX",
    "BIAS_MIN",
    "FRACTION_BITS",
    "HB_RANGE",
    "MAX_FAN_IN",
    "MAX_LAYERS",
    "MAX_OUTPUTS",
    "MAX_PLANES",
    "MAX_SHIFT",
    "READOUT_MODES",
    "SCORE_MAX",
    "TARGETS",
    "LayerSpec",
    "NetworkError",
    "NetworkSpec",
    "ReadoutSpec",
]

FRACTION_BITS = 5
"""F: a sum is shifted right by F bits in the gate (docs/decisions/0001-fraction-bits.md)."""

MAX_FAN_IN = 257
"""Sources a row may have: 127 * 257 = 32639 is the last raw sum that fits signed 16 bit."""

HB_RANGE = (3, 7)
"""Smallest and largest number of fraction bits of a state (states of 4 to 8 bits)."""

ACCUMULATOR_LIMIT = 1 << 23
"""A row's worst case must stay below this: the sum before the shift is signed 24 bit, and
exact in float32 as well."""

SCORE_MAX = (1 << 31) - 1
"""Largest running sum of logits: signed 32 bit."""

BIAS_MIN, BIAS_MAX = -(1 << 15), (1 << 15) - 1
MAX_SHIFT = 7
MAX_PLANES = 4
MAX_LAYERS = 4
MAX_OUTPUTS = 65535
MAX_TEXT = 64
MAX_YAML = 1 << 16
READOUT_MODES = ("last", "sum", "every")
TARGETS = ("class", "value")


class NetworkError(ValueError):
    """A network that the numeric contract does not allow; says what was expected and found."""


def _integer(what: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise NetworkError(f"{what} must be an integer from {low} to {high}, not {value!r}")


def _choice(what: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise NetworkError(f"{what} must be one of {', '.join(choices)}, not {value!r}")


def _text(what: str, value: object) -> None:
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        raise NetworkError(f"{what} must be 1 to {MAX_TEXT} printable characters, not {value!r}")


@dataclass(frozen=True)
class LayerSpec:
    """One recurrent layer.

    Parameters
    ----------
    inputs : int
        Width of the layer's input (the network's input, or the units of the layer before).
    units : int
        H, the number of hidden units.
    theta : int
        Dead zone in state steps of 2**-hb, 0 to 2M: a unit moves by softshrink(c - h, theta).
    input_planes, recurrent_planes : int
        Ternary planes of W and U, 1 to 4.
    """

    inputs: int
    units: int
    theta: int = 0
    input_planes: int = 1
    recurrent_planes: int = 1

    def __post_init__(self) -> None:
        # Fan-in is checked against the weights (models.network), which can name the row.
        _integer("inputs of a layer", self.inputs, 1, MAX_OUTPUTS)
        _integer("units of a layer", self.units, 1, MAX_OUTPUTS)
        _integer("theta of a layer", self.theta, 0, 2 * ((1 << HB_RANGE[1]) - 1))
        _integer("input_planes of a layer", self.input_planes, 1, MAX_PLANES)
        _integer("recurrent_planes of a layer", self.recurrent_planes, 1, MAX_PLANES)


@dataclass(frozen=True)
class ReadoutSpec:
    """How the last layer's state becomes an answer.

    Parameters
    ----------
    outputs : int
        C, the number of logits.
    mode : str
        "last": the logits of the last step; "sum": their sum over the steps of a sequence
        (never divided); "every": an answer at every step.
    planes : int
        Ternary planes of R, 1 to 4.
    """

    outputs: int
    mode: str = "last"
    planes: int = 1

    def __post_init__(self) -> None:
        _integer("outputs of the readout", self.outputs, 1, MAX_OUTPUTS)
        _choice("mode of the readout", self.mode, READOUT_MODES)
        _integer("planes of the readout", self.planes, 1, MAX_PLANES)


@dataclass(frozen=True)
class NetworkSpec:
    """Everything about a network but its numbers.

    Parameters
    ----------
    name : str
        For people; 1 to 64 printable characters.
    inputs : int
        I, the width of one time step.
    layers : tuple of LayerSpec
        One to four; layer l + 1 takes the units of layer l as its inputs.
    readout : ReadoutSpec
    target : str
        "class" (the label is the largest score) or "value" (score / 2**(hb + F) is a number).
    hb : int
        Fraction bits of a state, 3 to 7; M = 2**hb - 1 is the largest state.
    labels : tuple of str, optional
        A name per output, for people.
    max_steps : int, optional
        Longest sequence whose running sum is sure to fit 32 bit; given for mode "sum" only.
    task : str, optional
        Name of the task it was trained on.

    Raises
    ------
    NetworkError
        Naming the field, what it must be and what it was.
    """

    name: str
    inputs: int
    layers: tuple[LayerSpec, ...]
    readout: ReadoutSpec
    target: str = "class"
    hb: int = 7
    labels: tuple[str, ...] | None = None
    max_steps: int | None = None
    task: str | None = None

    def __post_init__(self) -> None:
        _text("name", self.name)
        _integer("inputs", self.inputs, 1, MAX_OUTPUTS)
        _integer("hb", self.hb, *HB_RANGE)
        _choice("target", self.target, TARGETS)
        if not isinstance(self.layers, tuple) or not 1 <= len(self.layers) <= MAX_LAYERS:
            raise NetworkError(
                f"layers must be a tuple of 1 to {MAX_LAYERS} LayerSpec, not {self.layers!r}"
            )
        width = self.inputs
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, LayerSpec):
                raise NetworkError(f"layer {number} must be a LayerSpec, not {layer!r}")
            if layer.inputs != width:
                raise NetworkError(
                    f"layer {number} must have {width} inputs, as what feeds it is {width} wide, "
                    f"not {layer.inputs}"
                )
            _integer(f"theta of layer {number} at hb = {self.hb}", layer.theta, 0, 2 * self.M)
            width = layer.units
        if not isinstance(self.readout, ReadoutSpec):
            raise NetworkError(f"readout must be a ReadoutSpec, not {self.readout!r}")
        if self.labels is not None:
            if not isinstance(self.labels, tuple) or len(self.labels) != self.readout.outputs:
                raise NetworkError(
                    f"labels must be a tuple of {self.readout.outputs} names, one per output, "
                    f"not {self.labels!r}"
                )
            for label in self.labels:
                _text("a label", label)
        if self.readout.mode == "sum":
            if self.max_steps is None:
                raise NetworkError("max_steps must be given for readout mode sum, found none")
            _integer("max_steps", self.max_steps, 1, SCORE_MAX)
        elif self.max_steps is not None:
            raise NetworkError(
                f"max_steps belongs to readout mode sum only; mode is {self.readout.mode} and "
                f"max_steps is {self.max_steps!r}"
            )
        if self.task is not None:
            _text("task", self.task)

    @property
    def M(self) -> int:
        """Largest state and input, 2**hb - 1."""
        return (1 << self.hb) - 1

    @property
    def outputs(self) -> int:
        """C, the number of logits."""
        return self.readout.outputs

    @property
    def units(self) -> tuple[int, ...]:
        """H of every layer."""
        return tuple(layer.units for layer in self.layers)

    def to_yaml(self) -> str:
        """The spec as YAML text, keys in declaration order."""
        data = asdict(self)
        data["layers"] = [asdict(layer) for layer in self.layers]
        data["labels"] = None if self.labels is None else list(self.labels)
        data = {"fraction_bits": FRACTION_BITS, **data}
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    @staticmethod
    def from_yaml(text: str) -> NetworkSpec:
        """Read what `to_yaml` wrote; any other key, type or value is refused.

        Nothing is ever executed: only plain scalars, lists and mappings are constructed, and
        anchors and aliases (which can blow a small text up) are refused.
        """
        if len(text) > MAX_YAML:
            raise NetworkError(
                f"the spec must be at most {MAX_YAML} characters of YAML, found {len(text)}"
            )
        try:
            data = yaml.load(text, Loader=_StrictLoader)  # a SafeLoader, stricter
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise NetworkError(f"the spec must be valid YAML: {error}") from error
        fields_ = _mapping("the spec", data, NetworkSpec, extra=("fraction_bits",))
        found = fields_.pop("fraction_bits")
        if isinstance(found, bool) or found != FRACTION_BITS:
            raise NetworkError(f"fraction_bits must be {FRACTION_BITS}, not {found!r}")
        if not isinstance(fields_["layers"], list):
            raise NetworkError(f"layers must be a list, not {fields_['layers']!r}")
        fields_["layers"] = tuple(
            LayerSpec(**_mapping(f"layer {number}", layer, LayerSpec))
            for number, layer in enumerate(fields_["layers"])
        )
        fields_["readout"] = ReadoutSpec(**_mapping("the readout", fields_["readout"], ReadoutSpec))
        if isinstance(fields_["labels"], list):
            fields_["labels"] = tuple(fields_["labels"])
        return NetworkSpec(**fields_)


def _mapping(what: str, data: object, cls: type, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    wanted = {*extra, *(field.name for field in fields(cls))}
    if not isinstance(data, dict):
        raise NetworkError(f"{what} must be a mapping, not {data!r}")
    unknown = sorted(str(key) for key in data if key not in wanted)
    missing = sorted(wanted - data.keys())
    if unknown or missing:
        raise NetworkError(
            f"{what} must have exactly the keys {', '.join(sorted(wanted))}; "
            f"unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}"
        )
    return dict(data)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that also refuses aliases and repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a spec")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if not isinstance(key, str):
                raise yaml.YAMLError(f"keys must be text, not {key!r}")
        if len(set(keys)) != len(keys):
            raise yaml.YAMLError(f"repeated key in {keys}")
        return super().construct_mapping(node, deep)
