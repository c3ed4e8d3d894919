#pragma once
/// \file
/// What the annotations of a compiled Cap'n Proto schema mean: those of sluice.capnp, and a user's
/// own that stand for them.

#include <capnp/schema-parser.h>
#include <capnp/schema.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/internal/annotation.h"

namespace sluice::event::internal {

/// The annotations and enums that files declare, by id.
///
/// An annotation of the user's file means one of sluice.capnp if it is declared with
/// `$Sl.alias("hash")`, or if it has the name of one that protects personal data (hash, tokenize,
/// drop, pii, subject ...): schemas that were written before us then protect what they promise.
class AnnotationNames {
 public:
  /// Adds what stands in a file, however deep. `own`: the file is sluice.capnp.
  void Add(const capnp::ParsedSchema& file, bool own);

  /// Explains what stands on a node, but for annotations of c++.capnp. What it returns is valid as
  /// long as this is.
  std::vector<Annotation> Explain(capnp::List<capnp::schema::Annotation>::Reader annotations) const;

 private:
  struct Declared {
    std::string name;   // In its file.
    std::string alias;  // As $Sl.alias says.
    bool own = false;
    uint64_t enum_id = 0;  // Of its value's type; 0 if that is no enum.
  };
  void AddNode(const capnp::ParsedSchema& node, bool own, int depth);
  std::string_view Meaning(const Declared& declared) const;

  std::map<uint64_t, Declared> annotations_;
  std::map<uint64_t, std::vector<std::string>> enums_;
};

}  // namespace sluice::event::internal
