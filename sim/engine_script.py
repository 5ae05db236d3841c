"""Scripts for the engine: what to do, and what golden model and cycle model say comes of it.

A script is plain data (JSON), made before the simulation and played by `sim.engine_player`,
so that a case which fails can be opened and run again alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.cycles import CycleModel
from models.golden import GoldenModel, State
from models.image import compile_image
from models.layout import plan_layout
from models.network import Network
from models.word_format import PLAIN, WordFormat

Operation = dict[str, Any]

#: Longest random gap in the stream of inputs, or before a command, in cycles.
LONGEST_GAP = 5


class EngineScript:
    """Operations on an engine, each with everything that must be seen after it.

    Parameters
    ----------
    lanes : int
        Lanes of the engine.
    seed : int
        Of the gaps in the streams of inputs and commands.
    gaps : float
        Share of inputs and commands that come late.
    word_format : WordFormat
        Of the engine's store.
    """

    def __init__(
        self, lanes: int, seed: int = 0, gaps: float = 0.0, word_format: WordFormat = PLAIN
    ) -> None:
        self.lanes = lanes
        self.word_format = word_format
        self.operations: list[Operation] = []
        self._rng = np.random.default_rng(seed)
        self._gaps = gaps
        self.network: Network
        self.state: State
        self._model: GoldenModel
        self._cycles: CycleModel
        self._previous: NDArray[np.int8]
        self._scores: NDArray[np.int64] | None

    def load(self, network: Network, check: bool = False) -> None:
        """Write a network's image and configure the engine, with or without the checksum."""
        image = compile_image(network, self.lanes, self.word_format)
        self.network = network
        self._model = GoldenModel(network)
        self._forget()
        spec = network.spec
        self.operations.append(
            {
                "do": "load",
                "words": list(image.words),
                "crc32": image.crc32 if check else None,
                "header": {
                    "network_valid": 1,
                    "inputs_count": spec.inputs,
                    "outputs_count": spec.outputs,
                    "mode": ["last", "sum", "every"].index(spec.readout.mode),
                    "image_words": len(image.words),
                },
                **self._seen(),
            }
        )

    def reset(self) -> None:
        """Reset the sequence state."""
        self._forget()
        self._add("reset", cycles=self._cycles.reset(), events=0)

    def step(self, x: ArrayLike, due: bool = True) -> None:
        """Take a time step.

        Parameters
        ----------
        x : integers [I]
        due : bool
            Whether the caller wants an answer.
        """
        inputs = np.asarray(x, np.int8)
        before = self.state
        logits, self.state = self._model.step(inputs[None], before)
        moved = inputs != self._previous
        changed = [(h != old)[0].tolist() for h, old in zip(self.state.h, before.h, strict=True)]
        cycles = self._cycles.step(moved.tolist(), changed, due)
        self._previous = inputs
        mode = self.network.spec.readout.mode
        answered = due or mode != "last"
        if answered:
            self._scores = self.state.scores[0] if mode == "sum" else logits[0].astype(np.int64)
        gaps = self._draw(len(inputs))
        events = int(moved.sum()) + sum(map(sum, changed))
        # A byte that comes late may cost the cycles that it is late, and its event's companion.
        walk = plan_layout(self.network, self.lanes, self.word_format).inputs.words
        # It may save one, too: the one in which the event before waits for it, if it has none.
        times = sum(map(bool, gaps))
        early = times if self.word_format.events == 2 else 0
        late = sum(gaps) + times * walk
        timing = {"gaps": gaps, "early": early, "late": late}
        self._add("step", cycles, events, x=inputs.tolist(), due=due, **timing)
        if answered and self._scores is not None:
            self.operations[-1]["label"] = int(np.argmax(self._scores))

    def sequence(self, x: ArrayLike, reset: bool = True) -> None:
        """Run a sequence, int8 [T, I]; in readout mode last only its last step is due."""
        if reset:
            self.reset()
        steps = np.asarray(x, np.int8)
        for number, row in enumerate(steps):
            self.step(row, due=number == len(steps) - 1)

    def burst(self, begin: int) -> None:
        """Make one operation of those from number `begin` on: steps, resets and replays.

        They follow one another without an idle cycle; what comes of them is looked at after
        the last one.
        """
        several = self.operations[begin:]
        assert several and all(one["do"] in ("step", "reset", "replay") for one in several)
        commands = [{"do": one["do"], "due": one.get("due", False)} for one in several]
        label = {"label": several[-1]["label"]} if "label" in several[-1] else {}
        self.operations[begin:] = [
            {
                "do": "burst",
                "commands": commands,
                "x": [value for one in several for value in one.get("x", [])],
                "cycles": sum(one["cycles"] for one in several),
                **{
                    what: sum(one[what] for one in several)
                    for what in ("events", "adding", "reading")
                },
                **self._seen(),
                **label,
            }
        ]

    def restore(self, state: State) -> None:
        """Put a state saved earlier in place, as the link's set_state does."""
        self.reset()
        h = np.concatenate([part[0] for part in state.h])
        memory = h[self.network.state_order]
        self.operations.append({"do": "write_state", "values": memory.tolist()})
        self._scores = None
        if self.network.spec.readout.mode == "sum":
            self.operations.append({"do": "write_scores", "values": state.scores[0].tolist()})
            self._scores = state.scores[0]
        self.state = state
        cycles = self._cycles.replay([(part[0] != 0).tolist() for part in state.h])
        self._add("replay", cycles, events=int(np.count_nonzero(h)))

    def abandon(self, command: str, cycles: int, x: ArrayLike = ()) -> None:
        """Begin a command, and reset the engine softly in the middle of it.

        Parameters
        ----------
        command : str
            "step", "reset", "replay", "configure", "check" or "tally".
        cycles : int
            How many cycles later; the engine may have finished by then.
        x : integers [I]
            Inputs of a step.
        """
        inputs = np.asarray(x, np.int8).tolist()
        self._forget()
        self.operations.append(
            {"do": "abandon", "command": command, "x": inputs, "after": cycles, **self._seen()}
        )

    def _forget(self) -> None:
        """What a reset leaves."""
        self._cycles = CycleModel(self.network, self.lanes, self.word_format)
        self.state = self._model.initial_state(1)
        self._previous = np.zeros(self.network.spec.inputs, np.int8)
        self._scores = np.zeros(self.network.spec.outputs, np.int64)

    def _draw(self, count: int) -> list[int]:
        late = self._rng.random(count) < self._gaps
        return np.where(late, self._rng.integers(1, LONGEST_GAP + 1, count), 0).tolist()

    def _seen(self) -> Operation:
        """What the engine's memories must hold: states by position."""
        h = np.concatenate([h[0] for h in self.state.h])
        return {
            "state": h[self.network.state_order].tolist(),
            "scores": None if self._scores is None else self._scores.tolist(),
        }

    def _add(self, do: str, cycles: int, events: int, **more: Any) -> None:
        lanes = {"adding": self._cycles.adding, "reading": self._cycles.reading}
        self._cycles.adding = self._cycles.reading = 0
        self.operations.append(
            {
                **lanes,
                "do": do,
                "pause": self._draw(1)[0],
                "cycles": cycles,
                "events": events,
                **self._seen(),
                **more,
            }
        )
