#include "cmd/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace eider::cmd {

int TerminalWidth() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace eider::cmd
