"""Which weight store is chosen, how large it is, and what is said where a network fits none."""

import dataclasses

import pytest

from hdl.boards import load_board
from hdl.plan import PlanError, make_plan, store_words
from hdl.system import DEFAULT_STORE_WORDS
from models.random_networks import random_network

BOARD = load_board("icebreaker")
SMALL = random_network(seed=1, inputs=8, units=(64,), outputs=10)
LARGE = random_network(seed=2, inputs=16, units=(128,), outputs=10)
HUGE = random_network(seed=3, inputs=200, units=(250, 250), outputs=10)


def with_memories(**changes):
    return dataclasses.replace(BOARD, memories=dataclasses.replace(BOARD.memories, **changes))


@pytest.mark.parametrize(
    ("lanes", "weights", "words"),
    [
        (16, "bram", 1024),  # 30 - 16 lanes - 6 others = 8 block RAMs, two for 32 bits
        (16, "spram", 32768),  # 4 SPRAMs of 16 bits, two for 32 bits
        (12, "bram", 1536),
        (24, "bram", 0),
        (24, "spram", 16384),  # three of four for 48 bits
    ],
)
def test_store_is_what_the_memories_leave(lanes, weights, words):
    assert store_words(BOARD.memories, lanes, weights) == words


def test_auto_preloads_block_ram_where_the_network_fits():
    plan = make_plan(BOARD, SMALL)
    assert plan.parameters.weights == "bram"
    assert plan.parameters.image is not None
    assert len(plan.parameters.image.words) == plan.network_words <= plan.parameters.store_words


def test_auto_takes_spram_for_a_larger_network_and_says_why():
    plan = make_plan(BOARD, LARGE)
    assert plan.parameters.weights == "spram" and plan.parameters.image is None
    assert "block RAM" in plan.reason and f"needs {plan.network_words} words" in plan.reason


def test_block_ram_that_was_asked_for_is_refused_where_it_is_too_small():
    needed = make_plan(BOARD, LARGE).network_words
    with pytest.raises(PlanError, match=rf"{needed} words of weight store \(there are 1024\)"):
        make_plan(BOARD, LARGE, weights="bram")


def test_network_that_fits_nothing_says_needed_and_available_for_both_stores():
    with pytest.raises(PlanError, match=r"(?s)block RAM: .*needs.*SPRAM: .*needs.*there are") as e:
        make_plan(BOARD, HUGE)
    assert "iCEBreaker" in str(e.value)


def test_spram_that_was_asked_for_holds_no_image():
    plan = make_plan(BOARD, SMALL, weights="spram")
    assert plan.parameters.weights == "spram" and plan.parameters.image is None
    assert plan.network_words > 0 and "asked for" in plan.reason


def test_board_without_spram_says_so():
    with pytest.raises(PlanError, match="16 lanes need 2 SPRAMs, there are 0"):
        make_plan(with_memories(spram=0), SMALL, weights="spram")


def test_too_many_lanes_name_the_most():
    with pytest.raises(PlanError, match=r"26 lanes need 26 block RAMs.*enough for 24 lanes"):
        make_plan(BOARD, SMALL, lanes=26)


def test_odd_lanes_are_refused():
    with pytest.raises(PlanError, match="lanes.*even.*15"):
        make_plan(BOARD, SMALL, lanes=15)


def test_no_network_takes_the_larger_store():
    assert make_plan(BOARD, None).parameters.weights == "spram"
    assert make_plan(with_memories(spram=0), None).parameters.weights == "bram"


def test_plan_text_tells_store_network_and_limits():
    text = make_plan(BOARD, SMALL).text()
    assert "1024 words of 32 bits" in text and "in the bitstream" in text
    assert f"{SMALL.spec.name}: " in text


def test_simulated_board_has_the_store_of_the_bitstream():
    for weights, words in DEFAULT_STORE_WORDS.items():
        assert store_words(BOARD.memories, BOARD.lanes, weights) == words
