#include "cmd/table.h"

#include <algorithm>
#include <cstdio>
#include <cwchar>
#include <utility>

namespace eider::cmd {
namespace {

constexpr int kMaxCellWidth = 60;
constexpr int kMinCellWidth = 8;
const std::string kEllipsis = "…";

// The character at `at` and how many bytes it has; one byte for what is no UTF-8.
wint_t CharacterAt(const std::string& text, size_t at, size_t* length) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  const size_t wanted = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  wint_t character = wanted == 1 ? first : first & (0xFFU >> (wanted + 1));
  for (size_t i = 1; i < wanted; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) {
      *length = 1;
      return 0xFFFD;
    }
    character = (character << 6) | (byte(at + i) & 0x3FU);
  }
  *length = wanted;
  return character;
}

bool Within(wint_t c, wint_t low, wint_t high) { return c >= low && c <= high; }

// The ranges that matter in practice; independent of the process's locale.
int CharacterWidth(wint_t c) {
  if (Within(c, 0x300, 0x36F) || Within(c, 0x200B, 0x200F) || Within(c, 0xFE00, 0xFE0F) ||
      Within(c, 0x20D0, 0x20FF)) {
    return 0;
  }
  if (Within(c, 0x1100, 0x115F) || Within(c, 0x2E80, 0xA4CF) || Within(c, 0xAC00, 0xD7A3) ||
      Within(c, 0xF900, 0xFAFF) || Within(c, 0xFE30, 0xFE6F) || Within(c, 0xFF00, 0xFF60) ||
      Within(c, 0xFFE0, 0xFFE6) || Within(c, 0x1F300, 0x1FAFF) || Within(c, 0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\x%02X", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out;
}

std::string Cut(const std::string& text, int width) {
  if (DisplayWidth(text) <= width) return text;
  std::string out;
  int used = 0;
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    const int wide = CharacterWidth(CharacterAt(text, at, &length));
    if (used + wide > width - 1) break;
    used += wide;
    out += text.substr(at, length);
  }
  return out + kEllipsis;
}

std::string Repeat(const std::string& piece, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += piece;
  return out;
}

std::string Pad(const std::string& text, int width, bool right) {
  const std::string fill(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
  return right ? fill + text : text + fill;
}

std::string Center(const std::string& text, int width) {
  const int missing = std::max(0, width - DisplayWidth(text));
  return std::string(static_cast<size_t>(missing / 2), ' ') + text +
         std::string(static_cast<size_t>(missing - missing / 2), ' ');
}

// The widths of the columns that are shown, from the left.
std::vector<int> Fit(std::vector<int> wanted, int max_width) {
  const auto total = [](const std::vector<int>& widths) {
    int sum = 1;
    for (const int width : widths) sum += width + 3;
    return sum;
  };
  while (max_width > 0 && total(wanted) > max_width) {
    auto widest = std::max_element(wanted.begin(), wanted.end());
    if (*widest > kMinCellWidth) {
      *widest = std::max(kMinCellWidth, *widest - (total(wanted) - max_width));
    } else if (wanted.size() > 1) {
      wanted.pop_back();
    } else {
      break;
    }
  }
  return wanted;
}

class Drawing {
 public:
  Drawing(const Table& table, int max_width) : table_(table) {
    for (const auto& row : table.rows) {
      cells_.emplace_back();
      for (const std::string& cell : row) cells_.back().push_back(Escaped(cell));
    }
    std::vector<int> wanted;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      int width =
          std::max(DisplayWidth(table.columns[i].name), DisplayWidth(table.columns[i].type));
      for (const auto& row : cells_) width = std::max(width, DisplayWidth(row[i]));
      wanted.push_back(std::min(width, kMaxCellWidth));
      has_types_ = has_types_ || !table.columns[i].type.empty();
    }
    widths_ = Fit(std::move(wanted), max_width);
  }

  std::string Draw() const {
    std::string out = Rule("┌", "┬", "┐") + Header(&TableColumn::name);
    if (has_types_) out += Header(&TableColumn::type);
    out += Rule("├", "┼", "┤");
    for (const auto& row : cells_) {
      for (size_t i = 0; i < widths_.size(); ++i) {
        out += (i == 0 ? "│ " : " │ ") +
               Pad(Cut(row[i], widths_[i]), widths_[i], table_.columns[i].right);
      }
      out += " │\n";
    }
    out += Rule("└", "┴", "┘");
    if (!table_.footer.empty()) out += table_.footer + "\n";
    if (widths_.size() < table_.columns.size()) {
      out += std::to_string(widths_.size()) + " of " + std::to_string(table_.columns.size()) +
             " columns fit: --format csv shows all\n";
    }
    return out;
  }

 private:
  std::string Rule(const char* left, const char* middle, const char* right) const {
    std::string out;
    for (size_t i = 0; i < widths_.size(); ++i) {
      out += (i == 0 ? left : middle) + Repeat("─", widths_[i] + 2);
    }
    return out + right + "\n";
  }

  std::string Header(std::string TableColumn::* text) const {
    std::string out;
    for (size_t i = 0; i < widths_.size(); ++i) {
      const std::string cut = Cut(Escaped(table_.columns[i].*text), widths_[i]);
      out += (i == 0 ? "│ " : " │ ") +
             (has_types_ ? Center(cut, widths_[i]) : Pad(cut, widths_[i], table_.columns[i].right));
    }
    return out + " │\n";
  }

  const Table& table_;
  std::vector<std::vector<std::string>> cells_;
  std::vector<int> widths_;
  bool has_types_ = false;
};

}  // namespace

int DisplayWidth(const std::string& text) {
  int width = 0;
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    width += CharacterWidth(CharacterAt(text, at, &length));
  }
  return width;
}

std::string DrawTable(const Table& table, int max_width) {
  if (table.columns.empty()) return table.footer + "\n";
  return Drawing(table, max_width).Draw();
}

std::string GroupDigits(int64_t number) {
  std::string digits = std::to_string(number);
  const int start = digits.front() == '-' ? 1 : 0;
  for (int at = static_cast<int>(digits.size()) - 3; at > start; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

}  // namespace eider::cmd
