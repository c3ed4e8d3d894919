@0xa7d1c05e9f36b284;
using Sl = import "sluice.capnp";

# Where the pointer is on a screen: 0 to 1, from the left and from the top.
struct PointerMoved $Sl.event("pointer.moved") {
  clientId  @0 :Text $Sl.subject;
  screenId  @1 :Text;
  eventTime @2 :Text $Sl.eventTime;
  xNorm     @3 :Float32;
  yNorm     @4 :Float32;
  kind      @5 :Kind;
  enum Kind { move @0; click @1; }
}
