"""A serial flash, as its data sheet says (JEDEC commands, SPI mode 0)."""

#: Cycles from the command that wakes it until it listens: 35 us at 48 MHz.
WAKE_CYCLES = 1680


class FlashModel:
    """Call `tick` in every clock cycle.

    Parameters
    ----------
    contents : dict
        Bytes by address; all others are erased.
    late : int
        Cycles from a falling edge of `sck` until `cipo` changes.
    """

    def __init__(self, contents: dict[int, int], late: int = 2) -> None:
        self.contents, self.late = contents, late
        self.awake_at: int | None = None
        self.now = 0
        self.commands: list[int] = []
        self.address = 0
        self._selected = self._sck = 0
        self._bits: list[int] = []
        self._outputs: list[tuple[int, int]] = []
        self.cipo = 1

    def tick(self, selected: int, sck: int, copi: int) -> int:
        """Take the pins in one cycle and return `cipo`."""
        self.now += 1
        assert not (selected != self._selected and sck), "selected or left in a clock pulse"
        if self._selected and not selected:
            self._release()
        if selected and not self._selected:
            self._bits = []
        if selected and sck and not self._sck:
            self._bits.append(copi)
            if len(self._bits) == 8:
                self.commands.append(self._number(0))
        if selected and self._sck and not sck:
            self._falling()
        self._selected, self._sck = selected, sck
        while self._outputs and self._outputs[0][0] <= self.now:
            self.cipo = self._outputs.pop(0)[1]
        return self.cipo

    def _number(self, first: int, count: int = 8) -> int:
        return int("".join(map(str, self._bits[first : first + count])), 2)

    def _release(self) -> None:
        if len(self._bits) == 8 and self._number(0) == 0xAB:
            self.awake_at = self.now + WAKE_CYCLES

    def _falling(self) -> None:
        awake = self.awake_at is not None and self.now >= self.awake_at
        if len(self._bits) < 32 or self._number(0) != 0x03 or not awake:
            return
        self.address = self._number(8, 24) + (len(self._bits) - 32) // 8
        byte = self.contents.get(self.address, 0xFF)
        self._outputs.append((self.now + self.late, byte >> 7 - len(self._bits) % 8 & 1))
