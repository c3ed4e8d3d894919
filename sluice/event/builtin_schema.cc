#include "sluice/event/contract.h"

namespace sluice::event {

std::string_view BuiltinSchema() {
  return R"(@0xb7c1f3e2a9d84c01;
# The annotations of Sluice. Import as: using Sl = import "sluice.capnp";

enum Digest { hmacSha256 @0; sha256 @1; }       # plain sha256 only beside $Sl.unkeyed("reason")
enum TimeUnit { rfc3339 @0; seconds @1; milliseconds @2; microseconds @3; nanoseconds @4; }
struct Digits { precision @0 :UInt8 = 38; scale @1 :UInt8; }

annotation event(struct) :Text;      # the topic whose events these are
annotation retain(struct) :Text;     # how long rows are kept: "400d"

annotation eventTime(field) :Void;   # Text: RFC 3339 with zone; Int64, UInt64: milliseconds since 1970
annotation id(field) :Void;          # identity of the event
annotation key(field) :Void;         # entity that the event is about
annotation required(field) :Void;    # an event without it is an error
annotation timestamp(field) :TimeUnit;   # a moment: Text (rfc3339), or an integer of that unit
annotation decimal(field) :Digits;   # Text: an exact number, $Sl.decimal(precision = 10, scale = 2)
annotation uuid(field) :Void;        # Text: a UUID
annotation name(field) :Text;        # its name in events, where Cap'n Proto has no such name

annotation subject(field) :Void;     # person whom an erasure erases
annotation pii(field) :Text;         # kind of personal data: "contact"
annotation hash(field) :Digest;      # keyed hash: joins, never comes back
annotation unkeyed(field) :Text;     # reason for plain sha256
annotation tokenize(field) :Void;    # joins, and comes back for those allowed
annotation encrypt(field) :Void;     # under a key of the event's subject, destroyed with it
annotation mask(field) :UInt8;       # keeps that many characters at the end
annotation generalise(field) :Text;  # "month", "10", "/24,/48", "prefix 3"
annotation drop(field) :Void;        # never stored
annotation joinGroup(field) :Text;   # fields of one group join, in all topics; else a field stands alone
annotation normalise(field) :List(Normal);      # before hash or tokenize
enum Normal { trim @0; lower @1; }

annotation alias(annotation) :Text;  # this annotation of yours means one of these: $Sl.alias("hash")
)";
}

}  // namespace sluice::event
