@0xd3a55f0c9b1e7a42;
using Sl = import "sluice.capnp";

# Who signed up. Address and name never reach the disk in clear.
struct UserIdentityCreated $Sl.event("user.identity.created") $Sl.retain("400d") {
  userId @0 :Text $Sl.key $Sl.subject;
  email  @1 :Text $Sl.pii("contact") $Sl.hash(hmacSha256) $Sl.normalise([trim, lower]);
  name   @2 :Text $Sl.pii("name") $Sl.tokenize;
}
