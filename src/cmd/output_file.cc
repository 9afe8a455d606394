#include "cmd/output_file.h"

#include <arrow/io/file.h>
#include <arrow/io/stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace eider::cmd {

arrow::Result<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path) {
  std::unique_ptr<OutputFile> output(new OutputFile());
  if (path.empty()) {
    output->stream_ = std::make_shared<arrow::io::StdoutStream>();
    return output;
  }
  std::error_code error;
  const bool special =
      std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error);
  // A device or a pipe cannot be renamed onto.
  const std::string part = special ? path : path + ".part-" + std::to_string(getpid());
  auto stream = arrow::io::FileOutputStream::Open(part);
  if (!stream.ok()) {
    return arrow::Status::Invalid("--output is '", path,
                                  "' but cannot be written: ", stream.status().message());
  }
  output->path_ = path;
  output->part_ = special ? "" : part;
  output->stream_ = *std::move(stream);
  return output;
}

OutputFile::~OutputFile() {
  if (!committed_) Discard();
}

arrow::Status OutputFile::Commit() {
  ARROW_RETURN_NOT_OK(stream_->Close());
  if (!part_.empty() && std::rename(part_.c_str(), path_.c_str()) != 0) {
    return arrow::Status::IOError("cannot write ", path_, ": ", std::strerror(errno));
  }
  committed_ = true;
  return arrow::Status::OK();
}

void OutputFile::Discard() {
  if (!part_.empty()) unlink(part_.c_str());
}

}  // namespace eider::cmd
