// The socket in front of the board: one client at a time, whose bytes are those of the line.
#pragma once

#include "line.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

inline volatile std::sig_atomic_t g_stop = 0;

[[noreturn]] inline void fail(const std::string& message) {
    std::fprintf(stderr, "error: %s\n", message.c_str());
    std::exit(1);
}

[[noreturn]] inline void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

// The listening socket and its client; it ends the program when standard input does, if told to.
class Listener {
public:
    Listener(int port, bool exit_on_eof) : m_exit_on_eof{exit_on_eof} {
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
    ~Listener() {
        hang_up();
        close(m_listener);
    }

protected:
    bool connected() const { return m_client >= 0; }
    // What happened at the client's socket, or at the listening one where there is no client,
    // within `milliseconds` (-1: until something does).
    short wait(int milliseconds, short events) {
        pollfd files[2];
        files[0] = {connected() ? m_client : m_listener, events, 0};
        files[1] = {m_exit_on_eof ? STDIN_FILENO : -1, POLLIN, 0};
        if (poll(files, 2, milliseconds) <= 0) return 0;
        if (files[1].revents) {
            char ignored[256];
            if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) g_stop = 1;
        }
        return files[0].revents;
    }
    bool welcome() {
        m_client = accept(m_listener, nullptr, nullptr);
        if (m_client < 0) return false;
        const int on = 1;
        setsockopt(m_client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(m_client, F_SETFL, fcntl(m_client, F_GETFL) | O_NONBLOCK);
        return true;
    }
    // Bytes sent; 0 if there is no room or the client is gone.
    size_t put(const uint8_t* data, size_t size) {
        const ssize_t sent = ::send(m_client, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) hang_up();
        return sent > 0 ? static_cast<size_t>(sent) : 0;
    }
    // Bytes received; 0 if there are none or the client is gone.
    size_t get(uint8_t* data, size_t size) {
        const ssize_t got = recv(m_client, data, size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) hang_up();
        return got > 0 ? static_cast<size_t>(got) : 0;
    }
    void hang_up() {
        if (connected()) close(m_client);
        m_client = -1;
    }

private:
    bool m_exit_on_eof;
    int m_listener = -1;
    int m_client = -1;
};

// A client whose bytes are those of the line, while the board runs freely.
class Server : public Listener {
public:
    using Listener::Listener;

    // Serve the sockets once, waiting at most `milliseconds` (-1: until something comes).
    // True when something came in or a client came or went.
    bool serve(int milliseconds, bool wants_bytes, Sender& sender, std::vector<uint8_t>& out) {
        short events = 0;
        if (!connected() || wants_bytes) events |= POLLIN;
        if (!connected()) out.clear();               // nobody listens: the bytes are lost
        if (!out.empty()) events |= POLLOUT;
        const short ready = wait(milliseconds, events);
        if (!ready) return false;
        if (!connected()) return welcome();
        if ((ready & POLLOUT) && !out.empty()) {
            out.erase(out.begin(), out.begin() + static_cast<ptrdiff_t>(put(out.data(), out.size())));
        }
        if (connected() && (ready & (POLLIN | POLLHUP | POLLERR)) && wants_bytes) {
            uint8_t buffer[2048];
            sender.push(buffer, get(buffer, sizeof buffer));
            return true;
        }
        return false;
    }
};
