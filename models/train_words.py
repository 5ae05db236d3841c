"""`python -m models.train_words FILE.txt`: a word-level ternary network and its table of words.

First in floating point, the words changing places until the table settles; then, in that table, on
the integer grid.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

try:
    import torch
except ImportError as error:
    needed = (
        "PyTorch is not installed, which models.train_words needs: pip install 'addgate[train]'"
    )
    if __name__ == "__main__":
        sys.exit(f"error: {needed}")
    raise ImportError(needed) from error

from models.export import export
from models.file import check_path, digest, save
from models.float_network import AdditiveGatedNetwork
from models.gate_kernel import KernelError
from models.light_rnn import Round, Settings, fit, perplexity, settle
from models.network import Network, NetworkError
from models.qat import Planes, QuantizedNetwork, prepare_qat
from models.spec import MAX_PLANES
from models.word_codings import RowsAndColumns
from models.words import Corpus, Table, read_corpus
from models.writing import check_folder, write_whole

__all__ = ["LightModel", "Trained", "main", "parameters", "read_text", "train"]

Advance = Callable[[str, float], None]


@dataclass(frozen=True)
class LightModel:
    """What is trained, and for how long.

    Parameters
    ----------
    units : int
        H.
    planes : Planes
        Of the ternary network.
    rounds : int
        Of training and reallocation, at most.
    loop : Settings
        Of each round, in floating point.
    ternary : Settings
        On the grid.
    """

    units: int = 128
    planes: Planes = Planes(2, 1, 2)
    rounds: int = 12
    loop: Settings = Settings()
    ternary: Settings = Settings(learning_rate=2e-3, epochs=6)

    def most_windows(self, words: int) -> int:
        """Windows that training takes at most."""
        float_windows = self.rounds * self.loop.epochs * self.loop.windows(words)
        return float_windows + self.ternary.epochs * self.ternary.windows(words)


@dataclass(frozen=True, eq=False)
class Trained:
    """What came out.

    Parameters
    ----------
    table : Table
        Settled.
    module : AdditiveGatedNetwork
        In floating point.
    rounds : list of Round
    quantized : QuantizedNetwork
    perplexities : list of float
        Of the quantized network, on validation, after each epoch.
    """

    table: Table
    module: AdditiveGatedNetwork
    rounds: list[Round]
    quantized: QuantizedNetwork
    perplexities: list[float]


def read_text(path: Path) -> str:
    """A text file.

    Raises
    ------
    ValueError
        When it is not UTF-8, naming it.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text in UTF-8, found {error}") from error


def parameters(module: torch.nn.Module) -> int:
    """Numbers that a network learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def train(
    corpus: Corpus, model: LightModel, seed: int = 0, report: Advance | None = None
) -> Trained:
    """Train from scratch, words beginning in cells drawn at random.

    Parameters
    ----------
    corpus : Corpus
    model : LightModel
    seed : int
        Of the weights and the first table.
    report : callable, optional
        Called after every window with what is trained and its mean loss a word.
    """
    torch.manual_seed(seed)
    table = corpus.table.shuffled(seed)
    features, parts = table.features, (corpus.train, corpus.validation)
    module = AdditiveGatedNetwork(features, model.units, features, mode="every")

    def told(what: str) -> Callable[[float], None] | None:
        return None if report is None else lambda loss: report(what, loss)

    table, rounds = settle(
        module, table, *parts, model.loop, model.rounds, report=told("float")
    )  # fmt: skip
    quantized = prepare_qat(module, planes=model.planes)
    found = fit(quantized, RowsAndColumns(table), *parts, model.ternary, told("ternary"))
    return Trained(table, module, rounds, quantized, found)


def named(trained: Trained, name: str) -> Network:
    """The trained network, to be saved."""
    return export(trained.quantized, name, task="words")


def _parser() -> argparse.ArgumentParser:
    default = LightModel()
    parser = argparse.ArgumentParser(
        prog="python -m models.train_words",
        description="Train a word-level network (LightRNN) on a text file: a word is a row and a "
        "column of a table, two half-steps of the network. Writes OUTPUT.safetensors (the network, "
        "ternary), OUTPUT.json (its table) and OUTPUT.metrics.json.",
        epilog="examples:\n"
        "  python -m models.train_words tinyshakespeare.txt\n"
        "  python -m models.train_words novel.txt --words 1600 --units 96 --output build/novel\n"
        "\nThen: python -m host words build/words.safetensors build/words.json 'my lord'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("text", type=Path, metavar="FILE", help="a text, UTF-8")
    add("--output", type=Path, default=Path("build/words"), help="without suffix (build/words)")
    add("--words", type=_count, default=2500, help="V, the unknown word included (2500)")
    add("--case", action="store_true", help="keep capital letters")
    add("--units", type=_count, default=default.units, help=f"H ({default.units})")
    add("--rounds", type=_count, default=default.rounds,
        help=f"of training and reallocation, at most ({default.rounds})")  # fmt: skip
    add("--epochs", type=_count, default=default.loop.epochs,
        help=f"of each round ({default.loop.epochs})")  # fmt: skip
    add("--ternary-epochs", type=_count, default=default.ternary.epochs,
        help=f"on the integer grid ({default.ternary.epochs})")  # fmt: skip
    for matrix, count in vars(default.planes).items():
        name = matrix.removesuffix("s")
        add(f"--{name}-planes", dest=matrix, type=int, choices=range(1, MAX_PLANES + 1),
            default=count, help=f"ternary planes of the {name} weights ({count})")  # fmt: skip
    add("--seed", type=int, default=0, help="of weights and the first table (0)")
    add("--compiled", action=argparse.BooleanOptionalAction, default=True,
        help="time steps in compiled code, which needs g++ (default)")  # fmt: skip
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 on bad input."""
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except (NetworkError, ValueError, OSError, FloatingPointError, KernelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    torch.set_num_threads(1)
    output = options.output
    path, table_path = (output.with_name(output.name + s) for s in (".safetensors", ".json"))
    check_path(path)
    corpus = read_corpus(read_text(options.text), options.words, not options.case)
    default = LightModel()
    model = LightModel(
        options.units,
        Planes(options.inputs, options.recurrent, options.readout),
        options.rounds,
        replace(default.loop, epochs=options.epochs, compiled=options.compiled),
        replace(default.ternary, epochs=options.ternary_epochs, compiled=options.compiled),
    )
    # What the contract does not allow is better refused now than after training.
    _check_allowed(corpus, model)
    check_folder(output.parent)
    started = time.perf_counter()
    with tqdm(total=model.most_windows(len(corpus.train)), unit="window") as bar:

        def report(what: str, loss: float) -> None:
            bar.set_description(what)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        trained = train(corpus, model, options.seed, report)
    network = named(trained, output.name)
    save(network, path)
    # Whatever ends the program between the two, `host words` sees that they are no pair.
    trained.table.trained(digest(network)).save(table_path)
    found = scores(trained, corpus)
    facts = {
        "words": {"table": len(trained.table.words), "train": len(corpus.train),
                  "validation": len(corpus.validation), "test": len(corpus.test)},
        "seed": options.seed,
        "seconds": round(time.perf_counter() - started, 1),
        "model": asdict(model),
        "parameters": parameters(trained.module),
        "rounds": [asdict(this) for this in trained.rounds],
        "ternary": trained.perplexities,
        "perplexity": found,
        "torch": torch.__version__,
    }  # fmt: skip
    metrics = output.with_name(output.name + ".metrics.json")
    write_whole(metrics, json.dumps(facts, indent=2) + "\n")
    for name, values in found.items():
        shown = ", ".join(f"{part} {value:.1f}" for part, value in values.items())
        print(f"perplexity, {name:8} {shown}")
    print(f"network             {path}\ntable               {table_path}")
    return 0


def _check_allowed(corpus: Corpus, model: LightModel) -> None:
    features = corpus.table.features
    untrained = AdditiveGatedNetwork(features, model.units, features, mode="every")
    export(prepare_qat(untrained, planes=model.planes))


def scores(trained: Trained, corpus: Corpus) -> dict[str, dict[str, float]]:
    """Perplexities of the float and the ternary network on validation and test."""
    coding = RowsAndColumns(trained.table)
    parts = {"validation": corpus.validation, "test": corpus.test}
    modules = {"float": trained.module, "ternary": trained.quantized}
    return {
        name: {part: perplexity(module, coding, words) for part, words in parts.items()}
        for name, module in modules.items()
    }


if __name__ == "__main__":
    sys.exit(main())
