#include "store/xml.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace eider::store {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::string_view kBlanks = " \t\r\n";

bool IsNameStart(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == ':' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool IsNameChar(char c) { return IsNameStart(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; }

// False where XML allows no such character.
bool AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x20 && code != '\t' && code != '\n' && code != '\r') return false;
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  const auto byte = [&out](uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
  return true;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  arrow::Result<XmlElement> Document() {
    Take("\xEF\xBB\xBF");
    ARROW_RETURN_NOT_OK(SkipProlog());
    if (!At("<")) return Wrong("no element");
    XmlElement root;
    ARROW_RETURN_NOT_OK(Element(root, 0));
    ARROW_RETURN_NOT_OK(SkipProlog());
    if (at_ != text_.size()) return Wrong("something after the root element");
    return root;
  }

 private:
  arrow::Status Wrong(std::string_view what) const {
    return arrow::Status::Invalid("no proper XML: ", what, " at byte ", at_);
  }

  bool At(std::string_view token) const { return text_.substr(at_).starts_with(token); }
  bool Take(std::string_view token) {
    if (!At(token)) return false;
    at_ += token.size();
    return true;
  }
  void SkipBlanks() { at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size()); }

  arrow::Status SkipPast(std::string_view end) {
    const size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return Wrong("it ends within a comment or the like");
    at_ = found + end.size();
    return arrow::Status::OK();
  }

  // Comments and instructions, with blanks between them.
  arrow::Status SkipProlog() {
    while (true) {
      SkipBlanks();
      if (Take("<?")) {
        ARROW_RETURN_NOT_OK(SkipPast("?>"));
      } else if (Take("<!--")) {
        ARROW_RETURN_NOT_OK(SkipPast("-->"));
      } else {
        return arrow::Status::OK();
      }
    }
  }

  arrow::Result<std::string_view> Name() {
    const size_t begin = at_;
    if (at_ >= text_.size() || !IsNameStart(text_[at_])) return Wrong("no name");
    while (at_ < text_.size() && IsNameChar(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // Up to and with the end of a start tag; true where the element is empty (`<a/>`).
  arrow::Result<bool> Attributes() {
    while (true) {
      const size_t before = at_;
      SkipBlanks();
      if (Take("/>")) return true;
      if (Take(">")) return false;
      if (at_ == before) return Wrong("no blank before an attribute");
      ARROW_RETURN_NOT_OK(Name().status());
      SkipBlanks();
      if (!Take("=")) return Wrong("an attribute without a value");
      SkipBlanks();
      if (!At("\"") && !At("'")) return Wrong("an attribute's value without quotes");
      const char quote = text_[at_++];
      const size_t end = text_.find(quote, at_);
      if (end == std::string_view::npos) return Wrong("an attribute's value does not end");
      if (text_.substr(at_, end - at_).find('<') != std::string_view::npos) {
        return Wrong("`<` in an attribute");
      }
      at_ = end + 1;
    }
  }

  arrow::Status Element(XmlElement& element, int depth) {
    if (depth >= kMaxDepth) return Wrong("elements too deep in each other");
    if (!Take("<")) return Wrong("no element");
    ARROW_ASSIGN_OR_RAISE(const std::string_view full_name, Name());
    element.name = full_name.substr(full_name.rfind(':') + 1);  // npos + 1 is 0
    ARROW_ASSIGN_OR_RAISE(const bool empty, Attributes());
    if (empty) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(Content(element, depth));
    ARROW_ASSIGN_OR_RAISE(const std::string_view closed, Name());
    if (closed != full_name) return Wrong("the end of another element");
    SkipBlanks();
    if (!Take(">")) return Wrong("an end tag that does not end");
    return arrow::Status::OK();
  }

  // Up to and with `</`.
  arrow::Status Content(XmlElement& element, int depth) {
    while (at_ < text_.size()) {
      if (Take("</")) return arrow::Status::OK();
      if (Take("<!--")) {
        ARROW_RETURN_NOT_OK(SkipPast("-->"));
      } else if (Take("<![CDATA[")) {
        const size_t begin = at_;
        ARROW_RETURN_NOT_OK(SkipPast("]]>"));
        element.text += text_.substr(begin, at_ - 3 - begin);
      } else if (Take("<?")) {
        ARROW_RETURN_NOT_OK(SkipPast("?>"));
      } else if (At("<")) {
        ARROW_RETURN_NOT_OK(Element(element.children.emplace_back(), depth + 1));
      } else if (At("&")) {
        ARROW_RETURN_NOT_OK(Reference(element.text));
      } else {
        const size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
        element.text += text_.substr(at_, end - at_);
        at_ = end;
      }
    }
    return Wrong("it ends within an element");
  }

  arrow::Status Reference(std::string& out) {
    constexpr size_t kLongest = 12;
    const size_t end = text_.substr(at_, kLongest).find(';');
    if (end == std::string_view::npos) return Wrong("`&` without `;`");
    std::string_view name = text_.substr(at_ + 1, end - 1);
    constexpr std::array<std::pair<std::string_view, char>, 5> kNamed = {
        {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
    for (const auto& [known, character] : kNamed) {
      if (name != known) continue;
      out += character;
      at_ += end + 1;
      return arrow::Status::OK();
    }
    if (!name.starts_with('#')) return Wrong("an unknown entity");
    name.remove_prefix(1);
    const int base = name.starts_with('x') ? 16 : 10;
    if (base == 16) name.remove_prefix(1);
    uint32_t code = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), code, base);
    if (name.empty() || error != std::errc() || stop != name.data() + name.size() ||
        !AppendUtf8(code, out)) {
      return Wrong("a broken character reference");
    }
    at_ += end + 1;
    return arrow::Status::OK();
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const XmlElement* XmlElement::Find(std::string_view child) const {
  for (const XmlElement& element : children) {
    if (element.name == child) return &element;
  }
  return nullptr;
}

std::string_view XmlElement::TextOf(std::string_view child) const {
  const XmlElement* found = Find(child);
  return found == nullptr ? std::string_view() : std::string_view(found->text);
}

arrow::Result<XmlElement> ParseXml(std::string_view text) { return Parser(text).Document(); }

}  // namespace eider::store
