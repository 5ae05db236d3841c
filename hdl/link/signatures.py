"""Shapes that join the link's parts, and the link to the engine."""

from amaranth.hdl import signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from hdl.core.signatures import (
    SCORE_ADDRESS_BITS,
    SOURCE_BITS,
    STATE_ADDRESS_BITS,
    STORE_ADDRESS_BITS,
    CommandLayout,
    Mode,
)

#: Bytes in the receive buffer and in the response ring: one iCE40 block RAM each.
BUFFER_BYTES = 512
BUFFER_ADDRESS_BITS = 9

#: One byte of a buffer stays free, so that equal pointers mean an empty buffer.
BUFFER_CAPACITY = BUFFER_BYTES - 1

#: Bits of the number of damaged frames that wait to be counted.
ERROR_BITS = 3


class FrameItem(data.Struct):
    """A byte of a frame, or (the data then mean nothing) the frame's end."""

    data: 8
    end: 1


def frame_stream() -> stream.Signature:
    """Return the signature of a stream of frames' bytes and ends."""
    return stream.Signature(FrameItem)


def engine_signature(word_bits: int) -> Signature:
    """Return the engine's port as the link sees it.

    Everything the link drives comes from a register, except `inputs.valid` (two registers'
    AND). What the engine reports is stable while it is idle; the link reads it, and drives
    strobes and memory ports, only then.

    Parameters
    ----------
    word_bits : int
        Bits of a word of the weight store.

    Members
    -------
    inputs : stream of signed(8)
        A step's bytes in order, after its STEP command was accepted: all of them are in the
        receive buffer, so they come one a cycle, the first at most two cycles later.
        The engine takes exactly `inputs_count` of them for each STEP.
    command : stream of CommandLayout
        Taken when the engine is idle; `busy` is high from the next cycle until it is done. It is
        high as well while the engine adds to its counters: before a command, or when `quiet`.
    quiet : 1
        Between requests: nothing is read, written or sent.
    soft_reset : 1
        Strobe: forget the command in progress; reset the sequence if a network is valid.
    invalidate : 1
        Strobe: the store is about to change, there is no valid network any more.
    network_valid : 1
        There is a network; after CONFIGURE, that it found one.
    inputs_count, outputs_count, mode : 9, 8, Mode
        I and C of the network, and when its readout is due.
    label : 8
        The last readout's.
    image_words : 16
        Words of the network's image; means nothing without a network.
    crc32 : 32
        The last CHECK's result.
    score_address, score_data : 8, 16
        Half-word `2 * output + half` of the scores, read one cycle after its address. From
        `hdl.core.readout.COUNTERS` on: those of the engine (`hdl.core.tally`), 64 bits each and up
        to date after a TALLY; steps, 64 bits, link errors and requests, 32 bits each, kept by the
        link.
    score_write, score_write_data : 1, 16
        Strobe to write at `score_address`.
    state_address, state_data : 8, 8
        State of a unit, read one cycle after its address. The address is zero while any
        command but CHECK and TALLY is carried out: the engine ORs its own into it.
    state_write, state_write_data : 1, 8
        Strobe to write at `state_address`.
    store_address, store_write, store_write_data : 16, 1, `word_bits`
        Strobe to write a word of the store.
    """
    return Signature(
        {
            "inputs": Out(stream.Signature(signed(8))),
            "command": Out(stream.Signature(CommandLayout)),
            "busy": In(1),
            "quiet": Out(1),
            "soft_reset": Out(1),
            "invalidate": Out(1),
            "network_valid": In(1),
            "inputs_count": In(SOURCE_BITS),
            "outputs_count": In(8),
            "mode": In(Mode),
            "label": In(8),
            "image_words": In(16),
            "crc32": In(32),
            "score_address": Out(SCORE_ADDRESS_BITS),
            "score_data": In(16),
            "score_write": Out(1),
            "score_write_data": Out(16),
            "state_address": Out(STATE_ADDRESS_BITS),
            "state_data": In(8),
            "state_write": Out(1),
            "state_write_data": Out(8),
            "store_address": Out(STORE_ADDRESS_BITS),
            "store_write": Out(1),
            "store_write_data": Out(word_bits),
        }
    )
