@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("9 orders") { id @0 :Text; }
struct Status $Sl.event("system.status") { id @0 :Text; }
struct A $Sl.event("a.b") { id @0 :Text; }
struct B $Sl.event("a_b") { id @0 :Text; }
