"""The COBS decoder decodes as the code's definition says, whatever came before a delimiter."""

from amaranth.hdl import Mux, Signal

from hdl.link.cobs import FULL_CODE, COBSDecoder
from sim.mutants import Mutant
from sim.proofs.base import Harness, Proof, implies


class COBSHarness(Harness):
    """Any bytes; beside the decoder, the definition of the code, piece by piece.

    A code byte says how many bytes follow until the next one; unless it is the largest, or the
    frame's last, a zero stands behind them. The definition is only followed after a delimiter,
    so the decoder may begin in any state.
    """

    def __init__(self) -> None:
        super().__init__()
        m = self.m
        decoder = COBSDecoder()
        inside = self.add("dut", decoder)
        self.free(decoder.bytes.valid)
        self.free(decoder.bytes.payload)
        valid, byte = decoder.bytes.valid, decoder.bytes.payload
        aligned = Signal()
        left = Signal(8)  # bytes until the next code
        zero_due = Signal()  # stands before the next piece
        delimiter = valid & (byte == 0)
        with m.If(valid & aligned):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [left.eq(byte - 1), zero_due.eq(byte != FULL_CODE)]
        with m.If(delimiter):
            m.d.sync += [aligned.eq(1), left.eq(0), zero_due.eq(0)]

        told = self.before(valid & aligned)
        byte, delimiter = self.before(byte), self.before(delimiter)
        code, zero = self.before(left == 0), self.before(zero_due)
        frames = decoder.frames
        item = frames.valid & ~frames.payload.end
        claims = [
            (frames.valid == (delimiter | ~code | zero), "not one item as due"),
            ((frames.valid & frames.payload.end) == delimiter, "not one end for each delimiter"),
            (implies(item, frames.payload.data == Mux(code, 0, byte)), "another byte"),
            (implies(delimiter, decoder.malformed == ~code), "a cut piece is not told"),
        ]
        for condition, message in claims:
            self.claim(implies(told, condition), message)
        self.claim(implies(~self.before(valid), ~frames.valid), "an item without a byte")
        # What joins the decoder's registers with the definition's.
        self.claim(implies(aligned, inside["remaining"] == (left + 1)[:8]), "another remainder")
        self.claim(implies(aligned, inside["zero"] == zero_due), "another zero")
        cut = Signal()
        with m.If(told & delimiter & ~code):
            m.d.sync += cut.eq(1)
        self.see(cut & told & item & code, "a zero, after a frame that was cut short")


PROOFS = (
    Proof(
        name="cobs",
        claim="After one delimiter the COBS decoder decodes every frame as the code's definition "
        "says, and tells of each that was cut short, whatever came before.",
        harness=COBSHarness,
        depth=3,
        method="Nothing is claimed before the first delimiter, and the decoder may do anything "
        "until then.",
        cover=12,
        mutants={
            Mutant(
                "a delimiter inside a piece does not begin a new frame",
                COBSDecoder,
                "with m.If(delimiter):",
                "with m.If(delimiter & code):",
            ): 12,
            Mutant(
                "a frame begins with the zero of the one before",
                COBSDecoder,
                "m.d.sync += [remaining.eq(1), zero.eq(0)]",
                "m.d.sync += remaining.eq(1)",
            ): 12,
        },
    ),
)
