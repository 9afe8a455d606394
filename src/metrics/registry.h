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
//   eider_workers_held_back              of those, that get tasks only where no other can
//   eider_hot_keys                       keys that have earned another home
//   eider_steal_after_seconds            how long a task waits now before it may be stolen
//   eider_tasks_waiting                  tasks in all lines now
//   eider_tasks_running                  tasks on workers (or on this worker) now
//   eider_tasks_stopping                 of those, told to stop and still in a call of DuckDB's
//   eider_streams_blocked                threads in writes to clients that do not read, whose tasks
//                                        have ended
//   eider_s3_opens_total                 S3 objects opened
//   eider_s3_requests_total              requests sent to S3, retries and hedges among them
//   eider_s3_list_requests_total         of those, LIST
//   eider_s3_bytes_total                 bytes that came from S3
//   eider_s3_retries_total               requests sent again after a failure
//   eider_s3_hedges_total                second GETs sent because the first was slow
//   eider_s3_cost_dollars_total          estimate of what S3 charges for all this
//   eider_cache_bytes_total              bytes that reads of S3 files took from the cache
//   eider_cache_reads_total{outcome}     reads of S3 files: hit (nothing waited for S3) or miss
//   eider_shared_fetches_total           waits for a GET that another read had under way
//   eider_cache_used_bytes               bytes in the disk caches now
//   eider_cache_budget_bytes             bytes that they may hold
//   eider_cache_evictions_total          blocks that made room for others
//   eider_cache_corrupt_pages_total      pages found damaged, and fetched again
//   eider_cache_write_failures_total     writes to the disk caches that failed
//   eider_cache_disabled                 workers whose disk cache has turned itself off
//   eider_http_requests_total{call,status}  HTTP requests answered
//   eider_http_refused_seconds{call}     from a request that was read to its answer of 503
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace eider::metrics {

// What a task asked of S3 and of the cache.
struct Reads {
  int64_t opens = 0;
  int64_t requests = 0;
  int64_t list_requests = 0;
  int64_t s3_bytes = 0;
  int64_t cache_bytes = 0;
  int64_t cache_hits = 0;
  int64_t cache_misses = 0;
  int64_t shared_fetches = 0;
  int64_t retries = 0;
  int64_t hedges = 0;
  int64_t cost_nanousd = 0;
};

// The disk caches of a process, or of all workers together.
struct CacheState {
  int64_t used_bytes = 0;
  int64_t budget_bytes = 0;
  int64_t disabled = 0;  // how many
};

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
  void SetWorkersUp(int workers, int held_back);
  void SetScheduling(int64_t hot_keys, int64_t steal_after_ms);
  void SetTasksWaiting(int tasks);
  void SetTasksRunning(int tasks);
  void SetTasksStopping(int tasks);
  void SetStreamsBlocked(int streams);
  void Read(const Reads& reads);
  void SetCache(const CacheState& state);
  // What has happened to a disk cache since it was last told of.
  void CacheChanged(int64_t evictions, int64_t corrupt_pages, int64_t write_failures);
  // `took_us` since the request was read.
  void HttpAnswered(std::string_view call, int status, int64_t took_us);

  // All of it in Prometheus's text format.
  std::string Text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

// The labels of eider_claims_total that a reason gives: "overflow rank 1: owner w2 is full" is
// {"overflow", "1"}. The kind is one of home, overflow, stolen, moved, retry, other; ranks past 3
// are "4+".
struct ClaimLabels {
  std::string kind;
  std::string rank;  // "" where the reason names none
};
ClaimLabels ReadReason(std::string_view reason);

}  // namespace eider::metrics
