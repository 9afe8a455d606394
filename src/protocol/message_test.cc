#include "protocol/message.h"

#include <gtest/gtest.h>

namespace eider::protocol {
namespace {

template <typename T>
T RoundTrip(const T& message) {
  const auto back = DecodeMessage(EncodeMessage(message));
  EXPECT_TRUE(back.ok()) << back.status();
  return std::get<T>(*back);
}

TEST(Message, RoundTrips) {
  const Hello hello{.worker_id = "w1",
                    .boot_id = "b",
                    .version = "0.1.0",
                    .clock_ms = 5,
                    .slots = 8,
                    .threads = 2,
                    .memory_limit_bytes = int64_t{1} << 40,
                    .running = {{"q.0", 1}, {"r.0", 3}}};
  EXPECT_EQ(RoundTrip(hello), hello);
  EXPECT_EQ(RoundTrip(Started{{"q.0", 2}}), (Started{{"q.0", 2}}));
  const Heartbeat beat{.clock_ms = 1,
                       .running = 2,
                       .ready = false,
                       .not_ready_why = "S3: \"no\"",
                       .draining = true,
                       .memory_used_bytes = 3,
                       .cache_bytes = 4,
                       .stopping = {{{"q.0", 1}, 12'000}, {{"r.0", 2}, 5}},
                       .blocked_streams = 14,
                       .cache = {.budget_bytes = 5,
                                 .used_bytes = 6,
                                 .blocks = 7,
                                 .objects = 8,
                                 .evictions = 9,
                                 .corrupt_pages = 10,
                                 .write_failures = 11,
                                 .disabled_why = "no space left",
                                 .hits = 12,
                                 .misses = 13}};
  EXPECT_EQ(RoundTrip(beat), beat);
  EXPECT_EQ(RoundTrip(Ping{}), Ping{});
  EXPECT_EQ(RoundTrip(Superseded{7, true}), (Superseded{7, true}));
}

TEST(Message, FinishedKeepsItsErrorAndFigures) {
  Finished finished{.attempt = {"q.0", 1},
                    .error = std::nullopt,
                    .figures = {.rows = 1,
                                .bytes = 2,
                                .batches = 3,
                                .run_us = 4,
                                .first_batch_us = 5,
                                .s3_opens = 6,
                                .s3_requests = 7,
                                .s3_list_requests = 8,
                                .s3_bytes = 9,
                                .asked_bytes = 10,
                                .cache_bytes = 11,
                                .cache_hits = 12,
                                .cache_misses = 13,
                                .shared_fetches = 14,
                                .retries = 15,
                                .hedges = 16,
                                .cost_nanousd = 17},
                    .written = {"s3://b/k", "s3://b/p/"}};
  EXPECT_FALSE(RoundTrip(finished).error);
  EXPECT_EQ(RoundTrip(finished).figures, finished.figures);
  EXPECT_EQ(RoundTrip(finished).written, finished.written);
  finished.error = base::ErrorInfo{.code = base::ErrorCode::kNotFound, .message = "s3://b/k"};
  EXPECT_EQ(RoundTrip(finished).error->code, base::ErrorCode::kNotFound);
}

TEST(Message, RefusesWhatIsNone) {
  for (const char* bad : {"", "{}", "[]", R"({"is":"nothing"})", R"({"is":"hello"})",
                          R"({"is":"started","attempt":{"task":"x"}})",
                          R"({"is":"heartbeat","clock_ms":1,"running":0,"ready":true})",
                          R"({"is":"finished","attempt":{"task":"x","attempt":1},"figures":{}})"}) {
    EXPECT_FALSE(DecodeMessage(bad).ok()) << bad;
  }
}

TEST(Command, RoundTripsUnderItsKeyAlone) {
  const ClusterKey key = ClusterKey::Generate();
  const Command command{.kind = Command::Kind::kDrain,
                        .worker_id = "w1",
                        .boot_id = "b",
                        .expires_at_ms = 5,
                        .nonce = "n",
                        .attempt = {"q.0", 0},
                        .reason = "why"};
  const auto back = OpenCommand(SealCommand(command, key), key);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->kind, command.kind);
  EXPECT_EQ(back->attempt, command.attempt);
  EXPECT_FALSE(OpenCommand(SealCommand(command, key), ClusterKey::Generate()).ok());
}

TEST(Command, InvalidateNamesWhatToForget) {
  const ClusterKey key = ClusterKey::Generate();
  const Command command{.kind = Command::Kind::kInvalidate, .urls = {"s3://b/k", "s3://b/p/"}};
  const auto back = OpenCommand(SealCommand(command, key), key);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->kind, Command::Kind::kInvalidate);
  EXPECT_EQ(back->urls, command.urls);
}

TEST(Announcement, RoundTrips) {
  const ClusterKey key = ClusterKey::Generate();
  const auto back = OpenAnnouncement(SealAnnouncement({"w", "b", "grpc://h:1"}, key), key);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->location, "grpc://h:1");
  EXPECT_FALSE(OpenAnnouncement(Seal(key, "command", "{}"), key).ok());
}

}  // namespace
}  // namespace eider::protocol
