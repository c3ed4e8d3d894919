#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "sluice/api/http_server.h"
#include "sluice/api/internal/raw_socket.h"

namespace sluice::api {
namespace {

using namespace std::string_literals;

// Requests that two servers could read in two ways, or that are no requests.
const std::vector<std::string>& Malformed() {
  static const std::vector<std::string> cases = [] {
    const std::string host = "Host: x\r\n";
    std::vector<std::string> result;
    // Start lines.
    for (const char* line : {"GET",
                             "GET /",
                             "GET  / HTTP/1.1",
                             "GET / HTTP/1.1 ",
                             "GET / HTTP/1.1\t",
                             " GET / HTTP/1.1",
                             "get / HTTP/1.1",
                             "G@T / HTTP/1.1",
                             "GET\t/ HTTP/1.1",
                             "GET /\tHTTP/1.1",
                             "GET / HTTP/1",
                             "GET / HTTP/11",
                             "GET / http/1.1",
                             "GET / HTTP /1.1",
                             "GET / HTTP/1.1\rX",
                             "/ HTTP/1.1",
                             "GET x HTTP/1.1",
                             "GET x:80 HTTP/1.1",
                             "CONNECT x:80 HTTP/1.1",
                             "GET * HTTP/1.1",
                             "GET ftp://x/ HTTP/1.1",
                             "GET http:// HTTP/1.1",
                             "GET http://a@b/ HTTP/1.1",
                             "GET /a b HTTP/1.1",
                             "GET /# HTTP/1.1",
                             "GET /\x7f HTTP/1.1",
                             "GET /\xc3\xa4 HTTP/1.1",
                             "GET /% HTTP/1.1",
                             "GET /%1 HTTP/1.1",
                             "GET /%zz HTTP/1.1",
                             "GET /%00 HTTP/1.1",
                             "GET /%0a HTTP/1.1",
                             "GET /%0d%0a HTTP/1.1",
                             "GET /%7f HTTP/1.1",
                             "GET /%ff HTTP/1.1",
                             "GET /%c0%af HTTP/1.1",
                             "GET /%ed%a0%80 HTTP/1.1",
                             "GET /%5c HTTP/1.1",
                             "GET /\\ HTTP/1.1",
                             "GET /%2f HTTP/1.1",
                             "GET /a%2Fb HTTP/1.1",
                             "GET /.. HTTP/1.1",
                             "GET /../a HTTP/1.1",
                             "GET /a/.. HTTP/1.1",
                             "GET /a/../b HTTP/1.1",
                             "GET /a/./b HTTP/1.1",
                             "GET /. HTTP/1.1",
                             "GET /%2e%2e HTTP/1.1",
                             "GET /%2e%2e/a HTTP/1.1",
                             "GET /.%2E/a HTTP/1.1",
                             "GET /%2e HTTP/1.1",
                             "GET /..%5c HTTP/1.1",
                             "GET /?a=1&a=2 HTTP/1.1",
                             "GET /?a=%00 HTTP/1.1",
                             "GET /?a=%ff HTTP/1.1",
                             "GET /?a=% HTTP/1.1",
                             "GET /?%=a HTTP/1.1",
                             "GET /?a&%61 HTTP/1.1",
                             "\x16\x03\x01\x02",
                             "PRI * HTTP/2.0x",
                             "GARBAGE\x01"}) {
      result.push_back(line + std::string("\r\n") + host + "\r\n");
    }
    // Fields.
    for (const char* field : {"X : a",
                              "X\t: a",
                              " X: a",
                              "\tX: a",
                              ": a",
                              "X",
                              "X a",
                              "X\x01: a",
                              "X(: a",
                              "X\"Y: a",
                              "X\xc3\xa4: a",
                              "X: a\x01",
                              "X: a\x7f",
                              "X: a\rb",
                              "X: a\r",
                              "X: a\r\n folded",
                              "X: a\r\n\tfolded",
                              "X: a\r\n b: c",
                              "Host: y",
                              "Host: x, y",
                              "Host: x y",
                              "Host: x/y",
                              "Content-Length: 3\r\nContent-Length: 4",
                              "Content-Length: 0\r\nContent-Length: 0",
                              "Content-Length: 3, 3",
                              "Content-Length: 0,0",
                              "Content-Length: +3",
                              "Content-Length: -3",
                              "Content-Length: 3 3",
                              "Content-Length: 0x3",
                              "Content-Length: 3a",
                              "Content-Length: 3.0",
                              "Content-Length: ",
                              "Content-Length: 3;",
                              "Content-Length: \"3\"",
                              "Content-Length:\x0b"
                              "3",
                              "Content-Length: 99999999999999999999",
                              "Content-Length: 18446744073709551619",
                              "Content-Length : 3",
                              "Content-Length\x0b: 3",
                              "Content-Length: 3\r\n 4",
                              "Content-Length: 3\r\nTransfer-Encoding: chunked",
                              "Transfer-Encoding: chunked\r\nContent-Length: 3",
                              "Transfer-Encoding: chunked\r\nContent-Length: 0",
                              "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                              "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                              "Transfer-Encoding: chunked, chunked",
                              "Transfer-Encoding: gzip, chunked",
                              "Transfer-Encoding: chunked, gzip",
                              "Transfer-Encoding: gzip",
                              "Transfer-Encoding: identity",
                              "Transfer-Encoding: xchunked",
                              "Transfer-Encoding: chunkedx",
                              "Transfer-Encoding: chunked;q=1",
                              "Transfer-Encoding: \"chunked\"",
                              "Transfer-Encoding:\x0b"
                              "chunked",
                              "Transfer-Encoding:\x0c"
                              "chunked",
                              "Transfer-Encoding: chunked\x01",
                              "Transfer-Encoding : chunked",
                              "Transfer-Encoding\t: chunked",
                              " Transfer-Encoding: chunked",
                              "Transfer-Encoding:",
                              "Transfer-Encoding: ,chunked",
                              "Transfer-Encoding: chunked,",
                              "Transfer-Encoding:\r\n chunked",
                              "X: y\rTransfer-Encoding: chunked",
                              "Authorization: a\r\nAuthorization: b",
                              "Content-Type: a\r\nContent-Type: b"}) {
      result.push_back("POST / HTTP/1.1\r\n" + host + field + "\r\n\r\n0\r\n\r\n");
    }
    // Line ends.
    result.push_back("GET / HTTP/1.1\nHost: x\n\n");
    result.push_back("GET / HTTP/1.1\r\nHost: x\n\r\n");
    result.push_back("GET / HTTP/1.1\nHost: x\r\n\r\n");
    result.push_back("GET / HTTP/1.1\r\nHost: x\r\n\n");
    result.push_back("GET / HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 5\r\n\r\n");
    result.push_back("GET / HTTP/1.1\r\rHost: x\r\r\n\r\n");
    result.push_back("GET / HTTP/1.1\r\n\r\n");  // Without a host.
    result.push_back("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"s);
    result.push_back("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"s);
    result.push_back("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    // Chunks.
    for (const char* body : {"x\r\n",
                             "\r\n",
                             " 3\r\nabc\r\n0\r\n\r\n",
                             "3 \r\nabc\r\n0\r\n\r\n",
                             "0x3\r\nabc\r\n0\r\n\r\n",
                             "+3\r\nabc\r\n0\r\n\r\n",
                             "-3\r\nabc\r\n0\r\n\r\n",
                             "3\nabc\r\n0\r\n\r\n",
                             "3\r\nabc\n0\r\n\r\n",
                             "3\r\nabc0\r\n\r\n",
                             "3\r\nabcd\r\n0\r\n\r\n",
                             "3\r\nab\r\n0\r\n\r\n",
                             "000000003\r\nabc\r\n0\r\n\r\n",
                             "100000000\r\nabc\r\n0\r\n\r\n",
                             "ffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
                             "3;a\x01\r\nabc\r\n0\r\n\r\n",
                             "3;a\rb\r\nabc\r\n0\r\n\r\n",
                             "3;a\nabc\r\n0\r\n\r\n",
                             "3\r\nabc\r\n0\r\n x: y\r\n\r\n",
                             "3\r\nabc\r\n0\r\nx : y\r\n\r\n",
                             "3\r\nabc\r\n0\r\nx: y\n\r\n",
                             "3\r\nabc\r\n0\n\r\n",
                             "3\r\rabc\r\n0\r\n\r\n",
                             "3,3\r\nabc\r\n0\r\n\r\n",
                             "3h\r\nabc\r\n0\r\n\r\n"}) {
      result.push_back("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + body);
    }
    result.push_back("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3;" +
                     std::string(2000, 'x') + "\r\nabc\r\n0\r\n\r\n");
    return result;
  }();
  return cases;
}

class SmugglingTest : public testing::Test {
 protected:
  SmugglingTest() {
    HttpOptions options;
    options.port = 0;
    server_ = *HttpServer::Start(options, [this](const auto& request, const Respond& respond) {
      if (request->path == "/smuggled") ++smuggled_;
      Response response;
      response.content_type = "text/plain";
      respond(std::move(response));
    });
  }

  std::string Exchange(const std::string& bytes) {
    internal::RawSocket socket(server_->port());
    socket.Send(bytes);
    socket.FinishSending();
    return socket.ReadAll();
  }

  std::atomic<int> smuggled_ = 0;
  std::shared_ptr<HttpServer> server_;
};

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(SmugglingTest, RefusesAndClosesAndTakesNothingBehindIt) {
  EXPECT_GE(Malformed().size(), 150u);
  for (const std::string& bytes : Malformed()) {
    const std::string answer = Exchange(bytes + kSmuggled);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << bytes << "\n->\n" << answer;
    EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << bytes;
    EXPECT_NE(answer.find("Content-Type: application/problem+json\r\n"), std::string::npos)
        << bytes;
  }
  EXPECT_EQ(smuggled_, 0);
}

TEST_F(SmugglingTest, RefusesThemBehindAGoodRequestToo) {
  const std::string good = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (const std::string& bytes : Malformed()) {
    const std::string answers = Exchange(good + bytes + kSmuggled);
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 200 OK\r\n")) << bytes << "\n->\n" << answers;
    EXPECT_NE(answers.find("HTTP/1.1 400 Bad Request\r\n"), std::string::npos) << bytes;
  }
  EXPECT_EQ(smuggled_, 0);
}

TEST_F(SmugglingTest, TellsOtherRefusalsApart) {
  const auto status = [this](const std::string& bytes) { return Exchange(bytes).substr(9, 3); };
  EXPECT_EQ(status("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), "505");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: x\r\n\r\n"), "411");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: more\r\n\r\n"),
            "417");
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 200; ++i) many += "X: y\r\n";
  EXPECT_EQ(status(many + "\r\n"), "431");
}

TEST_F(SmugglingTest, TakesWhatIsUnusualButClear) {
  const std::vector<std::string> good = {"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "GET / HTTP/1.0\r\n\r\n",
                                         "GET http://x:80/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                                         "GET / HTTP/1.1\r\nhOST:x\t \r\nX:\r\nX: a\tb\r\n\r\n",
                                         "GET /.well-known/..a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
                                         "GET /?q=%0A%2F..&r={} HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                         "Chunked\r\n\r\n0A\r\n0123456789\r\n0\r\n\r\n"};
  for (const std::string& bytes : good) {
    EXPECT_TRUE(Exchange(bytes).starts_with("HTTP/1.1 200 OK\r\n")) << bytes;
  }
}

}  // namespace
}  // namespace sluice::api
