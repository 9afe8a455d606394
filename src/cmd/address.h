// Addresses to listen on and to be reached by.
#pragma once

#include <arrow/status.h>

#include <string>

namespace eider::cmd {

// OK when nobody listens on the address; port 0 always is. To be asked before anything is opened or
// made, so that a refusal comes at once and leaves nothing behind. `flag` is the option that names
// another port. Errors: Invalid, one line.
arrow::Status CheckPortFree(const std::string& bind, int port, const std::string& flag);

// "grpc://host:port" by which others reach a worker: `advertise` ("host" or "host:port") where it
// is given, else the bound address, and the host's name where that is every address.
std::string WorkerLocation(const std::string& advertise, const std::string& bind, int port);

// "http://host:port" to show to a person on this machine.
std::string LocalUrl(const std::string& bind, int port);

// The host of AWS S3 in a region; empty: us-east-1.
std::string AwsS3Host(const std::string& region);

// OK when something accepts connections at "host:port", within `timeout_ms`.
arrow::Status CheckReachable(const std::string& host, int port, int64_t timeout_ms);

}  // namespace eider::cmd
