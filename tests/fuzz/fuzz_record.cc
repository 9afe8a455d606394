// The decoders of a cache's index records: any bytes are taken, and what they decode to makes sense
// and encodes to the same again.
#include <algorithm>
#include <cstdlib>

#include "cache/format.h"

namespace {

using namespace eider::cache;  // NOLINT(google-build-using-namespace): the decoders are the subject

void Check(bool holds) {
  if (!holds) std::abort();
}

void DecodeAll(const Record& record) {
  IsTaken(record);
  const auto stored = DecodeIdentity(record);
  if (!stored) return;
  const BlockIdentity& identity = stored->identity;
  Check(FitsRecord(identity.url, identity.version));
  const uint64_t possible = PagesOfBlock(identity.version.size, identity.block);
  Check(possible != 0);
  Record again{};
  EncodeIdentity(identity, again);
  Check(DecodeIdentity(again)->identity == identity);
  const auto table = DecodePages(PagesPartOf(record), stored->hash, possible);
  if (!table) return;
  for (int page = 0; page < kPagesPerBlock; ++page) {
    if ((table->valid >> page & 1) == 0) continue;
    const int64_t length = PageLength(identity.version.size, identity.block, page);
    Check(length > 0 && length <= kPageBytes);
  }
  Check(DecodePages(EncodePages(*table, stored->hash), stored->hash, possible) == table);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Record record{};
  std::copy_n(data, std::min<size_t>(size, record.size()), record.begin());
  DecodeAll(record);
  // Behind the checksums too.
  Reseal(record);
  DecodeAll(record);
  return 0;
}
