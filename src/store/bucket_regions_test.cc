// Buckets in another region than the configured one.
#include "store/bucket_regions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "base/error.h"
#include "store/s3_request.h"
#include "store/s3_store.h"
#include "store/scripted_server.h"

namespace eider::store {
namespace {

using Request = ScriptedServer::Request;
using testing::HasSubstr;

constexpr char kObject[] = "0123456789";
constexpr char kTag[] = "\"v1\"";
constexpr char kMalformed[] =
    "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code>"
    "<Region>eu-west-1</Region></Error>";
constexpr char kEmptyList[] =
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

std::shared_ptr<const Access> AccessTo(const std::string& endpoint, bool anonymous = false) {
  return std::make_shared<const Access>(Access{.endpoint = endpoint,
                                               .region = "us-east-1",
                                               .key_id = anonymous ? "" : "KEYID",
                                               .secret_key = "SECRET",
                                               .path_style = true,
                                               .use_ssl = false});
}

GetRequest GetOf(const std::shared_ptr<const Access>& access, const std::string& bucket = "b") {
  return {.access = access,
          .object = {bucket, "k"},
          .url = "s3://" + bucket + "/k",
          .range = Range::Prefix(4)};
}

bool IsSignedFor(const Request& request, std::string_view region) {
  return request.Header("Authorization").find("/" + std::string(region) + "/s3/") !=
         std::string::npos;
}

// Serves what is signed for eu-west-1 and answers `refusal` to all else.
class RegionalServer {
 public:
  explicit RegionalServer(std::string refusal)
      : server_([refusal = std::move(refusal)](const Request& request, Peer& peer) {
          if (!IsSignedFor(request, "eu-west-1")) return peer.Send(refusal);
          if (request.method == "HEAD") {
            return peer.Send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 10\r\n\r\n");
          }
          if (request.target.find("list-type") != std::string::npos) {
            return peer.Send(Answer("200 OK", {}, kEmptyList));
          }
          peer.Send(ServeObject(request, kObject, kTag));
        }) {}
  const ScriptedServer& operator*() const { return server_; }
  const ScriptedServer* operator->() const { return &server_; }

 private:
  const ScriptedServer server_;
};

const std::vector<std::string>& Refusals() {
  static const std::vector<std::string> refusals = {
      Answer("400 Bad Request", {}, kMalformed),
      Answer("400 Bad Request", {"x-amz-bucket-region: eu-west-1"}, ""),
      Answer("301 Moved Permanently", {"x-amz-bucket-region: eu-west-1"},
             "<Error><Code>PermanentRedirect</Code></Error>"),
      Answer("403 Forbidden", {"x-amz-bucket-region: eu-west-1"}, "")};
  return refusals;
}

TEST(BucketRegionsTest, ARefusalThatNamesTheRegionCostsOneRequestOnce) {
  for (const std::string& refusal : Refusals()) {
    const RegionalServer server(refusal);
    S3Store store({});
    const auto costs = std::make_shared<Costs>();
    for (int i = 0; i < 3; ++i) {
      const auto got = store.Get(GetOf(AccessTo(server->endpoint())), {.costs = costs});
      ASSERT_TRUE(got.ok()) << got.status();
      EXPECT_EQ(got->bytes->ToString(), "0123");
    }
    EXPECT_EQ(server->requests().size(), 4u) << "the second and third go there at once";
    EXPECT_EQ(costs->requests, 4);
    EXPECT_EQ(costs->retries, 1);
    // Of another bucket nothing is known.
    ASSERT_TRUE(store.Get(GetOf(AccessTo(server->endpoint()), "other"), {}).ok());
    EXPECT_EQ(server->requests().size(), 6u);
  }
}

TEST(BucketRegionsTest, ListsAndHeadsFindTheRegionToo) {
  {
    const RegionalServer server(Refusals()[0]);
    S3Store store({});
    const auto access = AccessTo(server->endpoint());
    const auto page = store.List({.access = access, .bucket = "b", .url = "s3://b/*"}, {});
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_TRUE(store.Get(GetOf(access), {}).ok());
    EXPECT_EQ(server->requests().size(), 3u);
  }
  // The answer to a HEAD has no body.
  const RegionalServer server(
      "HTTP/1.1 400 Bad Request\r\nx-amz-bucket-region: eu-west-1\r\n"
      "Content-Length: 300\r\n\r\n");
  S3Store store({});
  const auto version = store.Stat(GetOf(AccessTo(server->endpoint())), {});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->size, 10);
  EXPECT_EQ(server->requests().size(), 2u);
}

TEST(BucketRegionsTest, ARegionThatDoesNotHelpIsAnErrorThatNamesIt) {
  const ScriptedServer server(
      [](const Request&, Peer& peer) { peer.Send(Answer("400 Bad Request", {}, kMalformed)); });
  S3Store store({});
  const auto got = store.Get(GetOf(AccessTo(server.endpoint())), {});
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.status().message(), HasSubstr("eu-west-1"));
  EXPECT_EQ(server.requests().size(), 2u) << "once more, and not for ever";
}

TEST(BucketRegionsTest, WhatNamesNoRegionIsNotTriedAgain) {
  const std::vector<std::string> refusals = {
      Answer("403 Forbidden", {}, "<Error><Code>AccessDenied</Code></Error>"),
      Answer("403 Forbidden", {"x-amz-bucket-region: us-east-1"}, ""),
      Answer("301 Moved Permanently", {"x-amz-bucket-region: evil.example/"}, ""),
      Answer("404 Not Found", {"x-amz-bucket-region: eu-west-1"}, "")};
  for (const std::string& refusal : refusals) {
    const ScriptedServer server([&refusal](const Request&, Peer& peer) { peer.Send(refusal); });
    S3Store store({});
    EXPECT_FALSE(store.Get(GetOf(AccessTo(server.endpoint())), {}).ok());
    EXPECT_EQ(server.requests().size(), 1u) << refusal;
  }
}

TEST(BucketRegionsTest, AnAnonymousRequestToTheSamePlaceWouldBeTheSame) {
  const ScriptedServer server([](const Request&, Peer& peer) {
    peer.Send(Answer("301 Moved Permanently", {"x-amz-bucket-region: eu-west-1"}, ""));
  });
  S3Store store({});
  const auto access = AccessTo(server.endpoint(), /*anonymous=*/true);
  EXPECT_FALSE(store.Get(GetOf(access), {}).ok());
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(BucketRegionsTest, AwsHasAnEndpointForEachRegion) {
  const auto moved = [](const std::string& endpoint) {
    return EndpointIn(endpoint, "us-east-1", "eu-west-1");
  };
  EXPECT_EQ(moved("s3.amazonaws.com"), "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(moved("s3.us-east-1.amazonaws.com"), "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(moved("s3.dualstack.us-east-1.amazonaws.com"), "s3.dualstack.eu-west-1.amazonaws.com");
  EXPECT_EQ(moved("s3.us-west-2.amazonaws.com"), "s3.us-west-2.amazonaws.com");
  EXPECT_EQ(moved("minio.us-east-1.example.com"), "minio.us-east-1.example.com");
  EXPECT_EQ(moved("127.0.0.1:9000"), "127.0.0.1:9000");
}

TEST(BucketRegionsTest, TheHostOfTheUrlFollows) {
  BucketRegions regions;
  regions.Learn("s3.us-east-1.amazonaws.com", "s3", "eu-west-1");
  for (const bool path_style : {false, true}) {
    const auto access = std::make_shared<const Access>(Access{
        .endpoint = "s3.us-east-1.amazonaws.com", .region = "us-east-1", .path_style = path_style});
    const auto request = [&](const std::string& bucket) {
      return regions.Route(ObjectGet(GetOf(access, bucket)), bucket);
    };
    EXPECT_EQ(request("s3").url, path_style ? "https://s3.eu-west-1.amazonaws.com/s3/k"
                                            : "https://s3.s3.eu-west-1.amazonaws.com/k");
    EXPECT_EQ(request("s3").access->region, "eu-west-1");
    EXPECT_EQ(request("b").access, access);
  }
}

TEST(BucketRegionsTest, OfManyTheFirstLearnedIsForgotten) {
  BucketRegions regions(/*max_buckets=*/2);
  for (const char* bucket : {"a", "b", "a", "c"}) regions.Learn("h", bucket, "eu-west-1");
  const auto region = [&](const std::string& bucket) {
    return regions.Route(ObjectGet(GetOf(AccessTo("h"), bucket)), bucket).access->region;
  };
  EXPECT_EQ(region("a"), "us-east-1");
  EXPECT_EQ(region("b"), "eu-west-1");
  EXPECT_EQ(region("c"), "eu-west-1");
}

}  // namespace
}  // namespace eider::store
