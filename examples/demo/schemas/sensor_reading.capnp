@0xb84d2f6a91c0e357;
using Sl = import "sluice.capnp";

struct SensorReading $Sl.event("plant.sensor-readings") {
  sensor     @0 :Text $Sl.key;
  measuredAt @1 :Int64 $Sl.eventTime;   # milliseconds since 1970
  celsius    @2 :Float64;
  ok         @3 :Bool;
}
