#include <cstdlib>

#include "sluice/store/internal/s3_text.h"
#include "sluice/store/s3_store.h"

namespace sluice::store {

namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string FirstOf(std::string first, std::string second) {
  return first.empty() ? std::move(second) : std::move(first);
}

}  // namespace

Result<S3Options> S3OptionsFromEnvironment(os::Disk& disk, std::string bucket) {
  S3Options options{.bucket = std::move(bucket)};
  if (options.bucket.empty() || options.bucket.find_first_of("/?#% ") != std::string::npos) {
    return Invalid("'{}' names no bucket", options.bucket);
  }
  options.access_key = Environment("AWS_ACCESS_KEY_ID");
  options.secret_key = Environment("AWS_SECRET_ACCESS_KEY");
  options.session_token = Environment("AWS_SESSION_TOKEN");
  options.endpoint = FirstOf(Environment("AWS_ENDPOINT_URL_S3"), Environment("AWS_ENDPOINT_URL"));
  std::string region = FirstOf(Environment("AWS_REGION"), Environment("AWS_DEFAULT_REGION"));

  const std::string home = Environment("HOME");
  const std::string profile = FirstOf(Environment("AWS_PROFILE"), "default");
  const auto read = [&](const char* variable, const char* name) -> Result<std::string> {
    const std::string path = FirstOf(Environment(variable), home + "/.aws/" + name);
    auto text = os::ReadFile(disk, path, kFileBytesMax);
    if (!text.ok() && text.error().code() == ErrorCode::kNotFound) return std::string();
    return text;
  };
  if (options.access_key.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const std::string file,
                            read("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    options.access_key = internal::ProfileValue(file, profile, "aws_access_key_id");
    options.secret_key = internal::ProfileValue(file, profile, "aws_secret_access_key");
    options.session_token = internal::ProfileValue(file, profile, "aws_session_token");
  }
  if (region.empty() || options.endpoint.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const std::string file, read("AWS_CONFIG_FILE", "config"));
    region = FirstOf(region, internal::ProfileValue(file, profile, "region"));
    options.endpoint =
        FirstOf(options.endpoint, internal::ProfileValue(file, profile, "endpoint_url"));
  }
  if (!region.empty()) options.region = region;
  return options;
}

}  // namespace sluice::store
