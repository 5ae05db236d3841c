// A client that also makes the time: the board stands still but for the cycles it is told to run.
//
// The client sends orders of five bytes, a letter and a u32 (little endian), and after 'S' the bytes:
//
//     S n    put n bytes on the line, after those that wait to be sent
//     A n    advance until the device has sent a zero byte, but by n cycles at most; the answer is
//            the clock (u64, cycles since the start), a count (u32), and as many bytes of the device
//     R n    hold the device's reset for n cycles
//     C 0    configure the device again: nothing that it held stays
//     F n    flip a bit of the weight store: bit n % 16 of word n / 16 % 16384 of SPRAM n / 2^18
//
// When the client leaves, the cable is pulled: bytes that wait to be sent, or were received, are lost.
#pragma once

#include "server.h"

struct Order {
    char letter;
    uint32_t number;
    std::vector<uint8_t> bytes;
};

class LockstepServer : public Listener {
public:
    using Listener::Listener;

    // Wait for a client's next order; false if there is none because the client left, or the
    // program is to end.
    bool next(Order& order) {
        while (!connected()) {
            if (g_stop) return false;
            if (wait(-1, POLLIN) && !connected()) welcome();
        }
        uint8_t header[5];
        if (!fetch(header, sizeof header)) return false;
        order.letter = static_cast<char>(header[0]);
        order.number = 0;
        for (int i = 0; i < 4; ++i) order.number |= uint32_t{header[1 + i]} << 8 * i;
        order.bytes.resize(order.letter == 'S' ? order.number : 0);
        return fetch(order.bytes.data(), order.bytes.size());
    }
    void answer(uint64_t cycle, std::vector<uint8_t>& bytes) {
        std::vector<uint8_t> data;
        for (int i = 0; i < 8; ++i) data.push_back(static_cast<uint8_t>(cycle >> 8 * i));
        for (int i = 0; i < 4; ++i) data.push_back(static_cast<uint8_t>(bytes.size() >> 8 * i));
        data.insert(data.end(), bytes.begin(), bytes.end());
        bytes.clear();
        for (size_t done = 0; done < data.size() && connected() && !g_stop;) {
            done += put(data.data() + done, data.size() - done);
            if (done < data.size() && connected()) wait(-1, POLLOUT);
        }
    }

private:
    bool fetch(uint8_t* data, size_t size) {
        for (size_t done = 0; done < size;) {
            wait(-1, POLLIN);
            if (g_stop) return false;
            done += get(data + done, size - done);
            if (!connected()) return false;
        }
        return true;
    }
};
