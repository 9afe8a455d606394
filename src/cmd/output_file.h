// Where a result goes: standard output, or a file that appears only when it is whole.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <memory>
#include <string>

namespace eider::cmd {

class OutputFile {
 public:
  // An empty `path` is standard output. Errors: Invalid when the file cannot be made.
  static arrow::Result<std::unique_ptr<OutputFile>> Open(const std::string& path);
  // Takes away a file that was not committed.
  ~OutputFile();

  arrow::io::OutputStream* stream() { return stream_.get(); }
  // Closes it and gives it its name.
  arrow::Status Commit();
  // Only unlinks: may be called from another thread, at an interrupt.
  void Discard();

 private:
  OutputFile() = default;

  std::string path_;
  std::string part_;  // the name until Commit; empty for standard output
  std::shared_ptr<arrow::io::OutputStream> stream_;
  bool committed_ = false;
};

}  // namespace eider::cmd
