// The line: bytes to a waveform on the device's rx pin, the waveform on its tx pin to bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

constexpr uint64_t kNever = ~uint64_t{0};
constexpr int kFrameBits = 10;                    // start, eight data bits, stop

// Drives the device's rx pin.
class Sender {
public:
    explicit Sender(double cycles_per_bit) : m_cycles_per_bit{cycles_per_bit} {}
    void push(const uint8_t* data, size_t size) { m_bytes.insert(m_bytes.end(), data, data + size); }
    // Forget what has not begun.
    void clear() { m_bytes.clear(); }
    // The clock went on without the line: let the next bit begin now.
    void restart(uint64_t now) {
        if (m_next != kNever) m_next = now;
    }
    size_t pending() const { return m_bytes.size() + (m_bit < kFrameBits ? 1 : 0); }
    uint64_t next_edge() const { return m_next; }
    // Make the line idle-or-busy again after push(); call once a chunk.
    void wake(uint64_t now) {
        if (m_next == kNever && !m_bytes.empty()) m_next = now;
    }
    // Return the line's level from `now` on.
    bool advance(uint64_t now) {
        if (m_bit >= kFrameBits) {
            if (m_bytes.empty()) {
                m_next = kNever;
                return true;
            }
            m_frame = uint32_t{m_bytes.front()} << 1 | 0x200;
            m_bytes.pop_front();
            m_bit = 0;
            m_start = now;
        }
        const bool level = m_frame >> m_bit & 1;
        ++m_bit;
        m_next = m_start + static_cast<uint64_t>(m_bit * m_cycles_per_bit + 0.5);
        return level;
    }

private:
    double m_cycles_per_bit;
    std::deque<uint8_t> m_bytes;
    uint32_t m_frame = 0;
    int m_bit = kFrameBits;
    uint64_t m_start = 0;
    uint64_t m_next = kNever;
};

// Samples the device's tx pin.
class Receiver {
public:
    explicit Receiver(double cycles_per_bit) : m_cycles_per_bit{cycles_per_bit} {}
    bool receiving() const { return m_next != kNever; }
    uint64_t next_sample() const { return m_next; }
    uint64_t framing_errors() const { return m_framing_errors; }
    void start(uint64_t now) {
        m_start = now;
        m_bit = 0;
        m_frame = 0;
        schedule();
    }
    // True when this was the last bit of a good byte, which was appended.
    bool sample(bool level, std::vector<uint8_t>& bytes) {
        m_frame |= uint32_t{level} << m_bit;
        if (++m_bit < kFrameBits) {
            schedule();
            return false;
        }
        m_next = kNever;
        const bool good = !(m_frame & 1) && (m_frame >> 9 & 1);
        if (good) bytes.push_back(static_cast<uint8_t>(m_frame >> 1));
        else ++m_framing_errors;
        return good;
    }

private:
    void schedule() { m_next = m_start + static_cast<uint64_t>((m_bit + 0.5) * m_cycles_per_bit); }

    double m_cycles_per_bit;
    uint32_t m_frame = 0;
    int m_bit = 0;
    uint64_t m_start = 0;
    uint64_t m_next = kNever;
    uint64_t m_framing_errors = 0;
};
