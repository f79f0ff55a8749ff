#include "hub/headers.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

TEST(Headers, NamesInAnyCaseAndTheFirstOfEach) {
  Headers headers;
  headers.add("ETag: \"one\"\r\n");
  headers.add("etag: two");
  headers.add("no colon");
  headers.add(": no name");
  EXPECT_EQ(headers.find("etag"), "\"one\"");
  EXPECT_EQ(headers.find("link"), std::nullopt);
  EXPECT_EQ(headers.size(), 2u);
}

TEST(Headers, ContentRange) {
  const auto range = parse_content_range("bytes 5-9/100");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(range->last, 9u);
  EXPECT_EQ(range->total, 100u);
  EXPECT_EQ(parse_content_range("bytes 5-9/*")->total, std::nullopt);
  for (const char* wrong : {"", "bytes", "bytes 9-5/100", "bytes 5-9/9", "bytes -9/100", "bytes 5-/100",
                            "items 1-2/3", "bytes 5-99999999999999999999/*", "bytes */100", "bytes 1/2-3"}) {
    EXPECT_FALSE(parse_content_range(wrong)) << wrong;
  }
}

TEST(Headers, EtagsAndWaits) {
  EXPECT_EQ(parse_etag("W/\"abc\""), "abc");
  EXPECT_EQ(parse_etag("\"abc\""), "abc");
  EXPECT_EQ(parse_etag("abc"), "abc");
  EXPECT_EQ(parse_retry_after("120", 0)->count(), 120);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 20)->count(), 40);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 90)->count(), 0);
  EXPECT_FALSE(parse_retry_after("soon", 0));
  EXPECT_EQ(parse_rate_limit("\"api\";r=0;t=35")->count(), 35);
  EXPECT_FALSE(parse_rate_limit("\"api\";r=0"));
}

TEST(Headers, TheNextPage) {
  EXPECT_EQ(parse_next_link("<https://h/api?cursor=x>; rel=\"next\""), "https://h/api?cursor=x");
  EXPECT_EQ(parse_next_link("<https://h/1>; rel=\"prev\", <https://h/2>; rel=\"next\""), "https://h/2");
  EXPECT_FALSE(parse_next_link("<https://h/1>; rel=\"prev\""));
  EXPECT_FALSE(parse_next_link("<https://h/1"));
}

TEST(Headers, MessagesOfServersAreOneHarmlessLine) {
  EXPECT_EQ(shown_text(" a\r\nb\x1b[31m "), "a  b [31m");
  EXPECT_EQ(shown_text(std::string(1000, 'x')).size(), 300u);
}

TEST(Url, WhereARedirectLeads) {
  EXPECT_EQ(follow("http://h/a/b?c", "d"), "http://h/a/d");
  EXPECT_EQ(follow("http://h/a/b?c", "/d?e"), "http://h/d?e");
  EXPECT_EQ(follow("https://h/a", "https://cdn/x"), "https://cdn/x");
  for (const char* wrong : {"file:///etc/passwd", "http://h/", "ftp://h/", "a\r\nb"}) {
    EXPECT_THROW(follow("https://h/a", wrong), Error) << wrong;
  }
}

TEST(Url, OriginsAreSchemeHostAndPort) {
  EXPECT_TRUE(same_origin("https://h/a", "https://h:443/b?c"));
  EXPECT_FALSE(same_origin("https://h/a", "http://h/a"));
  EXPECT_FALSE(same_origin("https://h/a", "https://h.evil/a"));
  EXPECT_FALSE(same_origin("https://h/a", "https://h@evil/a"));
  EXPECT_FALSE(same_origin("http://h:1/a", "http://h:2/a"));
  EXPECT_FALSE(same_origin("", ""));
}

TEST(Url, SecretsAreNotShown) {
  EXPECT_EQ(shown_address("https://user:pw@h:8/p?signature=secret"), "https://h:8/p");
  EXPECT_EQ(encode_part("a/b c"), "a%2Fb%20c");
  EXPECT_EQ(encode_path("a/b c"), "a/b%20c");
}

TEST(Headers, Dates) {
  EXPECT_EQ(parse_date("Thu, 01 Jan 1970 00:00:10 GMT"), 10);
  EXPECT_EQ(parse_date(" Sat, 21 Nov 2026 08:00:00 GMT\r\n"), 1795248000);
  for (const char* text : {"", "yesterday", "Sat, 99 Nov 2026 08:00:00 GMT", "99999999999999999999"}) {
    EXPECT_EQ(parse_date(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pome::hub
