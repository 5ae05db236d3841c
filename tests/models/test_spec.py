"""The spec: what it accepts, refuses, and keeps through YAML."""

import dataclasses

import pytest

from models.spec import FRACTION_BITS, LayerSpec, NetworkError, NetworkSpec, ReadoutSpec


def spec(**changes):
    settings = {
        "name": "test",
        "inputs": 3,
        "layers": (LayerSpec(3, 5, theta=2), LayerSpec(5, 4)),
        "readout": ReadoutSpec(2),
        "labels": ("yes", "nö"),
        "task": "digits",
    }
    return NetworkSpec(**{**settings, **changes})


@pytest.mark.parametrize(
    "made",
    [
        spec(),
        spec(labels=None, task=None, hb=3, target="value"),
        spec(readout=ReadoutSpec(2, "sum"), max_steps=1000),
        spec(labels=("no", "1e3")),  # text that plain YAML would read as something else
    ],
)
def test_yaml_gives_the_same_spec_back(made):
    assert NetworkSpec.from_yaml(made.to_yaml()) == made


def test_derived_sizes():
    made = spec(hb=4)
    assert (made.M, made.outputs, made.units) == (15, 2, (5, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hb": 2}, "hb must be an integer from 3 to 7, not 2"),
        ({"hb": 8}, "hb must be an integer from 3 to 7, not 8"),
        ({"hb": True}, "hb must be an integer"),
        ({"inputs": 4}, "layer 0 must have 4 inputs.*not 3"),
        ({"inputs": 3.0}, "inputs must be an integer"),
        ({"layers": (LayerSpec(3, 5), LayerSpec(4, 4))}, "layer 1 must have 5 inputs.*not 4"),
        ({"layers": ()}, "1 to 4 LayerSpec"),
        ({"layers": tuple(LayerSpec(3, 3) for _ in range(5))}, "1 to 4 LayerSpec"),
        ({"layers": (LayerSpec(3, 5, theta=15),), "hb": 3}, "theta of layer 0.*0 to 14, not 15"),
        ({"target": "label"}, "target must be one of class, value, not 'label'"),
        ({"labels": ("one",)}, "labels must be a tuple of 2 names"),
        ({"labels": ("a", 3)}, "a label must be"),
        ({"name": ""}, "name must be 1 to 64"),
        ({"name": "a\nb"}, "name must be 1 to 64"),
        ({"readout": ReadoutSpec(2, "sum")}, "max_steps must be given for readout mode sum"),
        ({"readout": ReadoutSpec(2, "sum"), "max_steps": 0}, "max_steps must be an integer"),
        ({"max_steps": 5}, "max_steps belongs to readout mode sum only"),
    ],
)
def test_a_wrong_spec_is_refused(changes, message):
    with pytest.raises(NetworkError, match=message):
        spec(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerSpec(0, 5), "inputs of a layer"),
        (lambda: LayerSpec(3, 0), "units of a layer"),
        (lambda: LayerSpec(3, 5, theta=-1), "theta of a layer"),
        (lambda: LayerSpec(3, 5, input_planes=5), "input_planes"),
        (lambda: ReadoutSpec(0), "outputs of the readout"),
        (lambda: ReadoutSpec(2, "mean"), "mode of the readout must be one of last, sum, every"),
    ],
)
def test_a_wrong_part_is_refused(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + "speed: 3\n", "unknown: speed"),
        (lambda text: text.replace("hb: 7\n", ""), "missing: hb"),
        (lambda text: text + "hb: 6\n", "repeated key"),
        (lambda text: text.replace("theta: 2", "theta: 2\n  colour: red"), "unknown: colour"),
        (lambda text: text.replace("theta: 2", "theta: '2'"), "theta of a layer"),
        (lambda text: text.replace("mode: last", "mode: null"), "mode of the readout"),
        (lambda text: text.replace("fraction_bits: 5", "fraction_bits: 4"), "fraction_bits must"),
        (lambda text: text.replace("name: test", "name: &a test").replace("digits", "*a"), "alias"),
        (lambda text: "- 1\n- 2\n", "must be a mapping"),
        (lambda text: "a: [", "valid YAML"),
        (lambda text: "", "must be a mapping"),
        (lambda text: "[" * 5000, "valid YAML"),
        (lambda text: text + "#" * 70000, "at most 65536"),
        (lambda text: "!!python/object/apply:os.system ['true']", "valid YAML"),
    ],
)
def test_altered_yaml_is_refused(change, message):
    text = change(spec().to_yaml())
    assert text != spec().to_yaml()
    with pytest.raises(NetworkError, match=message):
        NetworkSpec.from_yaml(text)


def test_a_spec_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec().hb = 3


def test_the_fraction_bits_are_written_down():
    assert f"fraction_bits: {FRACTION_BITS}\n" in spec().to_yaml()
