"""Changes of one schema in a row, legal and illegal, for tests that evolve a topic."""

HEAD = '@0x9a41c6de07b35f18;\nusing Sl = import "sluice.capnp";\n'

# One change each: what becomes of the fields before. `None` takes a field away.
START = {"id": "@0 :Text $Sl.id", "a": "@1 :Int32", "k": "@2 :K", "u": "@3 :UInt8", "t": "@4 :Text"}
LEGAL = [
    {"f5": "@5 :Int32"}, {"f6": '@6 :Text = "d"'}, {"f7": "@7 :List(Text)"}, {"f8": "@8 :P"}, {"f9": "@9 :List(P)"},
    {"k": "@2 :L"}, {"f10": "@10 :Bool"}, {"f11": "@11 :Text $Sl.decimal(precision = 9, scale = 3)"},
    {"f12": "@12 :Int64 $Sl.timestamp(seconds)"}, {"f13": "@13 :Text $Sl.uuid"}, {"u": "@3 :Int16"}, {"f14": "@14 :UInt64"},
    {"f15": "@15 :Data"}, {"f16 ": ":union { x @16 :Text; y @17 :Void; }"}, {"f18": "@18 :Float64"},
    {"f6": '@6 :Text = "e"'}, {"k": "@2 :Text"}, {"f19 ": ":group { x @19 :Text; }"}, {"t": "@4 :Text $Sl.subject"},
    {"f20": "@20 :L"}, {"a": "@1 :Int32 $Sl.key"}, {"f21": "@21 :Int8"}, {"f21": None},
    # Fields inside stored structs, in lists too, and alternatives of unions.
    {"f8": "@8 :Q"}, {"f9": "@9 :List(Q)"}, {"f16 ": ":union { x @16 :Text; y @17 :Void; z @21 :Text; }"},
    {"f19 ": ":group { x @19 :Text; w @22 :Q; }"}, {"f9": "@9 :List(R)"},
]
ILLEGAL = [
    {"a": "@1 :Int64 $Sl.key"}, {"a": "@1 :Text $Sl.key"}, {"t": "@4 :Data $Sl.subject"}, {"f7": "@7 :Text"}, {"f7": "@7 :List(Int32)"},
    {"f8": "@8 :P"}, {"f9": "@9 :List(S)"}, {"f11": "@11 :Text $Sl.decimal(precision = 10, scale = 3)"},
    {"f12": "@12 :Int64 $Sl.timestamp(milliseconds)"}, {"f13": "@13 :Int64"}, {"u": "@3 :UInt8"}, {"k": "@2 :L"},
    {"f16 ": ":union { x @16 :Text; y @17 :Void; z @21 :Int32; }"}, {"f18": "@18 :Float32"}, {"f20": "@20 :K"},
    {"f8": "@8 :List(Q)"}, {"f9": "@9 :List(Q)"}, {"f19 ": ":group { x @19 :Text; renamed @22 :Q; }"},
    {"new": "@23 :Text $Sl.required"}, {"id": "@0 :Text", "t": "@4 :Text $Sl.subject $Sl.id"},
    {"t": "@4 :Text $Sl.subject $Sl.eventTime"}, {"t": "@4 :Text"}, {"t": None, "renamed": "@4 :Text $Sl.subject"},
    {"id": "@1 :Text $Sl.id", "a": "@0 :Int32 $Sl.key"}, {"f21": "@23 :Text"},
]


def evolving(fields):
    body = "".join(f"  {name} {text}{'' if text.endswith('}') else ';'}\n" for name, text in fields.items())
    return (HEAD + 'struct Evolving $Sl.event("evolving") {\n' + body + "}\n"
            "enum K { one @0; two @1; }\nenum L { one @0; two @1; three @2; }\n"
            "struct P { x @0 :Int32; }\nstruct Q { x @0 :Int32; y @1 :Text; }\n"
            "struct R { x @0 :Int32; y @1 :Text; p @2 :List(P); }\nstruct S { x @0 :Text; }\n")


def changed(fields, step):
    fields = {**fields, **step}
    return {name: text for name, text in fields.items() if text is not None}
