#include "protocol/ticket.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::protocol {
namespace {

Ticket Example() {
  Ticket ticket;
  ticket.attempt = {"00ff.0", 2};
  ticket.query_id = "00ff";
  ticket.worker_id = "w1";
  ticket.boot_id = "b1";
  ticket.expires_at_ms = 123456789;
  ticket.sql = "SELECT ? -- \"quoted\" \n";
  ticket.arguments.positional = {Value::Null(), Value::Integer(-1),
                                 Value::List({Value::Bool(true)}),
                                 ReadTypedValues(*ParseJson(R"({"type":"DATE","value":"x"})"))};
  ticket.cache_mode = CacheMode::kPassive;
  ticket.write = true;
  ticket.timeout_ms = 1000;
  return ticket;
}

TEST(Ticket, RoundTrips) {
  const ClusterKey key = ClusterKey::Generate();
  const auto opened = OpenTicket(SealTicket(Example(), key), key);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, Example());
}

TEST(Ticket, AnotherKeyOrPurposeIsDenied) {
  const ClusterKey key = ClusterKey::Generate();
  for (const std::string& bad : {SealTicket(Example(), ClusterKey::Generate()), std::string(),
                                 Seal(key, "command", "{}"), Seal(key, "ticket", "{}")}) {
    const auto opened = OpenTicket(bad, key);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(base::ErrorOf(opened.status()).code, base::ErrorCode::kPermissionDenied);
  }
}

}  // namespace
}  // namespace eider::protocol
