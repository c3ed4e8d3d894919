/// \file
/// Makes events, and sends them as fast as a server takes them: the client of the benchmarks.
///
/// It shares no code with the server, and does as little as it can for a byte: requests go out of
/// the mapped file, answers are searched for their counts.

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kUsage =
    "usage: load_generator generate flat|wide|big ROWS [SEED]           events on standard output\n"
    "       load_generator send PORT TARGET FILE ROWS CONNECTIONS [REQUESTS [SKIPPED]]\n"
    "                                        FILE's lines, ROWS a request, without the first\n"
    "                                        SKIPPED requests; results as JSON; PORT is tls:PORT\n"
    "                                        for a server with a certificate, which is not checked\n"
    "       load_generator history PORT ROWS CONNECTIONS\n"
    "                                        domain events of August to October 2026, in the order\n"
    "                                        of time, made on the way\n"
    "       load_generator trickle PORT PREFIX TOPICS SECONDS CONNECTIONS\n"
    "                                        one event a second to each of PREFIX0, PREFIX1, ...\n";

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::exit(1);
}

int64_t Number(const char* text) {
  int64_t value = 0;
  const char* const end = text + std::strlen(text);
  if (std::from_chars(text, end, value).ptr != end) Die(std::string(text) + " is no number");
  return value;
}

// ---- Events. Everything follows from the seed and the row, so that two runs send the same bytes.

/// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t limit) { return Next() % limit; }

 private:
  uint64_t state_;
};

constexpr int64_t kFirstMs = 1'767'225'600'000;  // 2026-01-01T00:00:00Z
constexpr int64_t kSpanMs = 3ll * 86'400'000;    // The events of one file fill three days.
constexpr uint64_t kUsers = 500'000;
constexpr uint64_t kUrls = 20'000;
constexpr std::array kTypes = {"page_view",   "click",    "scroll", "search",
                               "add_to_cart", "purchase", "sign_in"};
constexpr std::array kCountries = {"DE", "US", "FR", "GB", "IN", "BR", "JP", "PL"};
constexpr std::array kWords = {"lake",  "event",  "stream", "table",  "river", "stone",
                               "cloud", "paper",  "green",  "signal", "north", "amber",
                               "quiet", "sudden", "figure", "market"};

void AppendHex(std::string& out, uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i) out += "0123456789abcdef"[(value >> (4 * i)) & 15];
}

void AppendId(std::string& out, Random& random) {
  out += "{\"eventId\":\"";
  AppendHex(out, random.Next(), 16);
  AppendHex(out, random.Next(), 16);
  out += '"';
}

void AppendTime(std::string& out, Random& random, int64_t row, int64_t rows) {
  // In the order of time but for half a minute, as events come from many senders.
  const int64_t at = static_cast<int64_t>(static_cast<double>(row) / static_cast<double>(rows) *
                                          static_cast<double>(kSpanMs - 60'000));
  out += ",\"ts\":" + std::to_string(kFirstMs + at + static_cast<int64_t>(random.Below(30'000)));
}

/// Ten fields, 212 bytes on average.
void AppendFlat(std::string& out, Random& random, int64_t row, int64_t rows) {
  AppendId(out, random);
  AppendTime(out, random, row, rows);
  // Few users do much: the square of an even number leans to the left.
  const uint64_t even = random.Below(kUsers);
  const std::string user = std::to_string(even * even / kUsers);
  out.append(",\"type\":\"").append(kTypes[random.Below(kTypes.size())]);
  out.append("\",\"userId\":").append(user);
  out.append(",\"email\":\"user").append(user).append("@example.com\"");
  const std::string page = std::to_string(random.Below(kUrls));
  out.append(",\"url\":\"/item/").append(page).append("\"");
  const uint64_t cents = random.Below(50'000);
  out += ",\"amount\":" + std::to_string(cents / 100) + '.';
  out += static_cast<char>('0' + cents / 10 % 10);
  out += static_cast<char>('0' + cents % 10);
  out.append(",\"country\":\"").append(kCountries[random.Below(kCountries.size())]);
  out += "\",\"session\":\"";
  AppendHex(out, random.Next(), 8);
  out += random.Below(8) == 0 ? "\",\"ok\":false}\n" : "\",\"ok\":true}\n";
}

/// A hundred fields: id, time, 38 texts, 30 integers, 20 numbers, 10 booleans; 1.6 kB.
void AppendWide(std::string& out, Random& random, int64_t row, int64_t rows) {
  AppendId(out, random);
  AppendTime(out, random, row, rows);
  for (int i = 0; i < 38; ++i) {
    out += ",\"text" + std::to_string(i) + "\":\"" + kWords[random.Below(kWords.size())] + "\"";
  }
  for (int i = 0; i < 30; ++i) {
    out += ",\"count" + std::to_string(i) + "\":" + std::to_string(random.Below(100'000));
  }
  for (int i = 0; i < 20; ++i) {
    out += ",\"value" + std::to_string(i) + "\":" + std::to_string(random.Below(1'000)) + "." +
           std::to_string(random.Below(90) + 10);
  }
  for (int i = 0; i < 10; ++i) {
    out += ",\"flag" + std::to_string(i) + (random.Below(2) == 0 ? "\":true" : "\":false");
  }
  out += "}\n";
}

/// Three fields, one of them a text of 9.9 kB.
void AppendBig(std::string& out, Random& random, int64_t row, int64_t rows) {
  const size_t begin = out.size();
  AppendId(out, random);
  AppendTime(out, random, row, rows);
  out += ",\"body\":\"";
  while (out.size() - begin < 9'980) {
    out.append(kWords[random.Below(kWords.size())]);
    out += ' ';
    AppendHex(out, random.Next(), 2);
    out += ' ';
  }
  out += "\"}\n";
}

int Generate(std::string_view shape, int64_t rows, uint64_t seed) {
  const auto append = shape == "flat"   ? AppendFlat
                      : shape == "wide" ? AppendWide
                      : shape == "big"  ? AppendBig
                                        : nullptr;
  if (append == nullptr) Die("no shape " + std::string(shape));
  Random random(seed);
  std::string out;
  for (int64_t row = 0; row < rows; ++row) {
    append(out, random, row, rows);
    if (out.size() < (1 << 20) && row + 1 < rows) continue;
    if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size()) Die("cannot write");
    out.clear();
  }
  return 0;
}

// ---- Sending.

/// Where a server listens.
struct Port {
  uint16_t number = 0;
  bool tls = false;
};

Port ToPort(const char* text) {
  constexpr std::string_view kTls = "tls:";
  const bool tls = std::string_view(text).starts_with(kTls);
  return {static_cast<uint16_t>(Number(tls ? text + kTls.size() : text)), tls};
}

/// One keep-alive connection. Not thread-safe.
class Connection {
 public:
  explicit Connection(Port to) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.number);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      Die("cannot connect to port " + std::to_string(to.number));
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!to.tls) return;
    context_ = SSL_CTX_new(TLS_client_method());
    tls_ = SSL_new(context_);
    SSL_set_fd(tls_, socket_);
    if (SSL_connect(tls_) != 1) Die("the handshake failed");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
    ::close(socket_);
  }

  /// Sends one request and waits for its answer; returns the status.
  int Ask(std::string_view target, std::string_view body) {
    head_.assign("POST ").append(target).append(
        " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: ");
    head_ += std::to_string(body.size());
    head_ += "\r\n\r\n";
    Send(body);
    return Receive();
  }
  /// The number behind `"name":` in the last answer; 0 if there is none.
  int64_t Count(std::string_view name) const {
    const std::string_view text(answer_.data() + body_begin_, answer_.size() - body_begin_);
    const size_t at = text.find(name);
    int64_t count = 0;
    if (at != std::string_view::npos) {
      std::from_chars(text.data() + at + name.size() + 2, text.data() + text.size(), count);
    }
    return count;
  }
  std::string_view answer() const { return answer_; }

 private:
  void Send(std::string_view body) {
    if (tls_ != nullptr) {
      for (const std::string_view piece : {std::string_view(head_), body}) {
        if (SSL_write(tls_, piece.data(), static_cast<int>(piece.size())) <= 0) {
          Die("the server closed a connection");
        }
      }
      return;
    }
    std::array<iovec, 2> pieces = {iovec{head_.data(), head_.size()},
                                   iovec{const_cast<char*>(body.data()), body.size()}};
    std::span<iovec> left(pieces);
    while (!left.empty()) {
      ssize_t sent = ::writev(socket_, left.data(), static_cast<int>(left.size()));
      if (sent < 0) Die("the server closed a connection");
      while (!left.empty() && static_cast<size_t>(sent) >= left.front().iov_len) {
        sent -= static_cast<ssize_t>(left.front().iov_len);
        left = left.subspan(1);
      }
      if (left.empty()) break;
      left.front().iov_base = static_cast<char*>(left.front().iov_base) + sent;
      left.front().iov_len -= static_cast<size_t>(sent);
    }
  }

  int Receive() {
    answer_.clear();
    size_t whole = std::string::npos;  // Size of head and body, once known.
    while (answer_.size() < whole) {
      std::array<char, 4096> buffer;
      const ssize_t got = tls_ != nullptr
                              ? SSL_read(tls_, buffer.data(), static_cast<int>(buffer.size()))
                              : ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (got <= 0) Die("the server closed a connection");
      answer_.append(buffer.data(), static_cast<size_t>(got));
      const size_t end = answer_.find("\r\n\r\n");
      if (whole != std::string::npos || end == std::string::npos) continue;
      body_begin_ = end + 4;
      constexpr std::string_view kLength = "Content-Length: ";
      const size_t at = answer_.find(kLength);
      if (at == std::string::npos || at > end) Die("an answer has no Content-Length");
      size_t length = 0;
      std::from_chars(answer_.data() + at + kLength.size(), answer_.data() + end, length);
      whole = body_begin_ + length;
    }
    int status = 0;
    std::from_chars(answer_.data() + 9, answer_.data() + 12, status);
    return status;
  }

  const int socket_;
  SSL_CTX* context_ = nullptr;
  SSL* tls_ = nullptr;  ///< Null: in clear.
  std::string head_;
  std::string answer_;
  size_t body_begin_ = 0;
};

/// What one thread counted.
struct Tally {
  int64_t requests = 0, received = 0, accepted = 0, duplicate = 0, error = 0, put_off = 0;
  std::vector<uint32_t> microseconds;  ///< Of each request, without those put off.

  /// Sends until the server takes it; 429 and 503 are put off and sent again.
  void Send(Connection& connection, std::string_view target, std::string_view body) {
    while (true) {
      const auto begin = Clock::now();
      const int status = connection.Ask(target, body);
      if (status == 429 || status == 503) {
        ++put_off;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      if (status != 200 && status != 202) Die("answer: " + std::string(connection.answer()));
      microseconds.push_back(static_cast<uint32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count()));
      break;
    }
    ++requests;
    received += connection.Count("\"received");
    accepted += connection.Count("\"accepted");
    duplicate += connection.Count("\"duplicate");
    error += connection.Count("\"error");
  }
};

void Report(std::vector<Tally>& tallies, double seconds) {
  Tally sum;
  for (const Tally& tally : tallies) {
    sum.requests += tally.requests;
    sum.received += tally.received;
    sum.accepted += tally.accepted;
    sum.duplicate += tally.duplicate;
    sum.error += tally.error;
    sum.put_off += tally.put_off;
    sum.microseconds.insert(sum.microseconds.end(), tally.microseconds.begin(),
                            tally.microseconds.end());
  }
  std::sort(sum.microseconds.begin(), sum.microseconds.end());
  const auto quantile = [&](double part) -> uint32_t {
    if (sum.microseconds.empty()) return 0;
    const auto last = static_cast<double>(sum.microseconds.size() - 1);
    return sum.microseconds[static_cast<size_t>(part * last)];
  };
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto whole = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::printf(
      "{\"requests\":%lld,\"received\":%lld,\"accepted\":%lld,\"duplicate\":%lld,\"error\":%lld,"
      "\"put_off\":%lld,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"p50_us\":%u,\"p99_us\":%u,"
      "\"p999_us\":%u,\"max_us\":%u}\n",
      static_cast<long long>(sum.requests), static_cast<long long>(sum.received),
      static_cast<long long>(sum.accepted), static_cast<long long>(sum.duplicate),
      static_cast<long long>(sum.error), static_cast<long long>(sum.put_off), seconds,
      whole(usage.ru_utime) + whole(usage.ru_stime), quantile(0.5), quantile(0.99), quantile(0.999),
      quantile(1));
}

/// Cuts a text of lines into bodies of so many lines; thread-safe.
class Bodies {
 public:
  Bodies(std::string_view text, int64_t rows, int64_t requests_max, int64_t skipped) {
    size_t begin = 0;
    while (begin < text.size() && static_cast<int64_t>(bodies_.size()) < requests_max) {
      size_t end = begin;
      for (int64_t row = 0; row < rows && end < text.size(); ++row) {
        const size_t line = text.find('\n', end);
        end = line == std::string_view::npos ? text.size() : line + 1;
      }
      if (--skipped < 0) bodies_.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  }
  /// Empty: there are no more.
  std::string_view Next() {
    const size_t at = next_.fetch_add(1);
    return at < bodies_.size() ? bodies_[at] : std::string_view();
  }

 private:
  std::vector<std::string_view> bodies_;
  std::atomic<size_t> next_{0};
};

template <typename Work>
double OnThreads(size_t count, Work work) {
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int Send(Port port, std::string_view target, const char* path, int64_t rows, size_t connections,
         int64_t requests_max, int64_t skipped) {
  const int file = ::open(path, O_RDONLY);
  struct stat info{};
  if (file < 0 || ::fstat(file, &info) != 0) Die("cannot read " + std::string(path));
  const auto size = static_cast<size_t>(info.st_size);
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (mapped == MAP_FAILED) Die("cannot map " + std::string(path));
  Bodies bodies({static_cast<const char*>(mapped), size}, rows, requests_max, skipped);
  std::vector<Tally> tallies(connections);
  const double seconds = OnThreads(connections, [&](size_t number) {
    Connection connection(port);
    for (auto body = bodies.Next(); !body.empty(); body = bodies.Next()) {
      tallies[number].Send(connection, target, body);
    }
  });
  Report(tallies, seconds);
  return 0;
}

// ---- Domain events: an envelope {event, sequence, metadata, content}, 250 bytes on average.

constexpr std::array kDomains = {"user",    "order",    "payment", "shipping",
                                 "catalog", "identity", "iot",     "support"};
constexpr std::array kEntities = {"account", "basket", "invoice", "parcel", "sensor"};
constexpr std::array kNames = {"created", "changed", "removed", "viewed"};
constexpr std::array kChannels = {"web", "mobile", "api", "partner"};
constexpr int64_t kHistoryDays = 92;  // August to October.
constexpr uint64_t kHistoryUsers = 2'000'000;

/// `2026-08-01T00:00:00.000Z` and so many milliseconds.
void AppendHistoryTime(std::string& out, int64_t ms) {
  constexpr std::array<int64_t, 3> kMonthDays = {31, 30, 31};
  int64_t day = ms / 86'400'000;
  size_t month = 0;
  while (month + 1 < kMonthDays.size() && day >= kMonthDays[month]) day -= kMonthDays[month++];
  const int64_t of_day = ms % 86'400'000;
  std::array<char, 32> text;
  const int size = std::snprintf(
      text.data(), text.size(), "2026-%02d-%02dT%02d:%02d:%02d.%03dZ", static_cast<int>(8 + month),
      static_cast<int>(day + 1), static_cast<int>(of_day / 3'600'000),
      static_cast<int>(of_day / 60'000 % 60), static_cast<int>(of_day / 1'000 % 60),
      static_cast<int>(of_day % 1'000));
  out.append(text.data(), static_cast<size_t>(size));
}

void AppendDomainEvent(std::string& out, Random& random, int64_t row, int64_t rows) {
  const double share = static_cast<double>(row) / static_cast<double>(rows);
  const auto at = static_cast<int64_t>(share * (kHistoryDays * 86'400'000.0 - 60'000.0));
  out += "{\"event\":\"domain.events\",\"sequence\":" + std::to_string(row);
  out += ",\"metadata\":{\"published\":\"";
  AppendHistoryTime(out, at + static_cast<int64_t>(random.Below(30'000)));
  out.append("\",\"domain\":\"").append(kDomains[random.Below(kDomains.size())]);
  out.append("\",\"entity\":\"").append(kEntities[random.Below(kEntities.size())]);
  out.append("\",\"name\":\"").append(kNames[random.Below(kNames.size())]);
  // Few users do much: the square of an even number leans to the left.
  const uint64_t even = random.Below(kHistoryUsers);
  out += "\"},\"content\":{\"userId\":" + std::to_string(even * even / kHistoryUsers);
  out.append(",\"channel\":\"").append(kChannels[random.Below(kChannels.size())]);
  out.append("\",\"country\":\"").append(kCountries[random.Below(kCountries.size())]);
  const uint64_t cents = random.Below(50'000);
  out += "\",\"amount\":" + std::to_string(cents / 100) + '.';
  out += static_cast<char>('0' + cents / 10 % 10);
  out += static_cast<char>('0' + cents % 10);
  out += random.Below(50) == 0 ? ",\"ok\":false}}\n" : ",\"ok\":true}}\n";
}

int History(Port port, int64_t rows, size_t connections) {
  constexpr int64_t kRequestRows = 10'000;
  std::atomic<int64_t> next{0};
  std::vector<Tally> tallies(connections);
  const double seconds = OnThreads(connections, [&](size_t number) {
    Connection connection(port);
    std::string body;
    for (int64_t begin = next.fetch_add(kRequestRows); begin < rows;
         begin = next.fetch_add(kRequestRows)) {
      Random random(static_cast<uint64_t>(begin));  // Whoever sends it: the same bytes.
      body.clear();
      for (int64_t row = begin; row < std::min(begin + kRequestRows, rows); ++row) {
        AppendDomainEvent(body, random, row, rows);
      }
      tallies[number].Send(connection, "/v1/events", body);
    }
  });
  Report(tallies, seconds);
  return 0;
}

int Trickle(Port port, const std::string& prefix, int64_t topics, int64_t seconds,
            size_t connections) {
  const auto begin = Clock::now();
  std::vector<Tally> tallies(connections);
  const double took = OnThreads(connections, [&](size_t number) {
    Connection connection(port);
    // Other ids than those of the run before.
    Random random(static_cast<uint64_t>(begin.time_since_epoch().count()) + number);
    for (int64_t second = 0; second < seconds; ++second) {
      for (int64_t topic = static_cast<int64_t>(number); topic < topics;
           topic += static_cast<int64_t>(connections)) {
        std::this_thread::sleep_until(begin + std::chrono::seconds(second) +
                                      std::chrono::microseconds(topic * 1'000'000 / topics));
        std::string body;
        AppendFlat(body, random, second, seconds);
        tallies[number].Send(connection, prefix + std::to_string(topic), body);
      }
    }
  });
  Report(tallies, took);
  return 0;
}

}  // namespace

int main(int count, char** values) {
  const std::vector<const char*> words(values + 1, values + count);
  const std::string_view command = words.empty() ? "" : words[0];
  if (command == "generate" && (words.size() == 3 || words.size() == 4)) {
    return Generate(words[1], Number(words[2]),
                    words.size() == 4 ? static_cast<uint64_t>(Number(words[3])) : 1);
  }
  if (command == "send" && words.size() >= 6 && words.size() <= 8) {
    return Send(ToPort(words[1]), words[2], words[3], Number(words[4]),
                static_cast<size_t>(Number(words[5])),
                words.size() > 6 ? Number(words[6]) : INT64_MAX,
                words.size() > 7 ? Number(words[7]) : 0);
  }
  if (command == "history" && words.size() == 4) {
    return History(ToPort(words[1]), Number(words[2]),
                   static_cast<size_t>(Number(words[3])));
  }
  if (command == "trickle" && words.size() == 6) {
    return Trickle(ToPort(words[1]), words[2], Number(words[3]),
                   Number(words[4]), static_cast<size_t>(Number(words[5])));
  }
  std::fputs(kUsage.data(), stderr);
  return 2;
}
