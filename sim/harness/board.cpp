// The simulated board: the Verilated top level `system`, its UART pins behind a TCP port.
//
// One client at a time. Bytes from the socket become a waveform on `rx`, the waveform on `tx`
// becomes bytes to the socket, both at the board's baud rate, counted in clock cycles. The
// socket is looked at only every kCyclesPerPoll cycles, because a system call costs as much
// as many simulated cycles. A board that has been quiet for long sleeps more and more, and at
// last blocks until a byte or a client comes; no work of the design lasts that long silently.
//
// With --trace-paused, waveforms are written between SIGUSR1 and SIGUSR2 only: whoever drives the
// board knows when what it wants to see begins.

#include "Vsystem.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr uint64_t kCyclesPerPoll = 512;
constexpr uint64_t kMostPendingBytes = 4096;      // read no more than this ahead of the line
constexpr uint64_t kAwakeCycles = 50'000;         // quiet for less: full speed
constexpr uint64_t kSleepGrowth = 100'000;        // one more millisecond of sleep for each
constexpr uint64_t kBlockCycles = 50'000'000;     // quiet for more: wait for the socket
constexpr uint64_t kCyclesPerNap = 10'000;        // cycles simulated between two sleeps
constexpr uint64_t kNever = ~uint64_t{0};
constexpr int kFrameBits = 10;                    // start, eight data bits, stop

volatile std::sig_atomic_t g_stop = 0;
volatile std::sig_atomic_t g_tracing = 1;

void on_signal(int number) {
    if (number == SIGUSR1) g_tracing = 1;
    else if (number == SIGUSR2) g_tracing = 0;
    else g_stop = 1;
}

struct Options {
    int port = 0;
    double clock_hz = 48e6;
    double baud = 3e6;
    int seed = 1;
    bool statistics = false;
    bool exit_on_eof = false;
    std::string trace;
    bool trace_paused = false;
    uint64_t warm_up = 0;
};

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "error: %s\n", message.c_str());
    std::exit(1);
}

[[noreturn]] void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        const auto value = [&]() -> std::string {
            if (i + 1 >= argc) fail(name + " needs a value");
            return argv[++i];
        };
        if (name == "--port") options.port = std::stoi(value());
        else if (name == "--clock-hz") options.clock_hz = std::stod(value());
        else if (name == "--baud") options.baud = std::stod(value());
        else if (name == "--seed") options.seed = std::stoi(value());
        else if (name == "--trace") options.trace = value();
        else if (name == "--trace-paused") options.trace_paused = true;
        else if (name == "--warm-up") options.warm_up = std::stoull(value());
        else if (name == "--cycles") options.statistics = true;
        else if (name == "--exit-on-eof") options.exit_on_eof = true;
        else fail("unknown option " + name);
    }
    return options;
}

// Drives the device's rx pin.
class Sender {
public:
    explicit Sender(double cycles_per_bit) : m_cycles_per_bit{cycles_per_bit} {}
    void push(const uint8_t* data, size_t size) { m_bytes.insert(m_bytes.end(), data, data + size); }
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
    void sample(bool level, std::vector<uint8_t>& bytes) {
        m_frame |= uint32_t{level} << m_bit;
        if (++m_bit < kFrameBits) {
            schedule();
            return;
        }
        m_next = kNever;
        const bool good = !(m_frame & 1) && (m_frame >> 9 & 1);
        if (good) bytes.push_back(static_cast<uint8_t>(m_frame >> 1));
        else ++m_framing_errors;
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

// The listening socket and its one client.
class Server {
public:
    explicit Server(int port, bool exit_on_eof) : m_exit_on_eof{exit_on_eof} {
        m_listener = socket(AF_INET, SOCK_STREAM, 0);
        if (m_listener < 0) fail_errno("cannot make a socket");
        const int on = 1;
        setsockopt(m_listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<uint16_t>(port));
        if (bind(m_listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
            fail_errno("cannot listen on port " + std::to_string(port));
        if (listen(m_listener, 1) < 0) fail_errno("cannot listen");
        socklen_t size = sizeof address;
        getsockname(m_listener, reinterpret_cast<sockaddr*>(&address), &size);
        std::printf("listening on socket://127.0.0.1:%d\n", ntohs(address.sin_port));
        std::fflush(stdout);
    }
    ~Server() {
        hang_up();
        close(m_listener);
    }

    // Serve the sockets once, waiting at most `milliseconds` (-1: until something comes).
    // True when something came in or a client came or went.
    bool serve(int milliseconds, bool wants_bytes, Sender& sender, std::vector<uint8_t>& out) {
        pollfd files[2];
        files[0] = {m_client >= 0 ? m_client : m_listener, 0, 0};
        if (m_client < 0 || wants_bytes) files[0].events |= POLLIN;
        if (m_client < 0) out.clear();               // nobody listens: the bytes are lost
        if (!out.empty()) files[0].events |= POLLOUT;
        files[1] = {m_exit_on_eof ? STDIN_FILENO : -1, POLLIN, 0};
        if (poll(files, 2, milliseconds) <= 0) return false;
        if (files[1].revents) {
            char ignored[256];
            if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) g_stop = 1;
        }
        if (!files[0].revents) return false;
        if (m_client < 0) return welcome();
        return exchange(files[0].revents, wants_bytes, sender, out);
    }

private:
    bool welcome() {
        m_client = accept(m_listener, nullptr, nullptr);
        if (m_client < 0) return false;
        const int on = 1;
        setsockopt(m_client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(m_client, F_SETFL, fcntl(m_client, F_GETFL) | O_NONBLOCK);
        return true;
    }
    bool exchange(short events, bool wants_bytes, Sender& sender, std::vector<uint8_t>& out) {
        if ((events & POLLOUT) && !out.empty()) {
            const ssize_t sent = send(m_client, out.data(), out.size(), MSG_NOSIGNAL);
            if (sent > 0) out.erase(out.begin(), out.begin() + sent);
            else if (errno != EAGAIN) hang_up();
        }
        if (m_client >= 0 && (events & (POLLIN | POLLHUP | POLLERR)) && wants_bytes) {
            uint8_t buffer[2048];
            const ssize_t got = recv(m_client, buffer, sizeof buffer, 0);
            if (got > 0) sender.push(buffer, static_cast<size_t>(got));
            else if (got == 0 || errno != EAGAIN) hang_up();
            return true;
        }
        return false;
    }
    void hang_up() {
        if (m_client >= 0) close(m_client);
        m_client = -1;
    }

    bool m_exit_on_eof;
    int m_listener = -1;
    int m_client = -1;
};

class Board {
public:
    explicit Board(const Options& options, VerilatedContext* context)
        : m_options{options}, m_context{context}, m_top{new Vsystem{context}},
          m_sender{options.clock_hz / options.baud}, m_receiver{options.clock_hz / options.baud} {
#if VM_TRACE
        if (!options.trace.empty()) {
            context->traceEverOn(true);
            m_trace.reset(new VerilatedVcdC);
            m_top->trace(m_trace.get(), 99);
            m_trace->open(options.trace.c_str());
            if (!m_trace->isOpen()) fail("cannot write the trace " + options.trace);
        }
#endif
        m_top->rx = 1;
        m_top->rst = 1;
        for (int i = 0; i < 8; ++i) clock();
        m_top->rst = 0;
        run(options.warm_up);
    }
    ~Board() {
        m_top->final();
#if VM_TRACE
        if (m_trace) m_trace->close();
#endif
    }

    void serve() {
        Server server{m_options.port, m_options.exit_on_eof};
        const auto began = std::chrono::steady_clock::now();
        std::chrono::duration<double> slept{0};
        while (!g_stop) {
            const uint64_t quiet = m_cycle - m_active;
            int wait = 0;
            uint64_t cycles = kCyclesPerPoll;
            if (m_output.empty() && quiet > kAwakeCycles) {
                const uint64_t nap = 1 + quiet / kSleepGrowth;
                wait = quiet > kBlockCycles ? -1 : static_cast<int>(nap < 200 ? nap : 200);
                cycles = kCyclesPerNap;
            }
            const auto before = std::chrono::steady_clock::now();
            const bool wants = m_sender.pending() < kMostPendingBytes;
            if (server.serve(wait, wants, m_sender, m_output)) m_active = m_cycle;
            if (wait) slept += std::chrono::steady_clock::now() - before;
            run(m_sender.pending() ? kCyclesPerPoll : cycles);
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began - slept;
        if (m_options.statistics) {
            std::printf("simulated %llu cycles in %.3f s: %.0f cycles/s, %llu framing errors\n",
                        static_cast<unsigned long long>(m_cycle), took.count(),
                        m_cycle / took.count(),
                        static_cast<unsigned long long>(m_receiver.framing_errors()));
            std::fflush(stdout);
        }
    }

private:
    void clock() {
        m_top->clk = 1;
        m_top->eval();
#if VM_TRACE
        if (m_trace && g_tracing) m_trace->dump(2 * m_cycle);
#endif
        m_top->clk = 0;
        m_top->eval();
#if VM_TRACE
        if (m_trace && g_tracing) m_trace->dump(2 * m_cycle + 1);
#endif
        ++m_cycle;
    }

    void run(uint64_t cycles) {
        m_sender.wake(m_cycle);
        for (const uint64_t end = m_cycle + cycles; m_cycle != end;) {
            if (m_cycle == m_sender.next_edge()) {
                m_top->rx = m_sender.advance(m_cycle);
                m_active = m_cycle;
            }
            clock();
            if (m_receiver.receiving()) {
                if (m_cycle >= m_receiver.next_sample()) {
                    m_receiver.sample(m_top->tx, m_output);
                    m_active = m_cycle;
                }
            } else if (!m_top->tx) {
                m_receiver.start(m_cycle);
            }
        }
    }

    const Options& m_options;
    VerilatedContext* m_context;
    std::unique_ptr<Vsystem> m_top;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> m_trace;
#endif
    Sender m_sender;
    Receiver m_receiver;
    std::vector<uint8_t> m_output;
    uint64_t m_cycle = 0;
    uint64_t m_active = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    struct sigaction action {};
    action.sa_handler = on_signal;                   // no SA_RESTART: poll() must return
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGUSR1, &action, nullptr);            // waveforms from here on
    sigaction(SIGUSR2, &action, nullptr);            // none from here on
    if (options.trace_paused) g_tracing = 0;
    VerilatedContext context;
    context.randReset(2);                            // whatever has no initial value is random
    context.randSeed(options.seed);
    Board board{options, &context};
    board.serve();
    return 0;
}
