@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("orders") {
  eventDate @0 :Text;
  userId @1 :Text;
  userID @2 :Text;
}
