// The simulated board: the Verilated top level `system`, its UART pins behind a TCP port.
//
// One client at a time. Bytes from the socket become a waveform on `rx`, the waveform on `tx`
// becomes bytes to the socket, both at the board's baud rate, counted in clock cycles. The
// socket is looked at only every kCyclesPerPoll cycles, because a system call costs as much
// as many simulated cycles. A board that has been quiet for long sleeps more and more, and at
// last blocks until a byte or a client comes; no work of the design lasts that long silently.
//
// With --lockstep the client's bytes are orders, and the board runs only as far as they say
// (lockstep.h): what happens on the board then does not depend on how fast anything is.
//
// With --trace-paused, waveforms are written between SIGUSR1 and SIGUSR2 only: whoever drives the
// board knows when what it wants to see begins.

#include "Vsystem.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#include "lockstep.h"

#include <chrono>
#include <memory>

// The SPRAM model (sb_spram256ka.v) says where it is, and flips a bit; a board may have none.
std::vector<const VerilatedScope*> g_spram;
extern "C" void spram_is_here() { g_spram.push_back(Verilated::dpiScope()); }
extern "C" void spram_flip(int address, int place) __attribute__((weak));

namespace {

constexpr uint64_t kCyclesPerPoll = 512;
constexpr uint64_t kMostPendingBytes = 4096;      // read no more than this ahead of the line
constexpr uint64_t kAwakeCycles = 50'000;         // quiet for less: full speed
constexpr uint64_t kSleepGrowth = 100'000;        // one more millisecond of sleep for each
constexpr uint64_t kBlockCycles = 50'000'000;     // quiet for more: wait for the socket
constexpr uint64_t kCyclesPerNap = 10'000;        // cycles simulated between two sleeps
constexpr int kResetCycles = 8;

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
    bool lockstep = false;
    std::string trace;
    bool trace_paused = false;
    uint64_t warm_up = 0;
};

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
        else if (name == "--lockstep") options.lockstep = true;
        else if (name[0] != '+') fail("unknown option " + name);  // +... are the models' own
    }
    return options;
}

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
        start();
        run(options.warm_up);
    }
    ~Board() {
        m_top->final();
#if VM_TRACE
        if (m_trace) m_trace->close();
#endif
    }

    void serve() {
        const auto began = std::chrono::steady_clock::now();
        const auto slept = m_options.lockstep ? serve_in_step() : serve_freely();
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
    using Seconds = std::chrono::duration<double>;

    // Both return how long they did nothing.
    Seconds serve_freely() {
        Server server{m_options.port, m_options.exit_on_eof};
        Seconds slept{0};
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
        return slept;
    }

    Seconds serve_in_step() {
        LockstepServer server{m_options.port, m_options.exit_on_eof};
        Seconds slept{0};
        Order order;
        while (!g_stop) {
            const auto before = std::chrono::steady_clock::now();
            const bool ordered = server.next(order);
            slept += std::chrono::steady_clock::now() - before;
            if (!ordered) {
                m_sender.clear();
                m_output.clear();
            } else if (order.letter == 'S') {
                m_sender.push(order.bytes.data(), order.bytes.size());
            } else if (order.letter == 'A') {
                run(order.number, true);
                server.answer(m_cycle, m_output);
            } else if (order.letter == 'R') {
                reset(order.number);
            } else if (order.letter == 'C') {
                configure();
            } else if (order.letter == 'F') {
                flip(order.number);
            } else {
                fail(std::string("unknown order ") + order.letter);
            }
        }
        return slept;
    }

    void start() {
        m_top->rx = 1;
        m_top->rst = 1;
        for (int i = 0; i < kResetCycles; ++i) clock();
        m_top->rst = 0;
    }

    // What a new bitstream, or power that comes back, does to the device: nothing stays.
    void configure() {
        if (!m_options.trace.empty()) fail("a board that writes a trace cannot be reconfigured");
        m_top->final();
        m_top.reset();
        g_spram.clear();
        m_top.reset(new Vsystem{m_context});
        start();
        m_sender.restart(m_cycle);
    }

    void reset(uint64_t cycles) {
        m_top->rst = 1;
        run(cycles);
        m_top->rst = 0;
    }

    void flip(uint32_t number) {
        if (number >> 18 >= g_spram.size()) fail("there is no such SPRAM");
        Verilated::dpiScope(g_spram[number >> 18]);
        spram_flip(static_cast<int>(number >> 4 & 0x3FFF), static_cast<int>(number & 0xF));
    }

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

    // Run so many cycles; fewer if `until_zero` and a zero byte has come from the device.
    void run(uint64_t cycles, bool until_zero = false) {
        m_sender.wake(m_cycle);
        for (const uint64_t end = m_cycle + cycles; m_cycle != end;) {
            if (m_cycle == m_sender.next_edge()) {
                m_top->rx = m_sender.advance(m_cycle);
                m_active = m_cycle;
            }
            clock();
            if (m_receiver.receiving()) {
                if (m_cycle >= m_receiver.next_sample()) {
                    const bool byte = m_receiver.sample(m_top->tx, m_output);
                    m_active = m_cycle;
                    if (until_zero && byte && !m_output.back()) return;
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
    context.commandArgs(argc, argv);
    Board board{options, &context};
    board.serve();
    return 0;
}
