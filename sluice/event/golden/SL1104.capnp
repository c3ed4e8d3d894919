@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("orders") $Sl.retain("soon") {
  price @0 :Bool $Sl.timestamp(seconds);
  id @1 :Float32 $Sl.id;
  items @2 :Item;
  struct Item { at @0 :Text $Sl.eventTime; }
}
