@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("orders") {
  anything @0 :AnyPointer;
  nothing @1 :Void;
  self @2 :Order;
}
