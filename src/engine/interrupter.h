// Interrupts a statement from any thread, at any time: while it binds, while it runs, after its
// end.
#pragma once

#include <memory>

#include "base/mutex.h"
#include "duckdb/common/shared_ptr.hpp"
#include "duckdb/main/client_context.hpp"
#include "engine/query_state.h"

namespace eider::engine {

// Thread-safe. May outlive what it interrupts.
class Interrupter {
 public:
  // What to interrupt from now on; at once where it was asked to before.
  void Attach(const duckdb::shared_ptr<duckdb::ClientContext>& context,
              const duckdb::shared_ptr<QueryState>& state) {
    {
      base::MutexLock lock(mutex_);
      context_ = context;
      state_ = state;
      if (!interrupted_) return;
    }
    Interrupt();
  }

  // Ends waits for S3 at once, and the rest when DuckDB next looks. May be called again: DuckDB
  // forgets an interrupt that falls between two of its phases.
  void Interrupt() {
    duckdb::shared_ptr<duckdb::ClientContext> context;
    duckdb::shared_ptr<QueryState> state;
    {
      base::MutexLock lock(mutex_);
      interrupted_ = true;
      context = context_.lock();
      state = state_.lock();
    }
    if (context) context->Interrupt();
    if (state) state->Stop();
  }

  bool interrupted() const {
    base::MutexLock lock(mutex_);
    return interrupted_;
  }

 private:
  mutable base::Mutex mutex_;
  duckdb::weak_ptr<duckdb::ClientContext> context_ EIDER_GUARDED_BY(mutex_);
  duckdb::weak_ptr<QueryState> state_ EIDER_GUARDED_BY(mutex_);
  bool interrupted_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::engine
