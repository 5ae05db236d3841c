"""`image`: a network as the words of a device's store, for a driver in another language."""

from __future__ import annotations

import argparse
from pathlib import Path

from host.cli.common import (
    EXIT_OK,
    Commands,
    add_command,
    add_engine_options,
    print_facts,
    print_json,
)
from models.file import load
from models.image import compile_image
from models.spec import FRACTION_BITS
from models.word_format import WordFormat
from models.writing import check_output, write_whole

_EXAMPLES = """\
python -m host image models/zoo/digits.safetensors --output digits.img --json > digits.json
python -m host image mine.safetensors --output mine.img --lanes 20 --packed
"""

_DETAILS = """
The file's bytes are what WRITE carries from address 0 on; with what is printed they are all that a
driver in another language needs to load the network and to run it (docs/link.md, "Loading a
network"). The words are for one number of lanes and one format: those that IDENTIFY tells.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "image",
        _perform,
        "write a network's image, for a driver in another language",
        _EXAMPLES,
        _DETAILS,
    )
    command.add_argument("file", metavar="FILE", help="network file (.safetensors)")
    command.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="where the image goes"
    )
    add_engine_options(command, "the device")


def _perform(options: argparse.Namespace) -> int:
    network = load(options.file)
    lanes = 16 if options.lanes is None else options.lanes
    form = WordFormat(options.events or 2, bool(options.packed))
    image = compile_image(network, lanes, form)
    check_output(options.output)
    write_whole(options.output, image.to_bytes())
    spec, normalisation = network.spec, network.normalisation
    if options.json:
        print_json(
            {
                "network": spec.name,
                "image": str(options.output),
                "lanes": lanes,
                "events": form.events,
                "packed": form.packed,
                "word_bytes": image.word_bytes,
                "words": len(image.words),
                "crc32": image.crc32,
                "inputs": spec.inputs,
                "largest_input": spec.M,
                "mean": normalisation.mean.tolist(),
                "scale": normalisation.scale.tolist(),
                "outputs": spec.outputs,
                "readout": spec.readout.mode,
                "target": spec.target,
                "value_divisor": 1 << (spec.hb + FRACTION_BITS),
                "max_steps": spec.max_steps,
                "order": [order.tolist() for order in network.order],
            }
        )
        return EXIT_OK
    print_facts(
        [
            ("network", spec.name),
            ("image", options.output),
            ("for", f"{lanes} lanes, words that hold {form.name}"),
            ("words", f"{len(image.words)} of {image.word_bytes} bytes"),
            ("CRC-32", f"{image.crc32:08x}"),
            ("inputs, outputs", f"{spec.inputs}, {spec.outputs}"),
            ("readout", spec.readout.mode),
        ]
    )
    return EXIT_OK
