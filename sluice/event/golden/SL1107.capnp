using Metadata = import "cramped.metadata.capnp";

struct Event {
	userId @0 :Text $; 
	email @1 :Text $Metadata.hash.sha256;
	name @2 :text $Metadata.tokenize;
}
