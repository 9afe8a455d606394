// The texts of --help, made from the table of options.
#pragma once

#include <string>

#include "config/option_table.h"

namespace eider::config {

// Of 'eider --help'.
std::string GeneralHelp();
// Of 'eider COMMAND --help': usage, options by group with their defaults, examples.
std::string CommandHelp(Command command);

}  // namespace eider::config
