"""`python -m bench.light`: words as rows and columns of a table, beside one feature for each.

Trains, on one text and with the same H: a LightRNN, its words changing places until the table
settles, then ternary in that table; the same without reallocation; and a network with an input and
an output for each word, float and ternary, at the better of two learning rates on validation.
Then the ternary LightRNN runs over words of the test part on the emulator and on the simulated
board: every logit of both heads is compared with the golden model's. Exit status 1 when one
differs, or on an error. Perplexities are measured on one thread; cycles are simulated. The text is
tiny Shakespeare by default, which is not part of this repository (--text).

    python -m bench.light                            about ten minutes
    python -m bench.light --quick                    small networks on a part of the text
    python -m bench.light --text novel.txt --words 1600
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.arguments import bench_parser, count, guarded, seed_value
from bench.document import ACCURACY, add_docs_option, refresh
from bench.light_engine import EngineRun, run_engine
from bench.light_table import markdown
from bench.record import write
from models.file import digest, save
from models.float_network import AdditiveGatedNetwork
from models.light_rnn import Settings, fit, perplexity, settle
from models.qat import prepare_qat
from models.spec import MAX_FAN_IN
from models.train_words import LightModel, named, parameters, read_text, train
from models.word_codings import Coding, OneByOne, RowsAndColumns
from models.words import Corpus, read_corpus

__all__ = ["Row", "main"]

TEXT = Path(__file__).parents[2] / "shared" / "data" / "tinyshakespeare" / "input.txt"
#: Of the networks with a feature for each word, chosen by validation, and their epochs: they learn
#: faster than a LightRNN, and overfit sooner.
RATES, EPOCHS = (2e-3, 4e-3), 4
WORDS, QUICK_WORDS = 2500, 144
#: Words of the test part that run on devices.
DEVICE_WORDS, QUICK_DEVICE_WORDS = 200, 20
QUICK_CHARACTERS = 100_000


@dataclass(frozen=True)
class Row:
    """One trained network.

    Attributes
    ----------
    name : str
    features, parameters : int
        Inputs (and outputs), and numbers learned.
    validation, test : float
        Perplexity.
    epochs : int
        Passes over the training part.
    seconds : float
        Of processor time.
    note : str
    """

    name: str
    features: int
    parameters: int
    validation: float
    test: float
    epochs: int
    seconds: float
    note: str = ""


def _row(
    name: str,
    module: AdditiveGatedNetwork,
    coding: Coding,
    corpus: Corpus,
    epochs: int,
    seconds: float,
    note: str = "",
) -> Row:
    validation, test = (
        perplexity(module, coding, part) for part in (corpus.validation, corpus.test)
    )
    size, seconds = parameters(module), round(seconds, 1)
    row = Row(name, coding.features, size, validation, test, epochs, seconds, note)
    print(f"{name}: perplexity {row.validation:.1f} on validation, {row.test:.1f} on test; "
          f"{row.parameters} parameters; {row.seconds:.0f} s", flush=True)  # fmt: skip
    return row


def start_from_frequencies(module: AdditiveGatedNetwork, words: NDArray[np.int64]) -> None:
    """Set a one-hot network's biases to the logarithms of how often words come, about 0.

    Small steps never take thousands of biases as far as that; without it the units are spent on
    them, and perplexity stays far above (docs/accuracy.md).
    """
    logs = np.log1p(np.bincount(words, minlength=module.readout.out_features))
    with torch.no_grad():
        module.readout.bias.copy_(torch.from_numpy(logs - (logs.min() + logs.max()) / 2))


def one_hot(corpus: Corpus, model: LightModel, seed: int, advance: Callable[[], None]) -> list[Row]:
    """A feature for each word: float, at the best learning rate, and ternary from there."""
    size = len(corpus.table.words)
    coding, parts = OneByOne(size), (corpus.train, corpus.validation)
    loop = replace(model.loop, epochs=min(EPOCHS, model.ternary.epochs))
    found: list[tuple[float, float, AdditiveGatedNetwork]] = []
    started = time.process_time()
    for rate in RATES:
        torch.manual_seed(seed)
        module = AdditiveGatedNetwork(size, model.units, size, mode="every")
        start_from_frequencies(module, corpus.train)
        reached = fit(
            module, coding, *parts, replace(loop, learning_rate=rate), lambda _: advance()
        )
        found.append((min(reached), rate, module))
    seconds = (time.process_time() - started) / len(RATES)
    _, rate, module = min(found, key=lambda one: one[0])
    note = (
        f"learning rate {rate:g}, the better on validation of {', '.join(f'{r:g}' for r in RATES)}"
    )
    rows = [_row("one-hot, float", module, coding, corpus, loop.epochs, seconds, note)]
    quantized = prepare_qat(module, planes=model.planes)
    started = time.process_time()
    fit(quantized, coding, *parts, replace(loop, learning_rate=rate), lambda _: advance())
    seconds = time.process_time() - started
    note = f"a row has {size} sources, {MAX_FAN_IN} at most fit" if size > MAX_FAN_IN else ""
    return [*rows, _row("one-hot, ternary", quantized, coding, corpus, loop.epochs, seconds, note)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("light", __doc__)
    parser.add_argument("--text", type=Path, default=TEXT, metavar="FILE", help="UTF-8")
    parser.add_argument("--words", type=count, metavar="V", help=f"of the table ({WORDS})")
    parser.add_argument("--units", type=count, metavar="H", help="(128)")
    parser.add_argument("--seed", type=seed_value, default=0, help="(0)")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    add_docs_option(parser, ACCURACY)
    options = parser.parse_args(arguments)
    if options.quick and options.docs:
        parser.error("the document holds all figures: --docs goes without --quick")
    return options


def planned(quick: bool, units: int | None) -> LightModel:
    """What is trained."""
    model = LightModel()
    if quick:
        short = Settings(epochs=1)
        model = replace(model, units=24, rounds=2, loop=short, ternary=short)
    return model if units is None else replace(model, units=units)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    torch.set_num_threads(1)
    if not options.text.is_file():
        raise ValueError(f"{options.text}: expected a text, found no file; name one with --text")
    text = read_text(options.text)[: QUICK_CHARACTERS if options.quick else None]
    corpus = read_corpus(text, options.words or (QUICK_WORDS if options.quick else WORDS))
    model = planned(options.quick, options.units)
    words, epochs = len(corpus.train), model.rounds * model.loop.epochs
    whole = replace(model.loop, epochs=epochs)
    total = model.most_windows(words) + whole.windows(words) * epochs
    total += (len(RATES) + 1) * min(EPOCHS, model.ternary.epochs) * model.loop.windows(words)
    with tqdm(total=total, unit="window", disable=not sys.stderr.isatty()) as bar:
        started = time.process_time()
        trained = train(corpus, model, options.seed, lambda *_: bar.update())
        seconds = time.process_time() - started
        coding = RowsAndColumns(trained.table)
        trained_epochs = sum(len(this.perplexities) for this in trained.rounds)
        note = f"{len(trained.rounds)} rounds"
        light = [
            _row("LightRNN, float", trained.module, coding, corpus, trained_epochs, seconds, note),
            _row("LightRNN, ternary", trained.quantized, coding, corpus, model.ternary.epochs,
                 0.0, "from the float one, in its table; its time is in that"),
        ]  # fmt: skip
        torch.manual_seed(options.seed)
        table = corpus.table.shuffled(options.seed)
        module = AdditiveGatedNetwork(table.features, model.units, table.features, mode="every")
        started = time.process_time()
        settle(module, table, corpus.train, corpus.validation, whole, 1,
               report=lambda _: bar.update())  # fmt: skip
        seconds = time.process_time() - started
        note = "the first table, drawn at random"
        light.append(_row("LightRNN, float, never reallocated", module, RowsAndColumns(table),
                          corpus, epochs, seconds, note))  # fmt: skip
        rows = [*light, *one_hot(corpus, model, options.seed, bar.update)]
    network = named(trained, "light")
    folder = options.output.parent
    save(network, folder / "light-network.safetensors")
    trained.table.trained(digest(network)).save(folder / "light-words.json")
    asked = corpus.test[: QUICK_DEVICE_WORDS if options.quick else DEVICE_WORDS]
    runs = [run_engine(where, network, trained.table, asked) for where in ("emulator", "simulator")]
    for run in runs:
        print(run, flush=True)
    figures = {
        "what": "perplexities measured, cycles simulated",
        "torch": torch.__version__,
        "text": {"train": words, "validation": len(corpus.validation), "test": len(corpus.test),
                 "unknown_in_test": float((corpus.test == 0).mean())},
        "model": asdict(model),
        "rounds": [asdict(this) for this in trained.rounds],
        "networks": [asdict(row) for row in rows],
        "engine": [asdict(run) for run in runs],
    }  # fmt: skip
    write(options.output, figures)
    part = markdown(corpus, model, trained.rounds, rows, runs)
    print(part)
    if options.docs:
        refresh(options.docs, "light", part, {}, ACCURACY)
    return _verdict(rows, runs)


def _verdict(rows: Sequence[Row], runs: Sequence[EngineRun]) -> int:
    missed = [f"{run.device}: logits differ from the golden model's" for run in runs
              if not run.exact]  # fmt: skip
    missed += [
        f"{row.name}: perplexity is {row.test}" for row in rows if not math.isfinite(row.test)
    ]
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
