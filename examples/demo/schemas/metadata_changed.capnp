@0xc58d2e7f3b10a964;
using Sl = import "sluice.capnp";

# What changes about other people's tables: tags, descriptions, incidents.
struct MetadataChanged $Sl.event("metadata.changed") {
  qualifiedName @0 :Text $Sl.key;
  assetType     @1 :Text;
  change        @2 :Text;
  tags          @3 :List(Text);
  incident      @4 :Text;
  at            @5 :Text $Sl.eventTime;
}
