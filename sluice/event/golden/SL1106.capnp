@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("orders") {
  price @0 :Float64 $Sl.hash(hmacSha256);
  note @1 :Text $Sl.encrypt;
  at @2 :Text $Sl.eventTime $Sl.mask(4);
}
