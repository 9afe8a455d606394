#include "store/xml.h"

#include <gtest/gtest.h>

namespace eider::store {
namespace {

TEST(Xml, ElementsTextAndEntities) {
  const auto root = ParseXml(
      "\xEF\xBB\xBF<?xml version=\"1.0\" encoding='UTF-8'?>\n<!-- c > -->\n"
      "<ns:A xmlns:ns=\"http://x/\" empty=''>\n"
      "  <B>a&amp;&lt;b&gt;&quot;&apos;&#228;&#x1F986;</B><B/>\n"
      "  <C><![CDATA[<raw> & ]]>tail<!-- gone --> end</C>\n"
      "</ns:A >\n<!-- after -->\n");
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(root->name, "A");
  ASSERT_EQ(root->children.size(), 3U);
  EXPECT_EQ(root->TextOf("B"), "a&<b>\"'\xC3\xA4\xF0\x9F\xA6\x86");
  EXPECT_EQ(root->children[1].text, "");
  EXPECT_EQ(root->TextOf("C"), "<raw> & tail end");
  EXPECT_EQ(root->Find("D"), nullptr);
}

TEST(Xml, WhatIsNotXmlIsRefused) {
  for (const char* text : {"",
                           "text",
                           "<a>",
                           "<a></b>",
                           "<a><b></a></b>",
                           "<a/><b/>",
                           "<a/>text",
                           "<a>&nbsp;</a>",
                           "<a>&amp</a>",
                           "<a>&#xD800;</a>",
                           "<a>&#0;</a>",
                           "<a>&#x;</a>",
                           "<a>&#99999999999;</a>",
                           "<a b></a>",
                           "<a b=c></a>",
                           "<a b=\"<\"></a>",
                           "<a b=\"></a>",
                           "<a",
                           "<a></a",
                           "<!-- ",
                           "<a><![CDATA[</a>",
                           "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
                           "< a></a>",
                           "<a b=\"1\"c=\"2\"/>"}) {
    EXPECT_FALSE(ParseXml(text).ok()) << text;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_FALSE(ParseXml(deep).ok());
}

TEST(Xml, EveryCutIsRefused) {
  const std::string text = "<a x=\"1\"><b>t&amp;</b><!-- c --><![CDATA[d]]></a>";
  ASSERT_TRUE(ParseXml(text).ok());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseXml(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace eider::store
