#include "sluice/store/s3_store.h"

#include <curl/curl.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>

#include "sluice/base/ascii.h"
#include "sluice/base/percent.h"
#include "sluice/base/trim.h"
#include "sluice/store/internal/s3_text.h"

namespace sluice::store {

namespace {

constexpr size_t kIdleMax = 16;
constexpr uint64_t kBytesPerSecondMin = 1 << 20;  // A slower transfer counts as stuck.
constexpr uint64_t kAnswerBytesMax = 16 << 20;    // Of all that is no object.
constexpr int kPagesMax = 20'000;                 // Of one listing.
constexpr const char* kPutIdHeader = "x-amz-meta-sluice-put";

Status StartCurl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return Unavailable("libcurl: {}", curl_easy_strerror(started));
  return {};
}

// 501: the store does not know what was asked of it, and will not learn.
bool MayTryAgain(long status) { return status == 429 || (status >= 500 && status != 501); }

}  // namespace

struct S3Store::Request {
  std::string method;
  std::string url;
  std::string_view body = {};
  std::vector<std::string> headers = {};
  uint64_t answer_bytes_max = kAnswerBytesMax;
};

struct S3Store::Response {
  long status = 0;
  std::string body;
  std::string etag;
  std::string put_id;
  uint64_t length = 0;
  os::Timestamp modified{};
};

/// One connection, kept open between requests. Not thread-safe.
class S3Store::Connection {
 public:
  Connection() : handle_(curl_easy_init()) {}
  ~Connection() { curl_easy_cleanup(handle_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<Response> Send(const S3Options& options, const Request& request) {
    if (handle_ == nullptr) return Unavailable("libcurl has no memory");
    curl_easy_reset(handle_);
    Response response;
    Transfer transfer{
        .out = &response, .body = request.body, .answer_bytes_max = request.answer_bytes_max};
    curl_slist* headers = nullptr;
    const auto add = [&](const std::string& header) {
      headers = curl_slist_append(headers, header.c_str());
    };
    for (const std::string& header : request.headers) add(header);
    const std::string user = options.access_key + ":" + options.secret_key;
    const std::string signer = fmt::format("aws:amz:{}:s3", options.region);
    if (!options.access_key.empty()) {
      add("x-amz-content-sha256: UNSIGNED-PAYLOAD");
      if (!options.session_token.empty()) add("x-amz-security-token: " + options.session_token);
      curl_easy_setopt(handle_, CURLOPT_AWS_SIGV4, signer.c_str());
      curl_easy_setopt(handle_, CURLOPT_USERPWD, user.c_str());
    }
    const auto time_max = options.time_max.count() +
                          static_cast<int64_t>(request.body.size() / (kBytesPerSecondMin / 1000));
    curl_easy_setopt(handle_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle_, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT_MS, 10'000L);
    // Waiting for leave to send costs a round trip. To take the header away would be shorter, but
    // libcurl signs it all the same.
    curl_easy_setopt(handle_, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
    curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_TIME,
                     std::max(1L, static_cast<long>(options.time_max.count() / 1000)));
    if (request.method != "GET") {
      curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(time_max));
    }
    curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Connection::TakeBody);
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(handle_, CURLOPT_HEADERFUNCTION, &Connection::TakeHeader);
    curl_easy_setopt(handle_, CURLOPT_HEADERDATA, &transfer);
    if (request.method == "HEAD") {
      curl_easy_setopt(handle_, CURLOPT_NOBODY, 1L);
    } else if (request.method == "PUT") {
      curl_easy_setopt(handle_, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(handle_, CURLOPT_INFILESIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(handle_, CURLOPT_READFUNCTION, &Connection::GiveBody);
      curl_easy_setopt(handle_, CURLOPT_READDATA, &transfer);
    } else if (request.method == "POST") {
      curl_easy_setopt(handle_, CURLOPT_POST, 1L);
      curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, request.body.data());
    } else if (request.method != "GET") {
      curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    const CURLcode code = curl_easy_perform(handle_);
    curl_slist_free_all(headers);
    if (code == CURLE_WRITE_ERROR) {
      return Invalid("the answer is longer than {} bytes", request.answer_bytes_max);
    }
    if (code != CURLE_OK) return Unavailable("{}", curl_easy_strerror(code));
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &response.status);
    return response;
  }

 private:
  struct Transfer {
    Response* out;
    std::string_view body;  // What is still to be sent.
    uint64_t answer_bytes_max;
  };

  static size_t TakeBody(char* data, size_t size, size_t count, void* user) {
    const auto& transfer = *static_cast<Transfer*>(user);
    std::string& body = transfer.out->body;
    if (body.size() + size * count > transfer.answer_bytes_max) return 0;  // Ends the transfer.
    body.append(data, size * count);
    return size * count;
  }
  static size_t GiveBody(char* into, size_t size, size_t count, void* user) {
    auto& body = static_cast<Transfer*>(user)->body;
    const size_t taken = std::min(size * count, body.size());
    std::memcpy(into, body.data(), taken);
    body.remove_prefix(taken);
    return taken;
  }
  static size_t TakeHeader(char* data, size_t size, size_t count, void* user) {
    const std::string_view line(data, size * count);
    Response& response = *static_cast<Transfer*>(user)->out;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return line.size();
    const std::string name = LowerCase(line.substr(0, colon));
    const std::string value(Trim(line.substr(colon + 1)));
    if (name == "etag") response.etag = value;
    if (name == kPutIdHeader) response.put_id = value;
    if (name == "content-length") response.length = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "last-modified") response.modified = internal::ParseHttpTime(value);
    return line.size();
  }

  CURL* handle_;
};

S3Store::S3Store(S3Options options, os::Random& random)
    : options_(std::move(options)), random_(random) {}

S3Store::~S3Store() = default;

std::string S3Store::Url(std::string_view path, std::string_view query) const {
  std::string url = options_.endpoint.empty()
                        ? fmt::format("https://s3.{}.amazonaws.com", options_.region)
                        : options_.endpoint;
  while (url.ends_with('/')) url.pop_back();
  url += '/' + options_.bucket;
  if (!path.empty()) url += '/' + PercentEncode(path, /*keep=*/"/");
  if (path.empty()) url += '/';
  if (!query.empty()) url.append("?").append(query);
  return url;
}

std::string S3Store::Location(std::string_view path) const {
  return path.empty() ? "s3://" + options_.bucket
                      : fmt::format("s3://{}/{}", options_.bucket, path);
}

Result<S3Store::Response> S3Store::Send(const Request& request) {
  SLUICE_RETURN_IF_ERROR(StartCurl());
  std::unique_ptr<Connection> connection;
  {
    const std::scoped_lock lock(mutex_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection == nullptr) connection = std::make_unique<Connection>();
  ++requests_;
  auto response = connection->Send(options_, request);
  if (response.ok()) {
    const std::scoped_lock lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
  }
  return response;
}

void S3Store::Pause(int attempt) {
  // Full jitter: writers that failed together do not come back together.
  const int64_t limit_ms = std::min<int64_t>(50LL << std::min(attempt, 8), 5'000);
  const auto pause = std::chrono::milliseconds(
      1 + static_cast<int64_t>(random_.Next() % static_cast<uint64_t>(limit_ms)));
  ++retries_;
  std::mutex nobody;
  std::condition_variable never;
  std::unique_lock lock(nobody);
  never.wait_for(lock, pause, [] { return false; });
}

Result<S3Store::Response> S3Store::SendRetried(const Request& request) {
  for (int attempt = 0;; ++attempt) {
    auto response = Send(request);
    const bool again = response.ok() ? MayTryAgain(response->status)
                                     : response.error().code() == ErrorCode::kUnavailable;
    if (!again) return response;
    if (attempt + 1 >= options_.attempts_max) {
      if (!response.ok()) return response;
      return Unavailable("the store answers {} after {} tries", response->status, attempt + 1);
    }
    Pause(attempt);
  }
}

namespace {

Error AnswerError(std::string_view what, std::string_view path, long status,
                  std::string_view body) {
  const std::string code = internal::XmlText(body, "Code");
  if (status == 404) {
    if (code == "NoSuchBucket") return NotFound("the bucket does not exist");
    return NotFound("there is no object '{}'", path);
  }
  if (status == 401 || status == 403) {
    return Denied("{} '{}': the store answers {} {}", what, path, status, code);
  }
  return Unavailable("{} '{}': the store answers {} {}", what, path, status, code);
}

}  // namespace

Result<std::string> S3Store::Get(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  SLUICE_ASSIGN_OR_RETURN(
      Response answer,
      SendRetried(
          {.method = "GET", .url = Url(path, {}), .answer_bytes_max = options_.object_bytes_max}),
      "get '{}'", path);
  if (answer.status != 200) return AnswerError("get", path, answer.status, answer.body);
  if (answer.length != answer.body.size()) {
    return Unavailable("get '{}': {} bytes came, expected {}", path, answer.body.size(),
                       answer.length);
  }
  return std::move(answer.body);
}

Result<std::string> S3Store::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  if (size == 0) return std::string();
  const uint64_t last = offset + std::min(size, UINT64_MAX - offset) - 1;
  SLUICE_ASSIGN_OR_RETURN(Response answer,
                          SendRetried({.method = "GET",
                                       .url = Url(path, {}),
                                       .headers = {fmt::format("Range: bytes={}-{}", offset, last)},
                                       .answer_bytes_max = options_.object_bytes_max}),
                          "get '{}'", path);
  if (answer.status == 416) {
    SLUICE_ASSIGN_OR_RETURN(const ObjectInfo info, Head(path));
    if (offset == info.size) return std::string();
    return Invalid("'{}' has {} bytes; there is nothing at {}", path, info.size, offset);
  }
  if (answer.status == 200) {  // The store has ignored the range.
    if (offset > answer.body.size()) return Invalid("'{}': there is nothing at {}", path, offset);
    return answer.body.substr(offset, size);
  }
  if (answer.status != 206) return AnswerError("get", path, answer.status, answer.body);
  return std::move(answer.body);
}

Result<ObjectInfo> S3Store::Head(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  SLUICE_ASSIGN_OR_RETURN(const Response answer,
                          SendRetried({.method = "HEAD", .url = Url(path, {})}), "head '{}'", path);
  if (answer.status != 200) return AnswerError("head", path, answer.status, answer.body);
  return ObjectInfo{.path = std::string(path), .size = answer.length, .modified = answer.modified};
}

/// An object that goes up in parts, which nobody sees before Complete(). Given up if it never gets
/// there. Not thread-safe.
class S3Store::Upload {
 public:
  Upload(S3Store& store, std::string_view path) : store_(store), path_(path) {}
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload() {
    if (id_.empty() || completed_) return;
    // Best effort: what is left costs space until the bucket's own rules clean it up.
    static_cast<void>(
        store_.Send({.method = "DELETE", .url = store_.Url(path_, "uploadId=" + id_)}).ok());
  }

  /// Whether a part has been sent, or tried.
  bool begun() const { return parts_ > 0; }

  /// All but the last have `part_bytes`.
  Status Send(std::string_view part) {
    if (id_.empty()) SLUICE_RETURN_IF_ERROR(Begin());
    if (++parts_ > store_.options_.parts_max) {
      return Unsupported("put '{}': more than {} parts of {} bytes", path_,
                         store_.options_.parts_max, store_.options_.part_bytes);
    }
    const std::string query = fmt::format("partNumber={}&uploadId={}", parts_, id_);
    SLUICE_ASSIGN_OR_RETURN(
        const Response sent,
        store_.SendRetried({.method = "PUT", .url = store_.Url(path_, query), .body = part}),
        "put '{}'", path_);
    if (sent.status != 200 || sent.etag.empty()) {
      return AnswerError("put a part of", path_, sent.status, sent.body);
    }
    list_ += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", parts_,
                         internal::EscapeXml(sent.etag));
    bytes_ += part.size();
    return {};
  }

  Status Complete() {
    const std::string list =
        fmt::format("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", list_);
    SLUICE_ASSIGN_OR_RETURN(const Response done,
                            store_.SendRetried({.method = "POST",
                                                .url = store_.Url(path_, "uploadId=" + id_),
                                                .body = list,
                                                .headers = {"Content-Type: application/xml"}}),
                            "put '{}'", path_);
    // 200 may hold an error.
    completed_ = done.status == 200 && done.body.find("<Error>") == std::string::npos;
    if (completed_) return {};
    // A completion that was sent twice is answered with 404 the second time.
    const auto info = store_.Head(path_);
    completed_ = done.status == 404 && info.ok() && info->size == bytes_;
    if (completed_) return {};
    return AnswerError("put", path_, done.status == 200 ? 500 : done.status, done.body);
  }

 private:
  Status Begin() {
    SLUICE_ASSIGN_OR_RETURN(
        const Response begun,
        store_.SendRetried({.method = "POST", .url = store_.Url(path_, "uploads=")}), "put '{}'",
        path_);
    const std::string id = internal::XmlText(begun.body, "UploadId");
    if (begun.status != 200 || id.empty()) {
      return AnswerError("put", path_, begun.status, begun.body);
    }
    id_ = PercentEncode(id);
    return {};
  }

  S3Store& store_;
  const std::string path_;
  std::string id_;  // As it stands in addresses; empty before the first part.
  std::string list_;
  int parts_ = 0;
  uint64_t bytes_ = 0;
  bool completed_ = false;
};

class S3Store::Writer final : public ObjectWriter {
 public:
  Writer(S3Store& store, std::string_view path)
      : store_(store), path_(path), upload_(store, path) {}

  Status Write(std::string_view bytes) override {
    const size_t part_bytes = store_.options_.part_bytes;
    while (waiting_.size() + bytes.size() > part_bytes) {
      const size_t taken = part_bytes - waiting_.size();
      waiting_ += bytes.substr(0, taken);
      bytes.remove_prefix(taken);
      SLUICE_RETURN_IF_ERROR(upload_.Send(waiting_));
      waiting_.clear();
    }
    waiting_ += bytes;
    return {};
  }
  Status Finish() override {
    if (!upload_.begun()) return store_.Put(path_, waiting_);
    SLUICE_RETURN_IF_ERROR(upload_.Send(waiting_));  // Never empty: a full part waits for a byte.
    return upload_.Complete();
  }

 private:
  S3Store& store_;
  const std::string path_;
  std::string waiting_;  // At most one part.
  Upload upload_;
};

Status S3Store::Put(std::string_view path, std::string_view bytes) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  if (bytes.size() > options_.part_bytes) {
    Upload upload(*this, path);
    for (size_t begin = 0; begin < bytes.size(); begin += options_.part_bytes) {
      SLUICE_RETURN_IF_ERROR(upload.Send(bytes.substr(begin, options_.part_bytes)));
    }
    return upload.Complete();
  }
  SLUICE_ASSIGN_OR_RETURN(const Response answer,
                          SendRetried({.method = "PUT", .url = Url(path, {}), .body = bytes}),
                          "put '{}'", path);
  if (answer.status != 200) return AnswerError("put", path, answer.status, answer.body);
  return {};
}

Result<std::unique_ptr<ObjectWriter>> S3Store::StartPut(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, path));
}

Status S3Store::PutOnce(std::string_view path, std::string_view bytes, const std::string& id,
                        bool& unknown) {
  const auto answer =
      Send({.method = "PUT",
            .url = Url(path, {}),
            .body = bytes,
            .headers = {"If-None-Match: *", fmt::format("{}: {}", kPutIdHeader, id)}});
  if (answer.ok() && answer->status == 200) return {};
  // 409: another conditional put is under way; nothing was written.
  if (answer.ok() && answer->status == 409) return Unavailable("'{}' is being written", path);
  if (answer.ok() && answer->status == 412 && !unknown) return Conflict("'{}' exists", path);
  if (answer.ok() && answer->status != 412 && !MayTryAgain(answer->status)) {
    return AnswerError("put", path, answer->status, answer->body);
  }
  // Not known, or a 412 that may be due to a try of ours whose answer was lost.
  unknown = true;
  const auto found = SendRetried({.method = "HEAD", .url = Url(path, {})});
  if (!found.ok()) return found.error();
  if (found->status == 200) {
    return found->put_id == id ? Status() : Status(Conflict("'{}' exists", path));
  }
  if (found->status != 404) return AnswerError("head", path, found->status, found->body);
  return Unavailable("'{}' could not be written", path);
}

Status S3Store::PutIfAbsent(std::string_view path, std::string_view bytes) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  SLUICE_RETURN_IF_ERROR(CheckConditions());
  const std::string id = random_.Uuid();
  bool unknown = false;
  for (int attempt = 0;; ++attempt) {
    Status put = PutOnce(path, bytes, id, unknown);
    if (put.ok() || put.error().code() != ErrorCode::kUnavailable ||
        attempt + 1 >= options_.attempts_max) {
      return put;
    }
    Pause(attempt);
  }
}

Status S3Store::CheckConditions() {
  {
    const std::scoped_lock lock(mutex_);
    if (probed_) return {};
  }
  const std::string path = "_sluice_probe/" + random_.Uuid();
  const Request put{
      .method = "PUT", .url = Url(path, {}), .body = "probe", .headers = {"If-None-Match: *"}};
  SLUICE_ASSIGN_OR_RETURN(const Response first, SendRetried(put), "try conditional puts");
  if (first.status == 501) {
    return Unsupported("bucket '{}' knows no conditional puts ('If-None-Match: *' answers 501)",
                       options_.bucket);
  }
  // 412: a first try whose answer was lost has written it; then conditions work already.
  if (first.status != 200 && first.status != 412) {
    return AnswerError("try to put", path, first.status, first.body);
  }
  SLUICE_ASSIGN_OR_RETURN(const Response second, SendRetried(put), "try conditional puts");
  static_cast<void>(Delete(path).ok());
  if (second.status != 412 && second.status != 409) {
    return Unsupported(
        "bucket '{}' ignores conditional puts ('If-None-Match: *' answers {}): several writers "
        "would overwrite each other's commits",
        options_.bucket, second.status);
  }
  const std::scoped_lock lock(mutex_);
  probed_ = true;
  return {};
}

Result<std::vector<ObjectInfo>> S3Store::List(std::string_view prefix, std::string_view after) {
  std::vector<ObjectInfo> objects;
  std::string token;
  int pages = 0;
  do {
    if (++pages > kPagesMax || objects.size() > options_.list_max) {
      return Unsupported("list '{}': the store names more than {} objects", prefix,
                         options_.list_max);
    }
    // In the order of their names, as signatures need them.
    std::string query;
    if (!token.empty()) query += "continuation-token=" + PercentEncode(token) + "&";
    query += "encoding-type=url&list-type=2&prefix=" + PercentEncode(prefix);
    if (!after.empty() && token.empty()) query += "&start-after=" + PercentEncode(after);
    SLUICE_ASSIGN_OR_RETURN(const Response answer,
                            SendRetried({.method = "GET", .url = Url({}, query)}), "list '{}'",
                            prefix);
    if (answer.status != 200) return AnswerError("list", prefix, answer.status, answer.body);
    SLUICE_ASSIGN_OR_RETURN(token, internal::ParseListing(answer.body, objects));
  } while (!token.empty());
  std::erase_if(objects, [&](const ObjectInfo& object) {
    return object.path <= after || object.path.ends_with('/');
  });
  std::ranges::sort(objects, {}, &ObjectInfo::path);
  return objects;
}

Status S3Store::Delete(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  SLUICE_ASSIGN_OR_RETURN(const Response answer,
                          SendRetried({.method = "DELETE", .url = Url(path, {})}), "delete '{}'",
                          path);
  if (answer.status == 200 || answer.status == 204 || answer.status == 404) return {};
  return AnswerError("delete", path, answer.status, answer.body);
}

}  // namespace sluice::store
