// Rows of text drawn as a box, for results and for `eider status`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eider::cmd {

struct TableColumn {
  std::string name;
  std::string type;  // shown under the name; empty in every column: no such line
  bool right = false;
};

struct Table {
  std::vector<TableColumn> columns;
  std::vector<std::vector<std::string>> rows;
  std::string footer;  // under the box; may be empty
};

// How many columns of a terminal a text takes, counting wide and combining characters.
int DisplayWidth(const std::string& text);

// At most `max_width` columns of a terminal wide (0: any): long cells are cut with an ellipsis, and
// columns that still do not fit are left out, which the footer then says. Line breaks and other
// control characters in cells are shown escaped.
std::string DrawTable(const Table& table, int max_width);

// 1234567 as "1,234,567".
std::string GroupDigits(int64_t number);

}  // namespace eider::cmd
