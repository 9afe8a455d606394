#include "store/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "config/limits.h"

namespace eider::store {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

arrow::Status Wrong(int line, std::string_view what) {
  return base::MakeError(base::ErrorCode::kInvalidQuery,
                         "line " + std::to_string(line) + " is " + std::string(what));
}

// The profile's name that a section's head stands for; empty: none, but services or sessions.
std::string_view ProfileOf(std::string_view section, SharedFile file) {
  constexpr std::string_view kWord = "profile";
  const bool marked = section.starts_with(kWord) && section.size() > kWord.size() &&
                      kBlanks.find(section[kWord.size()]) != std::string_view::npos;
  if (file == SharedFile::kCredentials) return section;
  if (marked) return Trim(section.substr(kWord.size()));
  return section == "default" ? section : std::string_view();
}

// Up to a comment, which begins after a blank.
std::string_view WithoutComment(std::string_view value) {
  for (size_t i = 1; i < value.size(); ++i) {
    const bool mark = value[i] == '#' || value[i] == ';';
    if (mark && kBlanks.find(value[i - 1]) != std::string_view::npos) return value.substr(0, i);
  }
  return value;
}

void Set(std::string_view key, std::string_view value, SharedProfile& profile) {
  const std::array<std::pair<std::string_view, std::string*>, 5> fields = {
      {{"aws_access_key_id", &profile.key_id},
       {"aws_secret_access_key", &profile.secret_key},
       {"aws_session_token", &profile.session_token},
       {"region", &profile.region},
       {"endpoint_url", &profile.endpoint_url}}};
  for (const auto& [name, field] : fields) {
    if (key == name) *field = value;
  }
}

// Nothing where there is no file.
arrow::Result<std::string> ReadFile(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) return std::string();
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "cannot read `" + path + "`: " + std::strerror(error));
  }
  std::string text(config::kMaxSharedConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad() || static_cast<int64_t>(text.size()) > config::kMaxSharedConfigBytes) {
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "cannot read `" + path + "`: it is no file of at most 1 MiB");
  }
  return text;
}

arrow::Result<ParsedProfile> ReadProfile(const std::string& path, SharedFile file,
                                         const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadFile(path));
  auto parsed = ParseSharedFile(text, file, name);
  if (parsed.ok()) return parsed;
  return base::MakeError(base::ErrorCode::kInvalidQuery,
                         "`" + path + "`: " + parsed.status().message());
}

// Credentials are of one file whole: the key of one and the token of another fit nothing.
SharedProfile Merge(const SharedProfile& credentials, const SharedProfile& config) {
  const SharedProfile& keys = credentials.key_id.empty() ? config : credentials;
  const auto first = [](const std::string& a, const std::string& b) { return a.empty() ? b : a; };
  return {.key_id = keys.key_id,
          .secret_key = keys.secret_key,
          .session_token = keys.session_token,
          .region = first(credentials.region, config.region),
          .endpoint_url = first(credentials.endpoint_url, config.endpoint_url)};
}

}  // namespace

arrow::Result<ParsedProfile> ParseSharedFile(std::string_view text, SharedFile file,
                                             std::string_view name) {
  ParsedProfile parsed;
  bool inside = false;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = Trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const size_t close = line.find(']');
      if (close == std::string_view::npos) return Wrong(number, "a section without `]`");
      inside = ProfileOf(Trim(line.substr(1, close - 1)), file) == name;
      parsed.found = parsed.found || inside;
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return Wrong(number, "neither `[section]` nor `key = value`");
    if (!inside || kBlanks.find(raw.front()) != std::string_view::npos) continue;  // or nested
    Set(Trim(line.substr(0, equals)), Trim(WithoutComment(line.substr(equals + 1))),
        parsed.profile);
  }
  if (parsed.profile.key_id.empty() != parsed.profile.secret_key.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "profile `" + std::string(name) +
                               "` has only one of aws_access_key_id and aws_secret_access_key");
  }
  return parsed;
}

SharedConfig::SharedConfig(SharedPaths paths, std::string profile, const base::Clock& clock)
    : paths_(std::move(paths)), name_(std::move(profile)), clock_(clock) {}

arrow::Result<std::unique_ptr<SharedConfig>> SharedConfig::Load(SharedPaths paths,
                                                                std::string profile,
                                                                const base::Clock& clock) {
  std::unique_ptr<SharedConfig> shared(
      new SharedConfig(std::move(paths), std::move(profile), clock));
  // Looked at first: what is written between the two is found by the next look.
  const Stamps stamps = shared->Look();
  ARROW_ASSIGN_OR_RAISE(auto read, shared->Read());
  const base::MutexLock lock(shared->mutex_);
  shared->stamps_ = stamps;
  shared->profile_ = std::move(read);
  shared->looked_ms_ = clock.MonotonicMs();
  return shared;
}

SharedConfig::Stamps SharedConfig::Look() const {
  const auto look = [](const std::string& path) {
    struct stat file{};
    if (path.empty() || stat(path.c_str(), &file) != 0) return Stamp();
    constexpr int64_t kSecondNs = 1'000'000'000;
    return Stamp{.inode = static_cast<int64_t>(file.st_ino),
                 .size = static_cast<int64_t>(file.st_size),
                 .modified_ns = file.st_mtim.tv_sec * kSecondNs + file.st_mtim.tv_nsec};
  };
  return {.credentials = look(paths_.credentials), .config = look(paths_.config)};
}

arrow::Result<SharedProfile> SharedConfig::Read() const {
  ARROW_ASSIGN_OR_RAISE(const ParsedProfile credentials,
                        ReadProfile(paths_.credentials, SharedFile::kCredentials, name_));
  ARROW_ASSIGN_OR_RAISE(const ParsedProfile config,
                        ReadProfile(paths_.config, SharedFile::kConfig, name_));
  if (!credentials.found && !config.found && name_ != "default") {
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "profile `" + name_ + "` is in neither `" + paths_.credentials +
                               "` nor `" + paths_.config + "`");
  }
  return Merge(credentials.profile, config.profile);
}

SharedProfile SharedConfig::Get() {
  const base::MutexLock lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms - looked_ms_ < config::kSharedConfigCheckMs) return profile_;
  looked_ms_ = now_ms;
  const Stamps stamps = Look();
  if (stamps == stamps_) return profile_;
  const bool same_files = stamps.credentials.inode == stamps_.credentials.inode &&
                          stamps.config.inode == stamps_.config.inode;
  const bool settled = std::exchange(seen_, stamps) == stamps;
  if (same_files && !settled) return profile_;
  auto read = Read();
  // Written meanwhile, or not whole yet: the next look comes.
  if (!read.ok() || Look() != stamps) return profile_;
  const bool lost_keys = read->key_id.empty() && !profile_.key_id.empty();
  if (lost_keys) return profile_;
  profile_ = *std::move(read);
  stamps_ = stamps;
  return profile_;
}

}  // namespace eider::store
