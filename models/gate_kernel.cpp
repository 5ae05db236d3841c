// All time steps of the additive gate, forward and backward, for some sequences of a batch.
//
// What models/gate.py computes step by step. A sequence depends on no other, so a thread takes a
// share of the batch through all steps. Sums are added in the order of their index, one product at
// a time and without fused operations, so that the result is the same on every machine.

#include <cmath>
#include <cstring>

namespace {

constexpr long SEQUENCES = 4; // at a time
constexpr long COLUMNS = 32;  // at a time

struct Gate {
    REAL theta, steps, c_cut, z_cut; // steps is 0 for real numbers

    REAL z(REAL pz) const {
        const REAL z = pz < 0 ? 0 : pz;
        return z > z_cut ? z_cut : z;
    }

    REAL move(REAL pc, REAL h) const {
        REAL c = pc < -c_cut ? -c_cut : pc;
        const REAL m = (c > c_cut ? c_cut : c) - h;
        const REAL dead = m < -theta ? -theta : m;
        return m - (dead > theta ? theta : dead);
    }

    // States after a step, from those before it and the pre-activations, which go onto the grid.
    void move_on(long units, REAL *__restrict p, const REAL *__restrict h,
                 REAL *__restrict fresh) const {
        const Gate gate = *this;
        const REAL *__restrict candidate = p + units;
        if (steps != 0)
            for (long j = 0; j < 2 * units; j++) p[j] = std::floor(p[j] * gate.steps) / gate.steps;
        for (long j = 0; j < units; j++) {
            const REAL z = gate.z(p[j]), m = gate.move(candidate[j], h[j]);
            REAL d = m < -z ? -z : m;
            d = d > z ? z : d;
            fresh[j] = h[j] + (z == z ? d : z); // not a number stays so
        }
    }

    // From the gradient by a state after a step, to + grad, those by the pre-activations, and that
    // by the state before it, as far as it does not go through them.
    void derive(long units, const REAL *__restrict p, const REAL *__restrict h,
                const REAL *__restrict grad, REAL *__restrict by_p, REAL *__restrict to) const {
        const Gate gate = *this;
        const REAL idle = theta == 0; // without a dead zone, c = h is a state that follows
        const REAL *__restrict candidate = p + units;
        REAL *__restrict by_c = by_p + units;
        for (long j = 0; j < units; j++) {
            const REAL pz = p[j], pc = candidate[j], z = gate.z(pz), m = gate.move(pc, h[j]);
            const REAL size = std::fabs(m), g = to[j] + grad[j], free = m != 0 ? z : z * idle;
            REAL follows = size <= free ? g : 0;
            follows = free > 0 ? follows : 0;
            REAL limited = size <= free ? 0 : g;
            limited = pz > 0 ? limited : 0;
            limited = pz < gate.z_cut ? limited : 0;
            by_p[j] = m > 0 ? limited : -limited;
            by_c[j] = std::fabs(pc) <= gate.c_cut ? follows : 0;
            to[j] = g - follows;
        }
    }
};

// out[s][j] += sum over k of in[s][k] * matrix[k][j]
template <long S, long J>
inline void add_tile(REAL *const *out, const REAL *const *in, const REAL *matrix, long rows,
                     long columns, long at) {
    REAL sums[S][J];
    for (long s = 0; s < S; s++)
        for (long j = 0; j < J; j++) sums[s][j] = out[s][at + j];
    for (long k = 0; k < rows; k++)
        for (long s = 0; s < S; s++)
            for (long j = 0; j < J; j++) sums[s][j] += in[s][k] * matrix[k * columns + at + j];
    for (long s = 0; s < S; s++)
        for (long j = 0; j < J; j++) out[s][at + j] = sums[s][j];
}

template <long S>
inline void add_product(REAL *const *out, const REAL *const *in, const REAL *matrix, long rows,
                        long columns) {
    long at = 0;
    for (; at + COLUMNS <= columns; at += COLUMNS)
        add_tile<S, COLUMNS>(out, in, matrix, rows, columns, at);
    for (; at < columns; at++) add_tile<S, 1>(out, in, matrix, rows, columns, at);
}

struct Batch {
    long length, count, units;
    const unsigned char *valid; // [length, count], or none: all are

    bool is_valid(long t, long n) const { return !valid || valid[t * count + n]; }
};

template <long S>
void forward(const Batch &b, const Gate &gate, long n, const REAL *columns, REAL *saved,
             REAL *states) {
    const long wide = 2 * b.units;
    for (long t = 0; t < b.length; t++) {
        REAL *p[S];
        const REAL *old[S];
        for (long s = 0; s < S; s++) {
            p[s] = saved + (t * b.count + n + s) * wide; // the inputs' part
            old[s] = states + (t * b.count + n + s) * b.units;
        }
        add_product<S>(p, old, columns, b.units, wide);
        for (long s = 0; s < S; s++) {
            REAL *fresh = states + ((t + 1) * b.count + n + s) * b.units;
            gate.move_on(b.units, p[s], old[s], fresh);
            if (!b.is_valid(t, n + s)) std::memcpy(fresh, old[s], b.units * sizeof(REAL));
        }
    }
}

template <long S>
void backward(const Batch &b, const Gate &gate, long n, const REAL *recurrent, const REAL *saved,
              const REAL *states, const REAL *grads, REAL *to_p, REAL *to_h) {
    const long wide = 2 * b.units;
    REAL *to[S];
    for (long s = 0; s < S; s++) to[s] = to_h + (n + s) * b.units; // zero at first
    for (long t = b.length - 1; t >= 0; t--) {
        const REAL *out[S];
        for (long s = 0; s < S; s++) {
            const long at = t * b.count + n + s;
            out[s] = to_p + at * wide;
            if (b.is_valid(t, n + s)) {
                gate.derive(b.units, saved + at * wide, states + at * b.units, grads + at * b.units,
                            to_p + at * wide, to[s]);
            } else { // held
                std::memset(to_p + at * wide, 0, wide * sizeof(REAL));
                for (long j = 0; j < b.units; j++) to[s][j] += grads[at * b.units + j];
            }
        }
        add_product<S>(to, out, recurrent, wide, b.units);
    }
}

} // namespace

// Sequences first to last of a batch. saved [length, count, 2 units] holds the inputs' part of the
// pre-activations, and afterwards all of them; states [length + 1, count, units] begins with those
// before the first step; columns [units, 2 units] are the recurrent weights, transposed.
extern "C" void gate_forward(long length, long count, long units, long first, long last,
                             const REAL *columns, REAL *saved, REAL *states,
                             const unsigned char *valid, REAL theta, REAL steps, REAL c_cut,
                             REAL z_cut) {
    const Batch batch{length, count, units, valid};
    const Gate gate{theta, steps, c_cut, z_cut};
    long n = first;
    for (; n + SEQUENCES <= last; n += SEQUENCES)
        forward<SEQUENCES>(batch, gate, n, columns, saved, states);
    for (; n < last; n++) forward<1>(batch, gate, n, columns, saved, states);
}

// What `gate_forward` saved, and grads [length, count, units] of the states after each step, give
// to_p [length, count, 2 units] and to_h [count, units] of the states before the first step.
extern "C" void gate_backward(long length, long count, long units, long first, long last,
                              const REAL *recurrent, const REAL *saved, const REAL *states,
                              const REAL *grads, const unsigned char *valid, REAL theta,
                              REAL steps, REAL c_cut, REAL z_cut, REAL *to_p, REAL *to_h) {
    const Batch batch{length, count, units, valid};
    const Gate gate{theta, steps, c_cut, z_cut};
    long n = first;
    for (; n + SEQUENCES <= last; n += SEQUENCES)
        backward<SEQUENCES>(batch, gate, n, recurrent, saved, states, grads, to_p, to_h);
    for (; n < last; n++)
        backward<1>(batch, gate, n, recurrent, saved, states, grads, to_p, to_h);
}
