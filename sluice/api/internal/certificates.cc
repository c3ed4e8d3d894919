#include "sluice/api/internal/certificates.h"

#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <utility>

#include "sluice/base/trace.h"

namespace sluice::api::internal {
namespace {

namespace ssl = boost::asio::ssl;

constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr std::chrono::seconds kLookEvery{1};
// Forward secrecy and authenticated encryption; version 1.3 has nothing else.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// A client that offers protocols without HTTP/1.1 among them is told in the handshake
// (docs/adr/0010-no-http2.md).
int ChooseProtocol(SSL* /*connection*/, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned int offered_size, void* /*unused*/) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  const int outcome = SSL_select_next_proto(&found, chosen_size, kHttp11, sizeof(kHttp11) - 1,
                                            offered, offered_size);
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::unique_ptr<Certificates>> Certificates::Load(TlsFiles files) {
  std::unique_ptr<Certificates> loaded(new Certificates(std::move(files)));
  SLUICE_ASSIGN_OR_RETURN(loaded->tried_, loaded->Read());
  SLUICE_ASSIGN_OR_RETURN(loaded->context_, Make(loaded->tried_), "serve.tls");
  loaded->looked_at_ = loaded->clock_.Steady();
  return loaded;
}

Result<Certificates::Texts> Certificates::Read() {
  Texts texts;
  SLUICE_ASSIGN_OR_RETURN(texts.certificate, os::ReadFile(disk_, files_.certificate, kFileBytesMax),
                          "serve.tls.certificate");
  SLUICE_ASSIGN_OR_RETURN(texts.key, os::ReadFile(disk_, files_.key, kFileBytesMax),
                          "serve.tls.key");
  return texts;
}

Result<std::shared_ptr<ssl::context>> Certificates::Make(const Texts& texts) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(native, kCiphers) != 1) {
    return Internal("TLS 1.2 is not to be had");
  }
  SSL_CTX_set_alpn_select_cb(native, ChooseProtocol, nullptr);
  boost::system::error_code error;
  context->use_certificate_chain(boost::asio::buffer(texts.certificate), error);
  if (error) return Invalid("the certificate cannot be read: {}", error.message());
  context->use_private_key(boost::asio::buffer(texts.key), ssl::context::pem, error);
  if (error) {
    return Invalid("the key cannot be read, or is not the certificate's: {}", error.message());
  }
  if (SSL_CTX_check_private_key(native) != 1) return Invalid("the key is not the certificate's");
  return context;
}

std::shared_ptr<ssl::context> Certificates::Current() {
  Texts tried;
  {
    const std::lock_guard lock(mutex_);
    const os::Monotonic now = clock_.Steady();
    if (now - looked_at_ < kLookEvery) return context_;
    looked_at_ = now;  // Others take what there is, while this thread looks.
    tried = tried_;
  }
  auto texts = Read();
  const bool same = texts.ok() && *texts == tried;
  auto made = same         ? Result<std::shared_ptr<ssl::context>>(nullptr)
              : texts.ok() ? Make(*texts)
                           : Result<std::shared_ptr<ssl::context>>(texts.error());
  if (!made.ok()) {
    trace::Warning("certificate not replaced", {{"reason", made.error().ToString()}});
  } else if (!same) {
    trace::Info("certificate replaced", {{"file", files_.certificate}});
  }
  const std::lock_guard lock(mutex_);
  if (texts.ok()) tried_ = std::move(*texts);
  if (made.ok() && !same) context_ = std::move(*made);
  return context_;
}

}  // namespace sluice::api::internal
