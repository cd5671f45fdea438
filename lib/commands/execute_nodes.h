#pragma once

#include <vector>

#include "commands/execute.h"

namespace countersign::commands {

// The commands that let nodes in and out; part of `execute`.

Result<std::vector<records::Change>> execute_node(const Invite& command,
                                                  records::Reader& reader,
                                                  const Context& context);
Result<std::vector<records::Change>> execute_node(const Admit& command,
                                                  records::Reader& reader,
                                                  const Context& context);
Result<std::vector<records::Change>> execute_node(const RemoveNode& command,
                                                  records::Reader& reader,
                                                  const Context& context);

}  // namespace countersign::commands
