#pragma once
/// \file
/// The annotations of one field → what they say of it.

#include <string>
#include <vector>

#include "sluice/event/field.h"
#include "sluice/event/internal/annotation.h"
#include "sluice/event/internal/problems.h"
#include "sluice/event/internal/scan.h"

namespace sluice::event::internal {

/// What a field is to its event.
struct Roles {
  bool event_time = false;
  bool id = false;
  bool key = false;

  bool any() const { return event_time || id || key; }
};

/// Reads all annotations of `field`, whose type and name are set, and may change its name. `path`
/// is its name in messages.
Roles ReadAnnotations(const std::vector<Annotation>& annotations, Place place,
                      const std::string& path, Field& field, Problems& problems);

/// The part of it about personal data: pii, subject, and what happens to the values.
void ReadPrivacy(const std::vector<Annotation>& annotations, Place place, const std::string& path,
                 Field& field, Problems& problems);
/// Whether ReadPrivacy() understands the annotation.
bool IsPrivacy(const Annotation& annotation);

}  // namespace sluice::event::internal
