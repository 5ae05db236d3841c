"""The figures of `bench.light` as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.document import prose
from bench.light_engine import EngineRun
from models.light_rnn import Round
from models.train_words import LightModel
from models.words import Corpus

if TYPE_CHECKING:
    from bench.light import Row

__all__ = ["markdown"]


def markdown(
    corpus: Corpus,
    model: LightModel,
    rounds: Sequence[Round],
    rows: Sequence[Row],
    runs: Sequence[EngineRun],
) -> str:
    """Return the tables, and what the figures are."""
    table, planes = corpus.table, model.planes
    counts = f"{len(corpus.train)}, {len(corpus.validation)} and {len(corpus.test)}"
    unknown = f"{100 * float((corpus.test == 0).mean()):.1f} %"
    text = (
        f"V = {len(table.words)} words of {table.side} rows and columns, H = {model.units}; "
        f"{counts} words to train, validate and test; {unknown} of the test part is the unknown "
        "word, which is predicted like any other. Perplexity is of a word, both half-steps "
        f"together; measured. Ternary planes: {planes.inputs} of W, {planes.recurrent} of U, "
        f"{planes.readout} of R. Seconds are of processor time, one thread."
    )
    moves = (
        "Rounds of training and reallocation (modelled loss: -log P a word of the training part, "
        "in the cells before and after, every context as it was):"
    )
    devices = (
        "The ternary LightRNN on devices of 16 lanes, over words of the test part; every logit of "
        "both heads is compared with the golden model's; simulated, link excluded. One head: the "
        "same network with the outputs of one head only, to see what the other costs."
    )
    parts = (prose(text), _networks(rows), prose(moves), _rounds(rounds), prose(devices))
    return "\n\n".join((*parts, _engine(runs)))


def _networks(rows: Sequence[Row]) -> str:
    lines = [
        "| network | inputs, outputs | parameters | validation | test | epochs | s | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds = f"{row.seconds:.0f}" if row.seconds else ""
        lines.append(
            f"| {row.name} | {row.features} | {row.parameters:,} | {row.validation:.1f} | "
            f"{row.test:.1f} | {row.epochs} | {seconds} | {row.note} |"
        )
    return "\n".join(lines)


def _rounds(rounds: Sequence[Round]) -> str:
    lines = [
        "| round | validation perplexity | words moved after it | modelled loss before | after |",
        "|---|---|---|---|---|",
    ]
    for number, this in enumerate(rounds, 1):
        moved = (
            f"{100 * this.moved:.1f} % | {this.cost_before:.3f} | {this.cost_after:.3f}"
            if this.moved
            else "- | - | -"
        )
        lines.append(f"| {number} | {min(this.perplexities):.1f} | {moved} |")
    return "\n".join(lines)


def _engine(runs: Sequence[EngineRun]) -> str:
    lines = [
        "| device | half-steps | logits equal | perplexity | input events a half-step "
        "| states that change | cycles a half-step | with one head |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        equal = run.logits_compared - run.logits_different
        lines.append(
            f"| {run.device} | {run.half_steps} | {equal} of {run.logits_compared} | "
            f"{run.perplexity:.1f} | {run.input_events:.3f} | {run.state_events:.1f} | "
            f"{run.cycles:.1f} | {run.cycles_one_head:.1f} |"
        )
    return "\n".join(lines)
