@0xe0f6a93b27c51d84;
using Sl = import "sluice.capnp";

# A feature of the USGS feed, as it comes: https://earthquake.usgs.gov/earthquakes/feed/v1.0/geojson.php
struct Quake $Sl.event("quakes") {
  id         @0 :Text $Sl.key;      # of the quake; an update of it is another event
  type       @1 :Text;
  properties @2 :Properties;
  geometry   @3 :Geometry;

  struct Properties {
    mag     @0  :Float64;
    place   @1  :Text;
    time    @2  :Int64 $Sl.timestamp(milliseconds);
    updated @3  :Int64 $Sl.timestamp(milliseconds);
    tz      @4  :Int32;
    url     @5  :Text;
    detail  @6  :Text;
    felt    @7  :Int32;
    cdi     @8  :Float64;
    mmi     @9  :Float64;
    alert   @10 :Text;
    status  @11 :Text;
    tsunami @12 :Int32;
    sig     @13 :Int32;
    net     @14 :Text;
    code    @15 :Text;
    ids     @16 :Text;
    sources @17 :Text;
    types   @18 :Text;
    nst     @19 :Int32;
    dmin    @20 :Float64;
    rms     @21 :Float64;
    gap     @22 :Float64;
    magType @23 :Text;
    type    @24 :Text;
    title   @25 :Text;
  }
  struct Geometry {
    type        @0 :Text;
    coordinates @1 :List(Float64);  # longitude, latitude, depth in km
  }
}
