// The terminal that output goes to.
#pragma once

namespace eider::cmd {

// In columns; 0 where standard output is no terminal or does not say.
int TerminalWidth();

}  // namespace eider::cmd
