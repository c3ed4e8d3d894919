#include "sluice/store/internal/fake_s3.h"
#include "sluice/base/ascii.h"
#include "sluice/base/percent.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "sluice/base/check.h"
#include "sluice/base/trim.h"
#include "sluice/store/internal/s3_text.h"

namespace sluice::store::internal {

struct FakeS3::Request {
  std::string method;
  std::string key;    // Decoded; without the bucket.
  std::string query;  // As sent.
  std::map<std::string, std::string> headers;
  std::string body;

  std::string Header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  std::optional<std::string> Parameter(std::string_view name) const {
    const std::string all = "&" + query + "&";
    const std::string wanted = fmt::format("&{}=", name);
    const size_t begin = all.find(wanted);
    if (begin != std::string::npos) {
      const size_t value = begin + wanted.size();
      return DecodeUri(all.substr(value, all.find('&', value) - value));
    }
    return std::nullopt;
  }
};

struct FakeS3::Answer {
  int status = 200;
  std::string body = {};
  std::string headers = {};
};

namespace {

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string ErrorXml(std::string_view code) {
  return fmt::format("<?xml version=\"1.0\"?><Error><Code>{}</Code></Error>", code);
}

}  // namespace

FakeS3::FakeS3() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SLUICE_CHECK(listener_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  SLUICE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  SLUICE_CHECK(::listen(listener_, 64) == 0);
  SLUICE_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { Accept(); });
}

FakeS3::~FakeS3() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  std::vector<std::jthread> threads;
  {
    const std::scoped_lock lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    threads.swap(threads_);
  }
  threads.clear();
  for (const int socket : sockets_) ::close(socket);
}

std::string FakeS3::endpoint() const { return fmt::format("http://127.0.0.1:{}", port_); }

void FakeS3::Add(S3Fault fault) {
  const std::scoped_lock lock(mutex_);
  faults_.push_back(std::move(fault));
}

size_t FakeS3::faults_left() {
  const std::scoped_lock lock(mutex_);
  return faults_.size();
}

size_t FakeS3::uploads() {
  const std::scoped_lock lock(mutex_);
  return uploads_.size();
}

void FakeS3::Accept() {
  while (true) {
    const int socket = ::accept(listener_, nullptr, nullptr);
    if (socket < 0) return;
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] { Serve(socket); });
  }
}

void FakeS3::Serve(int socket) {
  std::string input;
  const auto fill = [&] {
    char buffer[65536];
    const ssize_t got = ::recv(socket, buffer, sizeof(buffer), 0);
    if (got <= 0) return false;
    input.append(buffer, static_cast<size_t>(got));
    return true;
  };
  while (true) {
    size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return;
    }
    Request request;
    std::string_view head = std::string_view(input).substr(0, end);
    const size_t line_end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, line_end);
    const size_t first = line.find(' ');
    const size_t second = line.find(' ', first + 1);
    request.method = line.substr(0, first);
    std::string_view target = line.substr(first + 1, second - first - 1);
    const size_t mark = std::min(target.find('?'), target.size());
    request.query = target.substr(std::min(mark + 1, target.size()));
    const std::string path = DecodeUri(target.substr(0, mark));
    const std::string bucket = "/bucket/";
    SLUICE_CHECK(path.starts_with(bucket));
    request.key = path.substr(bucket.size());
    head.remove_prefix(line_end);
    while (head.starts_with("\r\n")) {
      head.remove_prefix(2);
      const size_t stop = std::min(head.find("\r\n"), head.size());
      const std::string_view header = head.substr(0, stop);
      const size_t colon = std::min(header.find(':'), header.size());
      request.headers[LowerCase(header.substr(0, colon))] =
          Trim(header.substr(std::min(colon + 1, header.size())));
      head.remove_prefix(stop);
    }
    const size_t length = std::strtoull(request.Header("content-length").c_str(), nullptr, 10);
    while (input.size() < end + 4 + length) {
      if (!fill()) return;
    }
    request.body = input.substr(end + 4, length);
    input.erase(0, end + 4 + length);

    ++requests_;
    const Answer answer = Handle(request);
    if (answer.status == 0) {
      ::shutdown(socket, SHUT_RDWR);
      return;
    }
    std::string out =
        fmt::format("HTTP/1.1 {} X\r\nConnection: keep-alive\r\n{}", answer.status, answer.headers);
    if (answer.headers.find("Content-Length") == std::string::npos) {
      out += fmt::format("Content-Length: {}\r\n", answer.body.size());
    }
    out += "\r\n";
    if (request.method != "HEAD") out += answer.body;
    if (!SendAll(socket, out)) return;
  }
}

FakeS3::Answer FakeS3::Handle(const Request& request) {
  const std::scoped_lock lock(mutex_);
  if (!request.Header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=key/")) {
    return {.status = 403, .body = ErrorXml("AccessDenied")};
  }
  const auto fault = std::ranges::find_if(faults_, [&](const S3Fault& known) {
    return known.method == request.method && request.key.find(known.path_part) != std::string::npos;
  });
  std::optional<S3Fault> met;
  if (fault != faults_.end()) {
    met = *fault;
    faults_.erase(fault);
    if (met->when == S3Fault::When::kBefore) {
      return {.status = met->status, .body = ErrorXml("Fault")};
    }
  }
  Answer answer;
  if (request.method == "PUT") {
    answer = Put(request);
  } else if (request.method == "POST") {
    answer = Post(request);
  } else if (request.method == "DELETE") {
    if (const auto upload = request.Parameter("uploadId")) {
      uploads_.erase(*upload);
    } else {
      objects_.erase(request.key);
    }
    answer = {.status = 204};
  } else if (request.key.empty()) {
    answer = List(request);
  } else {
    const auto found = objects_.find(request.key);
    if (found == objects_.end()) return {.status = 404, .body = ErrorXml("NoSuchKey")};
    const std::string& bytes = found->second.bytes;
    answer.headers = "ETag: \"x\"\r\nLast-Modified: Sat, 31 Jan 2026 12:00:00 GMT\r\n";
    if (!found->second.put_id.empty()) {
      answer.headers += fmt::format("x-amz-meta-sluice-put: {}\r\n", found->second.put_id);
    }
    const std::string range = request.Header("range");
    if (request.method == "HEAD") {
      answer.headers += fmt::format("Content-Length: {}\r\n", bytes.size());
    } else if (range.empty()) {
      answer.body = bytes;
    } else {
      const size_t begin = std::strtoull(range.c_str() + 6, nullptr, 10);
      const size_t last = std::strtoull(range.c_str() + range.find('-') + 1, nullptr, 10);
      if (begin >= bytes.size()) return {.status = 416, .body = ErrorXml("InvalidRange")};
      answer.status = 206;
      answer.body = bytes.substr(begin, last - begin + 1);
    }
  }
  if (met && met->when == S3Fault::When::kAfter) answer.status = met->status;
  return answer;
}

FakeS3::Answer FakeS3::Put(const Request& request) {
  if (const auto upload = request.Parameter("uploadId")) {
    const auto found = uploads_.find(*upload);
    if (found == uploads_.end()) return {.status = 404, .body = ErrorXml("NoSuchUpload")};
    const std::string text = request.Parameter("partNumber").value_or("0");
    const auto number = static_cast<int>(std::strtol(text.c_str(), nullptr, 10));
    found->second[number] = request.body;
    return {.headers = fmt::format("ETag: \"part-{}\"\r\n", number)};
  }
  const bool conditional = request.Header("if-none-match") == "*" && !ignore_conditions_;
  if (conditional && objects_.contains(request.key)) {
    return {.status = 412, .body = ErrorXml("PreconditionFailed")};
  }
  objects_[request.key] = {request.body, request.Header("x-amz-meta-sluice-put")};
  return {.headers = "ETag: \"whole\"\r\n"};
}

FakeS3::Answer FakeS3::Post(const Request& request) {
  if (request.Parameter("uploads")) {
    const std::string id = fmt::format("id {}+/", next_upload_++);
    uploads_[id];
    return {.body = "<InitiateMultipartUploadResult><UploadId>" + id +
                    "</UploadId></InitiateMultipartUploadResult>"};
  }
  const auto upload = uploads_.find(request.Parameter("uploadId").value_or(""));
  if (upload == uploads_.end()) return {.status = 404, .body = ErrorXml("NoSuchUpload")};
  std::string bytes;
  for (const auto& [number, part] : upload->second) {
    const std::string wanted =
        fmt::format("<PartNumber>{0}</PartNumber><ETag>&quot;part-{0}&quot;", number);
    if (request.body.find(wanted) == std::string::npos) {
      return {.status = 400, .body = ErrorXml("InvalidPart")};
    }
    bytes += part;
  }
  objects_[request.key] = {std::move(bytes), {}};
  uploads_.erase(upload);
  return {.body = "<CompleteMultipartUploadResult/>"};
}

FakeS3::Answer FakeS3::List(const Request& request) {
  constexpr int kPage = 3;
  const std::string prefix = request.Parameter("prefix").value_or("");
  const std::string after = request.Parameter("continuation-token")
                                .value_or(request.Parameter("start-after").value_or(""));
  std::string xml = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"s3\">";
  int count = 0;
  std::string last;
  bool truncated = false;
  for (auto object = objects_.upper_bound(after); object != objects_.end(); ++object) {
    if (!object->first.starts_with(prefix)) continue;
    if (count++ == kPage) {
      truncated = true;
      break;
    }
    last = object->first;
    xml += fmt::format(
        "<Contents><Key>{}</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified>"
        "<Size>{}</Size></Contents>",
        PercentEncode(object->first), object->second.bytes.size());
  }
  xml += fmt::format("<IsTruncated>{}</IsTruncated>", truncated);
  if (truncated) xml += "<NextContinuationToken>" + EscapeXml(last) + "</NextContinuationToken>";
  return {.body = xml + "</ListBucketResult>"};
}

}  // namespace sluice::store::internal
