@0xe1b90c44d7a2f635;
using Sl = import "sluice.capnp";

# Where the pointer is on a screen: 0 to 1, from the left and from the top.
struct PointerMoved $Sl.event("pointer.moved") $Sl.retain("30d") {
  clientId  @0 :Text $Sl.subject;
  screenId  @1 :Text;
  eventTime @2 :Text $Sl.eventTime;
  xNorm     @3 :Float32;
  yNorm     @4 :Float32;
  kind      @5 :Text;
  viewportW @6 :UInt16;
}
