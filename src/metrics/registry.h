// Every metric of Eider: its name and meaning, once, and the one way to change it.
//
// One object in each process, coordinator and worker alike; a process shows only what it touched.
//   eider_queries_total{code}            queries that ended, by outcome: OK or the error's code
//   eider_queue_wait_seconds             from submission to the claim
//   eider_run_seconds                    from admission on the worker to the end of the stream
//   eider_claims_total{kind,rank}        what the scheduler decided: home, overflow, stolen, ...;
//   the
//                                        worker's rank for the key where there is one
//   eider_relayed_rows_total             rows of finished queries
//   eider_relayed_bytes_total            bytes of Arrow data of finished queries
//   eider_workers_up                     workers attached now
//   eider_tasks_waiting                  tasks in all lines now
//   eider_tasks_running                  tasks on workers (or on this worker) now
//   eider_s3_opens_total                 S3 objects opened
//   eider_s3_reads_total                 reads that went to S3
//   eider_s3_bytes_total                 bytes that those reads brought
//   eider_http_requests_total{call,status}  HTTP requests answered
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace eider::metrics {

// Thread-safe.
class Registry {
 public:
  Registry();
  ~Registry();

  // `code` is "OK" or an error's name.
  void QueryEnded(std::string_view code);
  void QueueWaited(int64_t wait_ms);
  void TaskRan(int64_t run_us);
  // `reason` is the scheduler's: its first word is the kind, "rank N" the rank.
  void Claimed(std::string_view reason);
  void Relayed(int64_t rows, int64_t bytes);
  void SetWorkersUp(int workers);
  void SetTasksWaiting(int tasks);
  void SetTasksRunning(int tasks);
  void ReadS3(int64_t opens, int64_t reads, int64_t bytes);
  void HttpAnswered(std::string_view call, int status);

  // All of it in Prometheus's text format.
  std::string Text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

// The labels of eider_claims_total that a reason gives: "overflow rank 1: owner w2 is full" is
// {"overflow", "1"}. The kind is one of home, overflow, stolen, retry, other; ranks past 3 are
// "4+".
struct ClaimLabels {
  std::string kind;
  std::string rank;  // "" where the reason names none
};
ClaimLabels ReadReason(std::string_view reason);

}  // namespace eider::metrics
