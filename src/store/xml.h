// A small strict reader of the XML that S3 answers with: elements and their text. Attributes are
// checked and skipped, prefixes of namespaces dropped; a DOCTYPE is refused, so that no entity is
// ever expanded but the five of XML and numbers.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>
#include <vector>

namespace eider::store {

struct XmlElement {
  std::string name;  // without its prefix
  std::string text;  // its own, entities decoded; of an element with children mostly blanks
  std::vector<XmlElement> children;

  // The first child of that name; null where there is none.
  const XmlElement* Find(std::string_view child) const;
  // Its text; empty where there is none.
  std::string_view TextOf(std::string_view child) const;
};

// The root element. Errors: arrow::Status::Invalid saying what was wrong where.
arrow::Result<XmlElement> ParseXml(std::string_view text);

}  // namespace eider::store
