// How many files and sockets the process may have open.
#pragma once

#include <cstdint>

namespace eider::cmd {

// Raises the soft limit to the hard one: a server has a socket for each client and worker, and the
// usual soft limit of 1,024 is there for programs that use select(). Returns the limit that holds
// then; warns in the log where it cannot be raised.
int64_t RaiseDescriptorLimit();

}  // namespace eider::cmd
