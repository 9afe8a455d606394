#include "protocol/figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "protocol/fields.h"

namespace eider::protocol {
namespace {

template <typename T, size_t kCount>
using Names = std::array<std::pair<const char*, int64_t T::*>, kCount>;

constexpr Names<Figures, 17> kFigures = {{{"rows", &Figures::rows},
                                          {"bytes", &Figures::bytes},
                                          {"batches", &Figures::batches},
                                          {"run_us", &Figures::run_us},
                                          {"first_batch_us", &Figures::first_batch_us},
                                          {"s3_opens", &Figures::s3_opens},
                                          {"s3_requests", &Figures::s3_requests},
                                          {"s3_list_requests", &Figures::s3_list_requests},
                                          {"s3_bytes", &Figures::s3_bytes},
                                          {"asked_bytes", &Figures::asked_bytes},
                                          {"cache_bytes", &Figures::cache_bytes},
                                          {"cache_hits", &Figures::cache_hits},
                                          {"cache_misses", &Figures::cache_misses},
                                          {"shared_fetches", &Figures::shared_fetches},
                                          {"retries", &Figures::retries},
                                          {"hedges", &Figures::hedges},
                                          {"cost_nanousd", &Figures::cost_nanousd}}};

constexpr Names<CacheFigures, 9> kCacheFigures = {
    {{"budget_bytes", &CacheFigures::budget_bytes},
     {"used_bytes", &CacheFigures::used_bytes},
     {"blocks", &CacheFigures::blocks},
     {"objects", &CacheFigures::objects},
     {"evictions", &CacheFigures::evictions},
     {"corrupt_pages", &CacheFigures::corrupt_pages},
     {"write_failures", &CacheFigures::write_failures},
     {"hits", &CacheFigures::hits},
     {"misses", &CacheFigures::misses}}};

constexpr double kThousand = 1e3;
constexpr double kBytesPerGb = 1e9;

}  // namespace

Value EncodeFigures(const Figures& figures) {
  Value out = Value::Struct();
  for (const auto& [name, field] : kFigures) out.With(name, Value::Integer(figures.*field));
  return out;
}

arrow::Result<Figures> DecodeFigures(const Value& value) {
  Figures figures;
  Fields fields(value, "figures");
  for (const auto& [name, field] : kFigures) fields.Read(name, &(figures.*field));
  ARROW_RETURN_NOT_OK(fields.Done());
  return figures;
}

Value EncodeCacheFigures(const CacheFigures& figures) {
  Value out = Value::Struct();
  for (const auto& [name, field] : kCacheFigures) out.With(name, Value::Integer(figures.*field));
  out.With("disabled_why", Value::String(figures.disabled_why));
  return out;
}

arrow::Result<CacheFigures> DecodeCacheFigures(const Value& value) {
  CacheFigures figures;
  Fields fields(value, "cache");
  for (const auto& [name, field] : kCacheFigures) fields.Read(name, &(figures.*field));
  fields.Read("disabled_why", &figures.disabled_why);
  ARROW_RETURN_NOT_OK(fields.Done());
  return figures;
}

int64_t CostNanoUsd(const Figures& figures, const S3Prices& prices) {
  const int64_t lists = std::min(figures.s3_list_requests, figures.s3_requests);
  const auto times = [](int64_t count, int64_t price, double unit) {
    return static_cast<double>(count) * static_cast<double>(price) / unit;
  };
  return std::llround(times(figures.s3_requests - lists, prices.per_1000_requests, kThousand) +
                      times(lists, prices.per_1000_lists, kThousand) +
                      times(figures.s3_bytes, prices.per_gb, kBytesPerGb));
}

}  // namespace eider::protocol
