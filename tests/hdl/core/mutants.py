"""Parts of the engine that are wrong on purpose."""

import inspect
import sys

import hdl.core.engine


def mutate(monkeypatch, part, old, new):
    """Put a part into the engine whose source differs in one place.

    If that place is not there any more, the test that asked for it fails.
    """
    source = inspect.getsource(part)
    assert source.count(old) == 1, f"the mutated source is not there: {old!r}"
    names = dict(vars(sys.modules[part.__module__]))
    exec(source.replace(old, new), names)
    monkeypatch.setattr(hdl.core.engine, part.__name__, names[part.__name__])
