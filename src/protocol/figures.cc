#include "protocol/figures.h"

#include <array>
#include <utility>

#include "protocol/fields.h"

namespace eider::protocol {
namespace {

constexpr std::array<std::pair<const char*, int64_t Figures::*>, 8> kFields = {
    {{"rows", &Figures::rows},
     {"bytes", &Figures::bytes},
     {"batches", &Figures::batches},
     {"run_us", &Figures::run_us},
     {"first_batch_us", &Figures::first_batch_us},
     {"s3_opens", &Figures::s3_opens},
     {"s3_reads", &Figures::s3_reads},
     {"s3_bytes", &Figures::s3_bytes}}};

}  // namespace

Value EncodeFigures(const Figures& figures) {
  Value out = Value::Struct();
  for (const auto& [name, field] : kFields) out.With(name, Value::Integer(figures.*field));
  return out;
}

arrow::Result<Figures> DecodeFigures(const Value& value) {
  Figures figures;
  Fields fields(value, "figures");
  for (const auto& [name, field] : kFields) fields.Read(name, &(figures.*field));
  ARROW_RETURN_NOT_OK(fields.Done());
  return figures;
}

}  // namespace eider::protocol
