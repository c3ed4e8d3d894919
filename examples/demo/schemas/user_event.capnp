@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";

# What people do in the shop.
struct UserEvent $Sl.event("shop.user-events") {
  eventId   @0 :Text $Sl.id;
  userId    @1 :Int64 $Sl.subject;
  eventType @2 :Type;
  page      @3 :Text;
  timestamp @4 :Text $Sl.eventTime;
  source    @5 :Source;
  amount    @6 :Text $Sl.decimal(precision = 10, scale = 2);
  enum Type { login @0; click @1; purchase @2; logout @3; }
  enum Source { web @0; mobile @1; }
}
