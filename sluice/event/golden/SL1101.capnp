@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("orders") {
  id @0 :Txt;
  total @1 :Int46;
}
