#include "worker/admit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

class AdmissionTest : public testing::Test {
 protected:
  protocol::Ticket Ticket(std::string task, int attempt = 1) const {
    protocol::Ticket ticket;
    ticket.attempt = {.task_id = std::move(task), .attempt = attempt};
    ticket.query_id = "q";
    ticket.worker_id = "w1";
    ticket.boot_id = "b1";
    ticket.expires_at_ms = clock_.MonotonicMs() + 1'000;
    ticket.sql = "SELECT 1";
    return ticket;
  }

  arrow::Result<Admitted> Bring(const protocol::Ticket& ticket) {
    return admission_.Admit(SealTicket(ticket, key_));
  }

  static void ExpectError(const arrow::Status& status, ErrorCode code, const std::string& text) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(base::ErrorOf(status).code, code) << status;
    EXPECT_THAT(status.message(), HasSubstr(text));
  }
  static void ExpectDenied(const arrow::Result<Admitted>& result, const std::string& text) {
    ExpectError(result.status(), ErrorCode::kPermissionDenied, text);
  }

  base::ManualClock clock_;
  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  Admission admission_{"w1", "b1", 2, key_, clock_};
};

TEST_F(AdmissionTest, AGoodTicketTakesASlotUntilItsPermitIsGone) {
  {
    auto admitted = Bring(Ticket("t1"));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
    EXPECT_EQ(admitted->ticket.sql, "SELECT 1");
    EXPECT_EQ(admission_.occupied(), 1);
  }
  EXPECT_EQ(admission_.occupied(), 0);
}

TEST_F(AdmissionTest, ForgedOrAltered) {
  ExpectDenied(admission_.Admit(SealTicket(Ticket("t1"), protocol::ClusterKey::Generate())), "");
  const std::string good = SealTicket(Ticket("t1"), key_);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string altered = good;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    ExpectDenied(admission_.Admit(altered), "");
  }
  ExpectDenied(admission_.Admit(""), "");
}

TEST_F(AdmissionTest, ForAnotherWorkerOrBoot) {
  protocol::Ticket ticket = Ticket("t1");
  ticket.worker_id = "w2";
  ExpectDenied(Bring(ticket), "for worker w2");
  ticket = Ticket("t1");
  ticket.boot_id = "b0";
  auto result = Bring(ticket);
  ExpectDenied(result, "earlier start");
  EXPECT_TRUE(base::ErrorOf(result.status()).retryable);
}

TEST_F(AdmissionTest, Expired) {
  const std::string sealed = SealTicket(Ticket("t1"), key_);
  clock_.Advance(1'005);
  auto result = admission_.Admit(sealed);
  ExpectDenied(result, "expired 5 ms ago");
  EXPECT_TRUE(base::ErrorOf(result.status()).retryable);
}

TEST_F(AdmissionTest, UsedTwiceOrOfAnOlderAttempt) {
  ASSERT_TRUE(Bring(Ticket("t1", 2)).ok());
  auto result = Bring(Ticket("t1", 2));
  ExpectDenied(result, "used already");
  EXPECT_FALSE(base::ErrorOf(result.status()).retryable);
  ExpectDenied(Bring(Ticket("t1", 1)), "newer attempt");
  EXPECT_TRUE(Bring(Ticket("t1", 3)).ok());
  // A ticket of a long life is remembered for as long.
  protocol::Ticket lasting = Ticket("t2");
  lasting.expires_at_ms = clock_.MonotonicMs() + 100'000;
  ASSERT_TRUE(Bring(lasting).ok());
  clock_.Advance(99'000);
  ExpectDenied(Bring(lasting), "used already");
}

TEST_F(AdmissionTest, ARevokedAttemptDoesNotRun) {
  EXPECT_TRUE(admission_.Revoke({.task_id = "t1", .attempt = 1})) << "it never runs";
  ExpectDenied(Bring(Ticket("t1", 1)), "cancelled");
  EXPECT_TRUE(Bring(Ticket("t1", 2)).ok());
  EXPECT_FALSE(admission_.Revoke({.task_id = "t1", .attempt = 2})) << "it runs";
  EXPECT_FALSE(admission_.Revoke({.task_id = "t1", .attempt = 0}));
  ExpectDenied(Bring(Ticket("t1", 9)), "cancelled");
}

TEST_F(AdmissionTest, NoFreeSlotIsOverloadedAndTheTicketStaysGood) {
  std::optional<Admitted> first = *Bring(Ticket("t1"));
  auto second = Bring(Ticket("t2"));
  ASSERT_TRUE(second.ok());
  ExpectError(Bring(Ticket("t3")).status(), ErrorCode::kOverloaded, "2 slots");
  first.reset();
  EXPECT_TRUE(Bring(Ticket("t3")).ok());
}

TEST_F(AdmissionTest, AClosedGateIsOverloaded) {
  admission_.Withdraw(true);
  ExpectError(Bring(Ticket("t1")).status(), ErrorCode::kOverloaded, "reopening");
  admission_.Withdraw(false);
  EXPECT_TRUE(Bring(Ticket("t1")).ok());
  admission_.Drain();
  ExpectError(Bring(Ticket("t2")).status(), ErrorCode::kOverloaded, "draining");
}

TEST_F(AdmissionTest, WhatItRemembersIsBounded) {
  for (size_t i = 0; i < Admission::kMaxRemembered; ++i) {
    admission_.Revoke({.task_id = "r" + std::to_string(i), .attempt = 1});
  }
  ExpectError(Bring(Ticket("t1")).status(), ErrorCode::kOverloaded, "too many");
  clock_.Advance(600'000);
  EXPECT_TRUE(Bring(Ticket("t1")).ok());
}

TEST_F(AdmissionTest, ACommandWorksOnceForThisWorkerAndInTime) {
  protocol::Command command;
  command.worker_id = "w1";
  command.boot_id = "b1";
  command.expires_at_ms = 1'000;
  command.nonce = "n1";
  command.attempt = {.task_id = "t1", .attempt = 1};
  const std::string sealed = SealCommand(command, key_);
  ASSERT_TRUE(admission_.AdmitCommand(sealed).ok());
  ExpectError(admission_.AdmitCommand(sealed).status(), ErrorCode::kPermissionDenied, "already");

  command.nonce = "n2";
  ExpectError(
      admission_.AdmitCommand(SealCommand(command, protocol::ClusterKey::Generate())).status(),
      ErrorCode::kPermissionDenied, "");
  protocol::Command other = command;
  other.boot_id = "b0";
  ExpectError(admission_.AdmitCommand(SealCommand(other, key_)).status(),
              ErrorCode::kPermissionDenied, "earlier start");
  clock_.Advance(1'000);
  ExpectError(admission_.AdmitCommand(SealCommand(command, key_)).status(),
              ErrorCode::kPermissionDenied, "expired");
}

}  // namespace
}  // namespace eider::worker
