"""`words`: probabilities of a text's words, and words that follow it."""

from __future__ import annotations

import argparse

import numpy as np

from host.cli.common import (
    EXIT_DIFFERENT,
    EXIT_OK,
    Commands,
    add_device_command,
    count,
    open_device,
    print_facts,
    print_json,
    print_table,
)
from host.errors import InputError
from host.words import WordDevice, check_words
from models.file import load
from models.words import Table, join

_EXAMPLES = """\
python -m host words words.safetensors words.json "to be, or not to be"
python -m host words words.safetensors words.json "my lord" --generate 20 --seed 1
python -m host words words.safetensors words.json "my lord" --device simulator --generate 5
"""

_DETAILS = """
NETWORK and TABLE come from the same run of python -m models.train_words: the table holds the
network's SHA-256, and that of another is refused. A word is two half-steps: its row and its
column in the table. The first word of TEXT is not predicted, it only is what the others follow.
Words that the table does not have are taken as <unk>. Every logit of both heads is compared with
the golden model's.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_device_command(
        commands,
        "words",
        _perform,
        "say how likely a text's words are, and continue it",
        _EXAMPLES,
        _DETAILS,
    )
    command.add_argument("network", metavar="NETWORK", help="network file (.safetensors)")
    command.add_argument("table", metavar="TABLE", help="the network's table of words (.json)")
    command.add_argument("text", metavar="TEXT", help="at least one word")
    command.add_argument("--generate", type=count, metavar="N", help="words to go on with")
    command.add_argument("--seed", type=int, default=0, help="of the words drawn (default 0)")
    command.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="above 0; below 1 for likelier words (default 1)",
    )


def _perform(options: argparse.Namespace) -> int:
    network, table = load(options.network), Table.load(options.table)
    try:
        check_words(network, table)
    except InputError as error:
        raise InputError(f"{options.network} and {options.table}: {error}") from error
    if table.network is None:
        raise InputError(
            f"{options.table}: expected a table that says which network was trained with it, as "
            "models.train_words writes it, found one that names none"
        )
    if options.seed < 0:
        raise ValueError(f"--seed must be at least 0, not {options.seed}")
    ids = table.encode(options.text)
    if len(ids) < (1 if options.generate else 2):
        raise ValueError(
            f"TEXT must hold at least {1 if options.generate else 2} words, the first of which is "
            f"not predicted; found {len(ids)} in {options.text!r}"
        )
    with open_device(options, network=network) as device:
        words = WordDevice(device, table)
        scores = words.score(ids)
        drawn = words.generate(
            options.generate or 0, np.random.default_rng(options.seed), options.temperature
        )
        more = list(drawn)
        found = words.check()
    perplexity = float(np.exp(-scores.mean())) if len(scores) else None
    cycles = words.cycles / found.half_steps
    if options.json:
        print_json(
            {
                "network": network.spec.name,
                "device": options.device,
                "words": table.decode(ids),
                "log_probabilities": scores.tolist(),
                "perplexity": perplexity,
                "generated": table.decode(more),
                "half_steps": found.half_steps,
                "cycles_per_half_step": cycles,
                "logits_compared": found.logits_compared,
                "logits_different": found.logits_different,
                "exact": found.exact,
            }
        )
    else:
        rows = zip(table.decode(ids[1:]), scores, strict=True)
        if len(scores):
            print_table([("WORD", "LOG P"), *((word, f"{score:.3f}") for word, score in rows)])
            print()
        equal = found.logits_compared - found.logits_different
        facts: list[tuple[str, object]] = [
            ("network", network.spec.name),
            ("device", options.device),
            ("perplexity", "-" if perplexity is None else f"{perplexity:.1f}"),
            ("half-steps", found.half_steps),
            ("cycles per half-step", f"{cycles:.1f}"),
            ("logits equal", f"{equal} of {found.logits_compared}"),
        ]
        print_facts(facts)
        if more:
            print(f"\n{join(table.decode([*ids, *more]))}")
    return EXIT_OK if found.exact else EXIT_DIFFERENT
