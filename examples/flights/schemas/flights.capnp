@0xf1c2a8d90b3e4756;
using Sl = import "sluice.capnp";

# A departure of a commercial flight. Events come from the producer "flights"; their sequence is the row
# of the source, because 191 rows are exact twins of others.
struct Flight $Sl.event("flights") {
  date        @0 :Text $Sl.eventTime;
  delay       @1 :Int32;
  distance    @2 :Int32;
  origin      @3 :Text;
  destination @4 :Text;
}
