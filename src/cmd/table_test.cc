#include "cmd/table.h"

#include <gmock/gmock.h>

namespace eider::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Table, DrawsABox) {
  Table table;
  table.columns = {{"id", "bigint", true}, {"name", "varchar", false}};
  table.rows = {{"1", "a"}, {"20", "NULL"}};
  table.footer = "2 rows";
  EXPECT_EQ(DrawTable(table, 0),
            "┌────────┬─────────┐\n"
            "│   id   │  name   │\n"
            "│ bigint │ varchar │\n"
            "├────────┼─────────┤\n"
            "│      1 │ a       │\n"
            "│     20 │ NULL    │\n"
            "└────────┴─────────┘\n"
            "2 rows\n");
}

TEST(Table, HasNoTypeLineWithoutTypes) {
  Table table;
  table.columns = {{"worker", "", false}};
  EXPECT_EQ(DrawTable(table, 0), "┌────────┐\n│ worker │\n├────────┤\n└────────┘\n");
}

TEST(Table, CountsWideAndCombiningCharacters) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("日本"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);
  EXPECT_EQ(DisplayWidth("\xff\xfe"), 2);
}

TEST(Table, CutsLongCellsAndEscapesControlCharacters) {
  Table table;
  table.columns = {{"c", "", false}};
  table.rows = {{std::string(100, 'x')}, {"a\nb\x1b[31m"}};
  const std::string text = DrawTable(table, 0);
  EXPECT_THAT(text, HasSubstr(std::string(59, 'x') + "…"));
  EXPECT_THAT(text, HasSubstr("a\\nb\\x1B[31m"));
}

TEST(Table, FitsTheTerminal) {
  Table table;
  for (const char* name : {"first", "second", "third"}) table.columns.push_back({name, "", false});
  table.rows = {{std::string(30, 'a'), std::string(30, 'b'), "c"}};
  const auto widest = [](const std::string& text) {
    int width = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      width = std::max(width, DisplayWidth(text.substr(at, end - at)));
      at = end + 1;
    }
    return width;
  };
  const std::string narrow = DrawTable(table, 50);
  EXPECT_LE(widest(narrow), 50);
  EXPECT_THAT(narrow, HasSubstr("third"));
  const std::string tiny = DrawTable(table, 20);
  EXPECT_THAT(tiny, Not(HasSubstr("third")));
  EXPECT_THAT(tiny, HasSubstr("1 of 3 columns fit"));
}

TEST(Table, GroupsDigits) {
  EXPECT_EQ(GroupDigits(0), "0");
  EXPECT_EQ(GroupDigits(999), "999");
  EXPECT_EQ(GroupDigits(1234567), "1,234,567");
  EXPECT_EQ(GroupDigits(-123456), "-123,456");
}

}  // namespace
}  // namespace eider::cmd
