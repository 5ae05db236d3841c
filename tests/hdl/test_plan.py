"""Which weight store is chosen, how large it is, and what is said where a network fits none."""

import dataclasses

import pytest

from hdl.boards import load_board
from hdl.plan import PlanError, make_plan, store_words
from hdl.system import DEFAULT_STORE_WORDS
from models.layout import plan_layout
from models.random_networks import random_network
from models.word_format import WordFormat

BOARD = load_board("icebreaker")
SMALL = random_network(seed=1, inputs=8, units=(64,), outputs=10)
LARGE = random_network(seed=2, inputs=16, units=(128,), outputs=10)
HUGE = random_network(seed=3, inputs=200, units=(250, 250), outputs=10)


def with_memories(**changes):
    return dataclasses.replace(BOARD, memories=dataclasses.replace(BOARD.memories, **changes))


@pytest.mark.parametrize(
    ("lanes", "weights", "words"),
    [
        (16, "bram", 512),  # 30 - 16 lanes - 6 others = 8 block RAMs, four for 64 bits
        (16, "spram", 16384),  # 4 SPRAMs of 16 bits, four for 64 bits
        (12, "bram", 768),  # 12 block RAMs; half a word is 24 bits, which take two of 16
        (12, "spram", 16384),
        (20, "bram", 0),  # 4 block RAMs left, six for two halves of 40 bits
        (20, "spram", 0),  # six for two halves of 40 bits, too
        (24, "bram", 0),
        (24, "spram", 0),
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
    with pytest.raises(PlanError, match=rf"{needed} words of weight store \(there are 512\)"):
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
    with pytest.raises(PlanError, match="16 lanes need 4 SPRAMs, there are 0"):
        make_plan(with_memories(spram=0), SMALL, weights="spram")


def test_too_many_lanes_name_the_most():
    with pytest.raises(PlanError, match=r"28 lanes need 28 block RAMs.*enough for 24 lanes"):
        make_plan(BOARD, SMALL, lanes=28)


@pytest.mark.parametrize("lanes", [-4, 0, 8, 15, 18])
def test_too_few_lanes_and_fractions_of_four_are_refused(lanes):
    with pytest.raises(
        PlanError, match=f"lanes must be a multiple of 4 from 12 to 252, not {lanes}$"
    ):
        make_plan(BOARD, SMALL, lanes=lanes)


def test_more_lanes_than_spram_has_bits_for_say_so():
    """Half a word lies in SPRAMs of its own: 40 bits in three of them."""
    needed = plan_layout(SMALL, 20).words
    with pytest.raises(PlanError, match="20 lanes need 6 SPRAMs, there are 4") as error:
        make_plan(BOARD, SMALL, lanes=20, weights="spram")
    assert f"network 'random-1' needs {needed} words; 20 lanes" in str(error.value)
    with pytest.raises(PlanError) as error:
        make_plan(BOARD, SMALL, lanes=20)
    assert (
        f"block RAM: network 'random-1' needs {needed} words; 20 lanes and the rest leave 4 of 30 "
        "block RAMs, and a word of 80 bits takes 6"
    ) in str(error.value)
    assert "20 lanes need 6 SPRAMs, there are 4" in str(error.value)
    for spram, there in ((5, False), (6, True)):
        assert store_words(with_memories(spram=spram).memories, 20, "spram") == 16384 * there
    assert make_plan(with_memories(spram=6), SMALL, lanes=20).parameters.store_words == 16384


def test_no_network_takes_the_larger_store():
    assert make_plan(BOARD, None).parameters.weights == "spram"
    assert make_plan(with_memories(spram=0), None).parameters.weights == "bram"


def test_plan_text_tells_store_network_and_limits():
    text = make_plan(BOARD, SMALL).text()
    assert "512 words of 64 bits (16384 ternary weights)" in text and "in the bitstream" in text
    assert f"{SMALL.spec.name}: " in text


def test_simulated_board_has_the_store_of_the_bitstream():
    for weights, words in DEFAULT_STORE_WORDS.items():
        assert store_words(BOARD.memories, BOARD.lanes, weights) == words


@pytest.mark.parametrize(
    ("form", "lanes", "bram", "spram"),
    [
        (WordFormat(packed=True), 20, 256, 16384),  # 4 block RAMs left, four for 2 x 32 bits
        (WordFormat(packed=True), 16, 512, 16384),
        (WordFormat(packed=True), 24, 0, 0),  # 2 x 40 bits
        (WordFormat(events=1), 16, 512, 16384),  # 8 block RAMs left, three for 48 bits
        (WordFormat(events=1), 20, 256, 16384),
        (WordFormat(events=1), 24, 0, 16384),
        (WordFormat(events=1, packed=True), 24, 0, 16384),
    ],
)
def test_store_of_other_word_formats(form, lanes, bram, spram):
    assert store_words(BOARD.memories, lanes, "bram", form) == bram
    assert store_words(BOARD.memories, lanes, "spram", form) == spram


def test_packed_weights_fill_the_board_s_words_with_more_lanes():
    plan = make_plan(BOARD, LARGE, word_format=WordFormat(packed=True))
    p = plan.parameters
    assert (p.lanes, p.word_bits, p.weights, p.packed) == (20, 64, "spram", True)
    assert plan.network_words == plan_layout(LARGE, 20, WordFormat(packed=True)).words
    assert "16384 words of 64 bits (655360 ternary weights)" in plan.text()
    assert "five weights in a byte, 2 events a cycle" in plan.text()
    assert make_plan(BOARD, SMALL, 16, word_format=WordFormat(packed=True)).parameters.lanes == 16


def test_one_event_a_cycle_makes_24_lanes_possible():
    plan = make_plan(BOARD, LARGE, 24, word_format=WordFormat(events=1))
    assert (plan.parameters.word_bits, plan.parameters.weights) == (48, "spram")
    assert "two bits a weight, 1 event a cycle" in plan.text()


def test_packed_weights_in_block_ram_ride_in_the_bitstream():
    network = random_network(seed=4, inputs=4, units=(20,), outputs=5)
    plan = make_plan(BOARD, network, word_format=WordFormat(packed=True))
    assert plan.parameters.image.layout.word_format == WordFormat(packed=True)


def test_more_packed_lanes_than_spram_has_bits_for_say_so():
    with pytest.raises(PlanError, match="24 lanes need 6 SPRAMs, there are 4") as error:
        make_plan(BOARD, SMALL, lanes=24, word_format=WordFormat(packed=True))
    assert "a word of 80 bits takes 6" in str(error.value)
