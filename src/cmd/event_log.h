// What is logged when a task or a query has ended: one line of names and values.
#pragma once

#include "coordinator/history.h"
#include "protocol/message.h"
#include "protocol/value.h"

namespace eider::cmd {

// On the worker: the attempt, how it ended and what it cost.
protocol::Value TaskEndFields(const protocol::Finished& finished);
// On the coordinator: the same, where the query ran, why there, and how long it waited.
protocol::Value QueryEndFields(const coordinator::QueryRecord& record);

}  // namespace eider::cmd
