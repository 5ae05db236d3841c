"""One step of every cell, written again in NumPy from its paper: p are a layer's parameters."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def additive(p, x, h):
    w, u, b = p["weight_ih"], p["weight_hh"], p["bias"]
    z, c = np.split(w @ x + u @ h + b, 2)
    z, c = np.maximum(z, 0), np.clip(c, -1, 1)
    # The other form of the gate.
    h = c + np.maximum(h - c - z, 0) - np.maximum(c - h - z, 0)
    return h, h


def gru(p, x, h):
    wr, wz, wn = np.split(p["gru.weight_ih_l0"], 3)
    ur, uz, un = np.split(p["gru.weight_hh_l0"], 3)
    br, bz, bn = np.split(p["gru.bias_ih_l0"], 3)
    cr, cz, cn = np.split(p["gru.bias_hh_l0"], 3)
    r, z = sigmoid(wr @ x + br + ur @ h + cr), sigmoid(wz @ x + bz + uz @ h + cz)
    n = np.tanh(wn @ x + bn + r * (un @ h + cn))
    h = (1 - z) * n + z * h
    return h, h


def lstm(p, x, state):
    h, c = np.split(state, 2)
    w, u = np.split(p["lstm.weight_ih_l0"], 4), np.split(p["lstm.weight_hh_l0"], 4)
    b = np.split(p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"], 4)
    i, f, g, o = (w[k] @ x + u[k] @ h + b[k] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, np.concatenate((h, c))


def mixed(p, prefix, part, wx, uh):
    a, b1, b2, b = (p[f"{prefix}.{n}"][part] for n in ("alpha", "beta1", "beta2", "bias"))
    return np.array(
        [a[k] * wx[k] * uh[k] + b1[k] * uh[k] + b2[k] * wx[k] + b[k] for k in range(len(wx))]
    )


def mi_gru(p, x, h):
    size = len(h)
    first, second = slice(0, size), slice(size, 2 * size)
    wr, wz, wn = np.split(p["weight_ih"], 3)
    ur, uz = np.split(p["weight_hh"], 2)
    r = sigmoid(mixed(p, "gates", first, wr @ x, ur @ h))
    z = sigmoid(mixed(p, "gates", second, wz @ x, uz @ h))
    n = np.tanh(mixed(p, "candidate", first, wn @ x, p["weight_hn"] @ (r * h)))
    h = z * h + (1 - z) * n
    return h, h


def mi_lstm(p, x, state):
    h, c = np.split(state, 2)
    size = len(h)
    w, u = np.split(p["weight_ih"], 4), np.split(p["weight_hh"], 4)
    i, f, g, o = (
        mixed(p, "integration", slice(k * size, (k + 1) * size), w[k] @ x, u[k] @ h)
        for k in range(4)
    )
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, np.concatenate((h, c))


def egru(p, x, c):
    wu, wr, wz = np.split(p["weight_ih"], 3)
    uu, ur, uz = np.split(p["weight_hh"], 3)
    bu, br, bz = np.split(p["bias"], 3)
    theta = p["threshold"]
    y = np.array([v if v > t else 0.0 for v, t in zip(c, theta, strict=True)])
    u, r = sigmoid(wu @ x + uu @ y + bu), sigmoid(wr @ x + ur @ y + br)
    z = np.tanh(wz @ x + uz @ (r * y) + bz)
    c = u * z + (1 - u) * c - np.array([t if v > t else 0.0 for v, t in zip(c, theta, strict=True)])
    return np.array([v if v > t else 0.0 for v, t in zip(c, theta, strict=True)]), c


def ttq(weight, threshold=0.7):
    rows = []
    for row in weight:
        kept = np.abs(row) > threshold * np.abs(row).mean()
        scale = 2.0 ** np.round(np.log2(np.abs(row[kept]).mean()))
        rows.append(np.sign(row) * kept * scale)
    return np.array(rows)


def cut(smooth):
    return np.where(np.abs(smooth) > 0.5, np.sign(smooth), 0.0)


def hitnet_weights(p, count):
    names = ("weight_ih", "weight_hh")
    w, u = (ttq(p[f"parametrizations.{name}.original"]) for name in names)
    return np.split(w, count), np.split(u, count), np.split(p["bias"], count)


SLOPE = 2.0


def hitnet_gru(p, x, h):
    w, u, b = hitnet_weights(p, 3)
    r, z = (cut(sigmoid(SLOPE * (w[k] @ x + u[k] @ h + b[k]))) for k in range(2))
    n = cut(np.tanh(SLOPE * (w[2] @ x + u[2] @ (r * h) + b[2])))
    h = np.where(z == 1, h, n)
    return h, h


def hitnet_lstm(p, x, state):
    h, c = np.split(state, 2)
    w, u, b = hitnet_weights(p, 4)
    i, f, g, o = (w[k] @ x + u[k] @ h + b[k] for k in range(4))
    i, f, o = (cut(sigmoid(SLOPE * gate)) for gate in (i, f, o))
    c = f * c + i * cut(np.tanh(SLOPE * g))
    h = o * cut(np.tanh(SLOPE * c))
    return h, np.concatenate((h, c))


FORMULAS = {
    "additive": additive,
    "gru": gru,
    "lstm": lstm,
    "mi-gru": mi_gru,
    "mi-lstm": mi_lstm,
    "egru": egru,
    "hitnet-gru": hitnet_gru,
    "hitnet-lstm": hitnet_lstm,
}
