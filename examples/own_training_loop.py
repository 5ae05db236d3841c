"""Your own data, your own training loop: from arrays to a network file.

    python examples/own_training_loop.py

The task: of two sine waves with noise, which is the faster one? Any other sequences of shape
[N, T, I] go the same way. Five things belong to the library; the loop is yours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from models.evaluate import evaluate
from models.export import export
from models.file import save
from models.float_network import AdditiveGatedNetwork
from models.qat import prepare_qat
from models.tasks.data import Part, normalise


def waves(count: int, seed: int) -> Part:
    """Sequences of 30 steps with 2 features, and which of the two swings faster (0 or 1)."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.3, 1.2, (count, 1, 2))
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 2))
    steps = np.arange(30).reshape(1, -1, 1)
    x = 20 + 4 * np.sin(frequency * steps + phase) + rng.normal(0, 0.4, (count, 30, 2))
    return Part(x, np.argmax(frequency[:, 0], axis=1))


def main(argv: list[str] | None = None) -> float:
    """Train, save, check; returns the accuracy of the integer network on fresh sequences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path("build/waves.safetensors"))
    options = parser.parse_args(argv)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    train, test = waves(2000, seed=1), waves(500, seed=2)

    # 1. A float network, with the normalisation of the training data: it goes into the file.
    module = AdditiveGatedNetwork(2, 32, 2, mode="last", normalisation=normalise(train))
    # 2. Its ternary twin, which trains on the integer grid.
    module = prepare_qat(module)

    # The loop is yours.
    optimizer = torch.optim.Adam(module.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    x, y = torch.from_numpy(train.x), torch.from_numpy(train.y)
    for epoch in range(options.epochs):
        for rows in torch.randperm(len(x)).split(64):
            loss = functional.cross_entropy(module(x[rows]).scores, y[rows])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

    # 3. Integers only, every bound checked. 4. A file that needs no PyTorch.
    network = export(module, name="waves", labels=["first", "second"])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save(network, options.output)
    # 5. The float32 module and the integer model must agree on every logit.
    result = evaluate(network, test)
    print(f"{options.output}: accuracy {result.integer:.3f} on {result.sequences} fresh sequences, "
          f"bit for bit: {result.agree}")  # fmt: skip
    if not result.agree:
        raise SystemExit("the module and the integer model differ")
    return result.integer


if __name__ == "__main__":
    main()
