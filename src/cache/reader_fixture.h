// A reader over a store and a block cache in memory, for its tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/error.h"
#include "cache/fake_blocks.h"
#include "cache/fake_store.h"
#include "cache/reader.h"

namespace eider::cache {

inline constexpr int64_t kKiB = 1024;
inline constexpr int64_t kMiB = 1024 * kKiB;

// `size` bytes that differ from place to place and from seed to seed.
inline std::string Bytes(int64_t size, uint64_t seed = 1) {
  std::string bytes(static_cast<size_t>(size), '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return bytes;
}

// Waits for what another thread is about to do; false after two minutes.
inline bool Eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

inline base::ErrorCode CodeOf(const arrow::Status& status) { return base::ErrorOf(status).code; }

class ReaderTest : public testing::Test {
 protected:
  explicit ReaderTest(ReaderOptions options = {}) { Restart(options); }
  ~ReaderTest() override {
    store_->Release();
    if (blocks_ != nullptr) {
      blocks_->HoldWrites(false);
      EXPECT_TRUE(blocks_->complaints().empty()) << blocks_->complaints().front();
    }
  }

  void Restart(ReaderOptions options, bool disk = true, int64_t budget_bytes = 256 * kMiB) {
    reader_.reset();
    auto blocks = disk ? std::make_unique<FakeBlocks>(budget_bytes) : nullptr;
    blocks_ = blocks.get();
    reader_ = std::make_unique<Reader>(store_, std::move(blocks), options);
  }

  static std::unique_ptr<QueryReads> Query(Mode mode = Mode::kUse, store::Scope scope = {}) {
    return std::make_unique<QueryReads>(mode, std::move(scope));
  }

  static Source SourceOf(const std::string& key, const std::string& key_id = "good") {
    auto access = std::make_shared<store::Access>();
    access->endpoint = "s3.example";
    access->key_id = key_id;
    return {access, {"bucket", key}, "s3://bucket/" + key};
  }

  arrow::Result<ObjectPtr> Open(QueryReads& query, const std::string& key,
                                Reader::Opening opening = Reader::Opening::kTail,
                                const std::optional<store::Version>& known = std::nullopt) {
    return reader_->Open(SourceOf(key), opening, known, query);
  }

  arrow::Result<std::string> Read(QueryReads& query, const std::string& key,
                                  const ObjectPtr& object, int64_t offset, int64_t length) {
    std::string out(static_cast<size_t>(length), '\0');
    ARROW_RETURN_NOT_OK(reader_->Read(SourceOf(key), object, offset,
                                      {reinterpret_cast<uint8_t*>(out.data()), out.size()}, query));
    return out;
  }

  // Opens, and reads all of it.
  arrow::Result<std::string> ReadAll(QueryReads& query, const std::string& key) {
    ARROW_ASSIGN_OR_RAISE(const ObjectPtr object, Open(query, key));
    return Read(query, key, object, 0, object->version().size);
  }

  static store::ListRequest ListOf(const std::string& prefix) {
    store::ListRequest request;
    request.access = SourceOf("").access;
    request.bucket = "bucket";
    request.prefix = prefix;
    request.url = "s3://bucket/" + prefix;
    return request;
  }

  const std::shared_ptr<FakeStore> store_ = std::make_shared<FakeStore>();
  FakeBlocks* blocks_ = nullptr;
  std::unique_ptr<Reader> reader_;
};

}  // namespace eider::cache
