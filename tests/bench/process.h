#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace countersign::bench {

/// A process beside this one. Begin it before there are threads.
class Child {
  public:
    template <class Work>
    explicit Child(Work&& work) : process_(fork()) {
        if (process_ < 0) std::exit(1);
        if (process_ > 0) return;
        work();
        std::fflush(nullptr);
        _exit(0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() { wait(); }

    /// Until it has ended, and well.
    void wait() {
        int status = 0;
        if (process_ > 0 && (waitpid(std::exchange(process_, 0), &status, 0) < 0 || status != 0)) {
            std::fprintf(stderr, "a process of the benchmark has failed\n");
            std::exit(1);
        }
    }

  private:
    pid_t process_;
};

/// Does `work` in a process of its own, so that what it holds is not counted here.
template <class Work>
void apart(Work&& work) {
    Child(std::forward<Work>(work)).wait();
}

/// Lines from one process to another.
class Pipe {
  public:
    Pipe() {
        if (pipe(ends_) != 0) std::exit(1);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        for (const int end : ends_) close(end);
    }

    void say(std::string_view words) {
        const std::string line = std::string(words) + '\n';
        if (write(ends_[1], line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
            std::exit(1);
        }
    }
    std::string hear() {
        std::string line;
        for (char letter = 0; read(ends_[0], &letter, 1) == 1 && letter != '\n';) line += letter;
        return line;
    }

  private:
    int ends_[2];
};

}  // namespace countersign::bench
