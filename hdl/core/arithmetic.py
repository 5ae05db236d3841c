"""Sums with a carry into the lowest bit, written so that one carry chain is enough.

``a + b + carry`` has three operands, which Yosys reduces to two by a row of full adders first.
"""

from amaranth.hdl import Cat, Const, Value


def add_with_carry(augend: Value, addend: Value, carry: Value) -> Value:
    """Return ``augend + addend + carry`` on one carry chain.

    Parameters
    ----------
    augend, addend : Value
        Both signed or both unsigned.
    carry : Value
        One bit.

    Returns
    -------
    Value
        One bit wider than the wider operand, signed as they are.
    """
    one = Const(1, 1)
    left, right = Cat(one, augend), Cat(carry, addend)
    if augend.shape().signed:
        return (left.as_signed() + right.as_signed())[1:].as_signed()
    return (left + right)[1:]
