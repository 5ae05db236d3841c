"""The compiled loop over time steps: what PyTorch's operations compute, bit for bit on the grid."""

import shutil
import threading

import pytest
import torch

from models import gate_kernel
from models.gate import compiled, gate_sequence
from models.gate_kernel import KernelError, kernel
from models.train import main

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

SHAPES = [(1, 1, 1), (7, 4, 5), (5, 9, 16), (6, 3, 33), (3, 13, 64)]


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def calls(monkeypatch):
    """The names of the kernel's calls, as they come."""
    made = []
    run = gate_kernel.GateKernel._run
    monkeypatch.setattr(
        gate_kernel.GateKernel,
        "_run",
        lambda self, name, *rest: made.append(name) or run(self, name, *rest),
    )
    return made


def drawn(shape, dtype, steps, seed=0):
    """Inputs, recurrent weights and start; on the grid with steps, so that all sums are exact."""
    length, count, units = shape
    generator = torch.Generator().manual_seed(seed)
    sizes = (length, count, 2 * units), (2 * units, units), (count, units)
    made = [torch.randn(size, generator=generator, dtype=dtype) for size in sizes]
    made[1] = made[1].sign() / 4
    made[2] = made[2].clamp(-0.9, 0.9)
    if steps is not None:
        made[0], made[2] = ((part * steps).round() / steps for part in (made[0], made[2]))
    return [part.requires_grad_() for part in made]


def lengths_mask(shape):
    lengths = torch.arange(shape[1]) % shape[0] + 1
    return torch.arange(shape[0])[:, None, None] < lengths[:, None]


def both(given, *arguments):
    """States and gradients by all that is given, without and with the kernel."""
    found = []
    for enabled in (False, True):
        with compiled(enabled):
            states = gate_sequence(*given, *arguments)
        weight = torch.randn(states.shape, generator=torch.Generator().manual_seed(9))
        grads = torch.autograd.grad((states * weight.to(states.dtype)).sum(), given)
        found.append([states, *grads])
    return zip(*found, strict=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("theta", [0.0, 0.125])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [8, 128])
def test_states_on_the_grid_are_the_same_bits(shape, theta, masked, steps):
    given = drawn(shape, torch.float32, steps)
    valid = lengths_mask(shape) if masked else None
    (plain, fast), *grads = both(given, valid, theta, steps)
    assert torch.equal(plain, fast)
    for a, b in grads:
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("theta", [0.0, 0.3])
@pytest.mark.parametrize("masked", [False, True])
def test_states_and_gradients_of_real_numbers_are_the_same_but_for_rounding(shape, theta, masked):
    valid = lengths_mask(shape) if masked else None
    for a, b in both(drawn(shape, torch.float64, None), valid, theta):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("theta", [0.0, 0.1])
def test_gradcheck(theta):
    shape = (5, 6, 4)
    valid = lengths_mask(shape)
    with compiled():
        assert torch.autograd.gradcheck(
            lambda *given: gate_sequence(*given, valid, theta),
            drawn(shape, torch.float64, None),
        )


def test_the_kernel_is_what_runs(calls):
    """Else the tests above would compare PyTorch's operations with themselves."""
    list(both(drawn((3, 2, 4), torch.float32, None)))
    assert calls == ["gate_forward", "gate_backward"]


@pytest.mark.parametrize("count", [8, 13])
def test_threads_change_no_bit(threads, count):
    given = drawn((9, count, 24), torch.float32, None)
    found = []
    for number in (1, 2, 3):
        threads(number)
        with compiled():
            states = gate_sequence(*given)
        found.append([states, *torch.autograd.grad(states.square().sum(), given)])
    for other in found[1:]:
        assert torch.equal(found[0][0], other[0])
        assert torch.equal(found[0][1], other[1]), "by the inputs"
        assert torch.equal(found[0][3], other[3]), "by the start"


@pytest.mark.parametrize("place", ["z", "c"])
def test_what_is_no_number_stays_none(place):
    """Or training would go on where it must end with an error."""
    given = drawn((3, 2, 4), torch.float32, None)
    with torch.no_grad():
        given[0][1, 1, 2 if place == "z" else 6] = float("nan")
    with compiled():
        states = gate_sequence(*given)
    assert states[1, 1, 2].isnan() and not states[0].isnan().any()


def test_inputs_and_weights_are_left_as_they_were():
    given = drawn((4, 5, 6), torch.float32, 16)
    before = [part.clone() for part in given]
    list(both(given, None, 0.0, 16))
    for part, kept in zip(given, before, strict=True):
        assert torch.equal(part, kept)


def test_weights_in_any_layout_will_do():
    inputs, recurrent, start = drawn((4, 5, 6), torch.float64, None)
    given = [
        inputs.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_(),
        recurrent.detach().t().contiguous().t().requires_grad_(),
        start,
    ]
    for a, b in both(given):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


def test_it_ends_where_it_was_turned_on():
    with pytest.raises(ZeroDivisionError), compiled():
        with compiled(False):
            assert not _is_on()
        assert _is_on()
        raise ZeroDivisionError
    assert not _is_on()


def _is_on():
    from models import gate

    return gate._compiled.get()


def test_threads_turn_it_on_for_themselves():
    entered, left = threading.Event(), threading.Event()
    seen = []

    def other():
        seen.append(_is_on())
        with compiled():
            entered.set()
            assert left.wait(60)
            seen.append(_is_on())
        seen.append(_is_on())

    thread = threading.Thread(target=other)
    with compiled():
        thread.start()
        assert entered.wait(60)
    left.set()
    thread.join()
    assert seen == [False, True, False] and not _is_on()


@pytest.mark.parametrize("masked", ["transposed", "expanded"])
def test_a_mask_in_any_layout_will_do(masked):
    shape = (64, 64, 8)
    valid = lengths_mask(shape)
    if masked == "transposed":
        valid = valid.transpose(0, 1).contiguous().transpose(0, 1)
    else:
        valid = valid[:, :1].expand(64, 64, 1)
    assert not valid.is_contiguous()
    for a, b in both(drawn(shape, torch.float64, None), valid):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize(
    "change, error, message",
    [
        ({0: (4, 5, 5)}, ValueError, r"inputs must be \[T, N, 2H\], not \[4, 5, 5\]"),
        ({0: (4, 12)}, ValueError, r"inputs must be \[T, N, 2H\], not \[4, 12\]"),
        ({1: (2, 6)}, ValueError, r"recurrent must be \[12, 6\], not \[2, 6\]"),
        ({2: (1, 6)}, ValueError, r"h must be \[5, 6\], not \[1, 6\]"),
        ({3: torch.ones(4, 1, 1, dtype=torch.bool)}, ValueError, r"valid must be \[4, 5, 1\]"),
        ({3: torch.ones(4, 5, 1)}, TypeError, "valid must be bool, not torch.float32"),
    ],
)
def test_wrong_shapes_are_refused_before_anything_is_read(enabled, change, error, message):
    given = [*drawn((4, 5, 6), torch.float32, None), None]
    for place, new in change.items():
        given[place] = torch.zeros(new) if isinstance(new, tuple) else new
    with compiled(enabled), pytest.raises(error, match=message):
        gate_sequence(*given)


def test_other_numbers_go_on_in_pytorchs_operations():
    given = [part.detach().bfloat16() for part in drawn((4, 5, 6), torch.float32, 8)]
    with compiled():
        assert gate_sequence(*given, None, 0.0, 8).dtype == torch.bfloat16
        given[1] = given[1].double()
        with pytest.raises(RuntimeError):  # PyTorch's own word on mixed numbers
            gate_sequence(*given)


@pytest.mark.parametrize("enabled", [False, True])
def test_a_second_derivative_is_refused(enabled):
    given = drawn((4, 5, 6), torch.float64, None)
    with compiled(enabled):
        states = gate_sequence(*given)
    (grad,) = torch.autograd.grad(states.square().sum(), given[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.square().sum().backward()


@pytest.fixture
def fresh():
    kernel.cache_clear()
    yield
    kernel.cache_clear()


def test_a_missing_compiler_is_said_at_once(fresh, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(KernelError, match="no-such-compiler is not installed"), compiled():
        pass
    output = tmp_path / "n.safetensors"
    assert main(["digits", "--epochs", "1", "--compiled", "--output", str(output)]) == 2
    assert "error: the compiled loop needs a C++ compiler" in capsys.readouterr().err
    assert not output.exists()


def test_a_compiler_that_fails_is_quoted(fresh, monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no room' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", f"{broken} -m32")
    with pytest.raises(KernelError, match=r"(?s)could not be compiled:.*-DREAL=float.*no room"):
        kernel(torch.float32)


@pytest.mark.parametrize("option", [True, False])
def test_training_runs_and_says_that_it_was_compiled(tmp_path, calls, option):
    output = tmp_path / "n.safetensors"
    arguments = ["adding", "--length", "10", "--epochs", "1", "--iterations", "3", "--units", "5"]
    arguments += ["--compiled" if option else "--no-compiled", "--output", str(output)]
    assert main(arguments) == 0
    assert calls.count("gate_backward") == 3 * option
    said = f'"compiled": {str(option).lower()}'
    assert said in output.with_suffix(".metrics.json").read_text()
