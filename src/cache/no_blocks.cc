#include "cache/no_blocks.h"

#include <algorithm>
#include <utility>

namespace eider::cache {
namespace {

class PlainObject final : public Object {
 public:
  PlainObject(std::string url, store::Version version)
      : url_(std::move(url)), version_(std::move(version)) {}
  const std::string& url() const override { return url_; }
  const store::Version& version() const override { return version_; }

 private:
  const std::string url_;
  const store::Version version_;
};

std::string IdentityOf(const std::string& url, const store::Version& version) {
  return url + '\n' + version.etag + '\n' + std::to_string(version.size);
}

}  // namespace

ObjectPtr NoBlocks::Intern(const std::string& url, const store::Version& version) {
  base::MutexLock lock(mutex_);
  std::weak_ptr<const Object>& known = objects_[IdentityOf(url, version)];
  if (ObjectPtr object = known.lock()) return object;
  ObjectPtr object = std::make_shared<PlainObject>(url, version);
  known = object;
  if (objects_.size() >= sweep_at_) {
    std::erase_if(objects_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<size_t>(1'024, 2 * objects_.size());
  }
  return object;
}

}  // namespace eider::cache
