#include "sluice/api/internal/message.h"

#include <fmt/format.h>

#include <array>

#include "sluice/api/internal/text.h"

namespace sluice::api::internal {

namespace {

void AppendText(std::string& out, std::string_view text) {
  for (const char c : text) out.push_back(IsControl(c) ? ' ' : c);
}

/// Appends a date as RFC 9110 wants it. Formatting is kept for the second, which many answers
/// share.
void AppendDate(std::string& out, std::chrono::sys_seconds now) {
  thread_local std::chrono::sys_seconds kept_for = std::chrono::sys_seconds::min();
  thread_local std::string kept;
  if (kept_for != now) {
    constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(now - day);
    kept = fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
        static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
        time.seconds().count());
    kept_for = now;
  }
  out.append(kept);
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return status < 400 ? "OK" : "Error";
  }
}

std::string FormatHead(const Response& response, std::chrono::sys_seconds now, Then then,
                       bool chunked) {
  std::string out;
  out.reserve(256);
  out.append("HTTP/1.1 ");
  AppendNumber(out, response.status);
  out.append(" ").append(ReasonPhrase(response.status)).append("\r\nDate: ");
  AppendDate(out, now);
  out.append("\r\nServer: sluice\r\nX-Content-Type-Options: nosniff\r\n");
  if (MayHaveBody(response.status)) {
    out.append("Content-Type: ");
    AppendText(out, response.content_type);
    if (response.stream == nullptr) {
      out.append("\r\nContent-Length: ");
      AppendNumber(out, response.body.size());
      out.append("\r\n");
    } else {
      // A reader that knows no chunks sees the end of the connection as that of the body.
      out.append(chunked ? "\r\nTransfer-Encoding: chunked\r\n" : "\r\n");
    }
  }
  if (then == Then::kClose) out.append("Connection: close\r\n");
  for (const auto& [name, value] : response.headers) {
    AppendText(out, name);
    out.append(": ");
    AppendText(out, value);
    out.append("\r\n");
  }
  out.append("\r\n");
  return out;
}

}  // namespace sluice::api::internal
