// How long S3 is waited for, and over how many connections.
#pragma once

#include <cstdint>

#include "config/limits.h"

namespace eider::store {

struct TransferOptions {
  int max_connections = config::kMaxS3Connections;
  int max_host_connections = config::kMaxS3HostConnections;
  int64_t connect_timeout_ms = config::kS3ConnectTimeoutMs;
  int64_t first_byte_timeout_ms = config::kS3FirstByteTimeoutMs;
  int64_t list_first_byte_timeout_ms = config::kS3ListFirstByteTimeoutMs;
  // A body of which less than min_bytes_per_second arrive over stall_ms has stalled.
  int64_t stall_ms = config::kS3StallMs;
  int64_t min_bytes_per_second = config::kS3MinBytesPerSecond;
};

}  // namespace eider::store
